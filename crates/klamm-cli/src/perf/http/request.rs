//! Pure: the bytes of requests, made once; a request differs from the next in the numbers of its records.

use super::target::Target;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

/// Stands for a record's number in a body.
pub(super) const PLACE: &str = "{{id}}";
/// The number of the first record. All numbers have as many digits, so all requests have one length, and each is exact as
/// a number of JSON.
pub(super) const FIRST: u64 = 100_000_000_000;
/// Digits of a number.
const DIGITS: usize = 12;
/// How many numbers there are.
pub(super) const NUMBERS: u64 = 10 * FIRST - FIRST;
/// The largest body.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// What `--body` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// JSON of so many bytes for each record, with its number in `id`.
    Size(usize),
    /// What a file holds.
    File(PathBuf),
    /// This.
    Text(String),
}

impl FromStr for BodyKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Self::File(path.into()));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let size = text.parse().ok().filter(|size| *size <= MAX_BODY);
            return size.map(Self::Size).ok_or_else(|| format!("at most {MAX_BODY} bytes"));
        }
        Ok(Self::Text(text.to_owned()))
    }
}

/// JSON of exactly `size` bytes with [`PLACE`] counted as its digits; `None` when it does not fit.
pub(super) fn generated(size: usize, run: &str) -> Option<String> {
    let mut text = format!(r#"{{"id":{PLACE},"run":"{run}","text":""#);
    let pad = (size + PLACE.len()).checked_sub(text.len() + 2 + DIGITS)?;
    // Letters that repeat, but not every few bytes: neither the best nor the worst for a codec.
    text.extend((0..pad).map(|at| char::from(b'a' + (at * at % 25) as u8)));
    text.push_str("\"}");
    Some(text)
}

/// A request, ready to be sent once it has been [numbered](Request::numbered).
#[derive(Debug, Clone)]
pub(super) struct Request {
    bytes: Vec<u8>,
    /// Where numbers stand.
    places: Vec<usize>,
    records: u64,
    body_len: usize,
}

impl Request {
    /// A POST of `records` times this line. `None` when the body is larger than anything should be.
    pub(super) fn new(
        target: &Target,
        content_type: &str,
        headers: &[(String, String)],
        line: &str,
        records: u64,
    ) -> Option<Self> {
        let numbers = line.matches(PLACE).count();
        let line_len = line.len() - numbers * PLACE.len() + numbers * DIGITS;
        let breaks = records.saturating_sub(1);
        let body_len = (line_len as u64).checked_mul(records)?.checked_add(breaks)?;
        let body_len = usize::try_from(body_len).ok().filter(|len| *len <= MAX_BODY)?;
        let mut head = format!("POST {} HTTP/1.1\r\nhost: {}\r\n", target.path, target.host);
        // Writing to memory does not fail.
        let _ = write!(head, "content-type: {content_type}\r\ncontent-length: {body_len}\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let (mut bytes, mut places) = (head.into_bytes(), Vec::new());
        for record in 0..records {
            if record > 0 {
                bytes.push(b'\n');
            }
            let mut parts = line.split(PLACE);
            bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
            for part in parts {
                places.push(bytes.len());
                bytes.extend_from_slice(&[b'0'; DIGITS]);
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        Some(Self { bytes, places, records, body_len })
    }

    /// Records of it.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Bytes of its body.
    pub(super) fn body_len(&self) -> usize {
        self.body_len
    }

    /// Whether records have their number in it.
    pub(super) fn has_numbers(&self) -> bool {
        !self.places.is_empty()
    }

    /// The bytes of request `number`, counted from 0.
    pub(super) fn numbered(&mut self, number: u64) -> &[u8] {
        let each = (self.places.len() as u64 / self.records.max(1)).max(1);
        for (place, at) in (0..).zip(&self.places) {
            let mut left = FIRST + number * self.records + place / each;
            for digit in self.bytes[*at..*at + DIGITS].iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyKind, FIRST, Request, generated};

    fn text(line: &str, records: u64, number: u64) -> String {
        let target = "http://h:1/topics/t".parse().unwrap();
        let headers = [("x-a".to_owned(), "b".to_owned())];
        let request = Request::new(&target, "text/plain", &headers, line, records);
        String::from_utf8(request.unwrap().numbered(number).to_vec()).unwrap()
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        let sent = text("n={{id}};", 1, 7);
        let head = "POST /topics/t HTTP/1.1\r\nhost: h:1\r\ncontent-type: text/plain\r\n";
        assert_eq!(sent, format!("{head}content-length: 15\r\nx-a: b\r\n\r\nn=100000000007;"));
        assert!(text("plain", 1, 7).ends_with("content-length: 5\r\nx-a: b\r\n\r\nplain"));
    }

    #[test]
    fn each_record_has_a_number_of_its_own() {
        let sent = text("{{id}} {{id}}", 3, 2);
        let body = sent.split("\r\n\r\n").nth(1).unwrap();
        let lines: Vec<String> = (6..9).map(|n| format!("{0} {0}", FIRST + n)).collect();
        assert_eq!(body, lines.join("\n"));
        assert!(sent.contains(&format!("content-length: {}\r\n", body.len())));
    }

    #[test]
    fn generated_bodies_are_json_of_their_size() {
        for size in [60, 230, 5_000] {
            let sent = text(&generated(size, "0a1b2c3d").unwrap(), 1, 41);
            let body = sent.split("\r\n\r\n").nth(1).unwrap();
            let value: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!((body.len(), value["id"].as_u64()), (size, Some(FIRST + 41)));
            assert_eq!(value["run"], "0a1b2c3d");
        }
        assert_eq!(generated(20, "0a1b2c3d"), None);
    }

    #[test]
    fn bodies_are_a_size_a_file_or_a_text() {
        let kind = |text: &str| text.parse::<BodyKind>();
        assert_eq!(kind("230"), Ok(BodyKind::Size(230)));
        assert_eq!(kind("@x.json"), Ok(BodyKind::File("x.json".into())));
        assert_eq!(kind("{}"), Ok(BodyKind::Text("{}".into())));
        assert!(kind("99999999999").is_err());
    }

    #[test]
    fn a_body_that_is_too_large_is_none() {
        let target = "http://h/".parse().unwrap();
        assert!(Request::new(&target, "a", &[], "0123456789", u64::MAX / 2).is_none());
        assert!(Request::new(&target, "a", &[], "0123456789", 10_000_000).is_none());
    }
}
