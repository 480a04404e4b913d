//! Pure: a body that is a record, or many of them, as it is.

use super::envelope::push;
use super::json::{self, JsonError, Scanner};
use super::{Envelope, Media, Position, Rejected};
use crate::Accepted;
use bytes::Bytes;

/// What of a body is a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// All of it.
    Whole,
    /// Each item of a JSON array.
    Array,
    /// Each line that is not blank.
    Lines,
}

/// What is done with a body that is a record, or many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// What it is.
    pub media: Media,
    /// What of it is a record.
    pub split: Split,
    /// Whether what should be JSON or text is held to it.
    pub checked: bool,
}

impl Plain {
    /// What is usual for `media`: lines are records where lines are spoken of, everything is checked.
    pub fn of(media: Media) -> Self {
        let split = if media == Media::Lines { Split::Lines } else { Split::Whole };
        Self { media, split, checked: true }
    }

    /// The records in `body`; values are slices of it.
    ///
    /// # Errors
    /// The first that is wrong: all or none.
    pub fn records(self, body: &Bytes, envelope: &Envelope) -> Result<Vec<Accepted>, Rejected> {
        match self.split {
            Split::Whole => Ok(vec![envelope.record(Some(self.whole(body)?))]),
            Split::Array => array(body, envelope),
            Split::Lines => {
                let mut records = Vec::new();
                for line in self.lines(body) {
                    push(&mut records, envelope.record(Some(line?)))?;
                }
                if records.is_empty() { Err(Rejected::Empty) } else { Ok(records) }
            }
        }
    }

    /// The lines of `body` that are not blank, each for itself right or wrong; the work is in proportion to the body,
    /// however many of them are wrong.
    pub fn lines(self, body: &Bytes) -> impl Iterator<Item = Result<Bytes, Rejected>> {
        let (mut next, mut number) = (0, 0);
        std::iter::from_fn(move || {
            while next < body.len() {
                let rest = &body[next..];
                let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                let start = next;
                next = start + length + 1;
                number += 1;
                let line = body.slice(start..start + length);
                if !line.trim_ascii().is_empty() {
                    return Some(self.line(line).map_err(|wrong| wrong.in_line(number, start)));
                }
            }
            None
        })
    }

    fn whole(self, body: &Bytes) -> Result<Bytes, Rejected> {
        match self.media {
            Media::Json | Media::Lines if self.checked => {
                let value = json::check(body).map_err(|error| Rejected::json(error, body))?;
                Ok(body.slice(value))
            }
            Media::Text if self.checked => match std::str::from_utf8(body) {
                Ok(_) => Ok(body.clone()),
                Err(error) => Err(not_text(body, error.valid_up_to())),
            },
            _ => Ok(body.clone()),
        }
    }

    fn line(self, line: Bytes) -> Result<Bytes, Rejected> {
        // A line of text keeps its spaces, but not what some systems end lines with.
        let end = line.strip_suffix(b"\r").unwrap_or(&line).len();
        self.whole(&line.slice(..end))
    }
}

fn not_text(body: &[u8], at: usize) -> Rejected {
    Rejected::Utf8 { position: Position::of(body, at) }
}

/// An array cannot be taken apart without being read, so that it is always checked.
fn array(body: &Bytes, envelope: &Envelope) -> Result<Vec<Accepted>, Rejected> {
    let mut records = Vec::new();
    let wrong = |error| Rejected::json(error, body);
    let mut scanner = Scanner::new(body).map_err(wrong)?;
    if !matches!(scanner.peek(), Some(b'[') | None) {
        let position = Position::of(body, scanner.position());
        return Err(Rejected::Value { expected: "an array of records", position });
    }
    let mut too_many = None;
    let walked = scanner.items::<JsonError>(|scanner| {
        let value = scanner.value()?;
        if too_many.is_none() {
            let record = envelope.record(Some(body.slice(value)));
            too_many = push(&mut records, record).err();
        }
        Ok(())
    });
    walked.and_then(|()| scanner.end()).map_err(wrong)?;
    match too_many {
        Some(rejected) => Err(rejected),
        None if records.is_empty() => Err(Rejected::Empty),
        None => Ok(records),
    }
}

#[cfg(test)]
mod tests {
    use super::super::RECORDS_MAX;
    use super::*;
    use proptest::prelude::*;

    fn envelope() -> Envelope {
        Envelope { key: Some(Bytes::from_static(b"k")), ..Envelope::new("t".into(), 7) }
    }

    fn values(plain: Plain, body: &str) -> Result<Vec<String>, String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let records = plain.records(&body, &envelope()).map_err(|error| error.to_string())?;
        let text =
            |record: &Accepted| String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap();
        Ok(records.iter().map(text).collect())
    }

    fn split(media: Media, split: Split) -> Plain {
        Plain { split, ..Plain::of(media) }
    }

    #[test]
    fn bodies_become_the_records_they_are() {
        let table: [(Plain, &str, &[&str]); 9] = [
            (Plain::of(Media::Json), " {\"a\": 1}\n", &["{\"a\": 1}"]),
            (Plain::of(Media::Json), "[1,2]", &["[1,2]"]),
            (
                split(Media::Json, Split::Array),
                "[1, {\"a\":[2]} ,null]",
                &["1", "{\"a\":[2]}", "null"],
            ),
            (Plain::of(Media::Lines), "{\"a\":1}\r\n\n  \n 2 \n3", &["{\"a\":1}", "2", "3"]),
            (Plain::of(Media::Text), "one\ntwo", &["one\ntwo"]),
            (split(Media::Text, Split::Lines), " one\r\ntwo \n", &[" one", "two "]),
            (Plain::of(Media::Bytes), "{not json", &["{not json"]),
            (Plain::of(Media::Bytes), "", &[""]),
            (Plain { checked: false, ..Plain::of(Media::Json) }, "{not json", &["{not json"]),
        ];
        for (plain, body, expected) in table {
            assert_eq!(values(plain, body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let table: [(Plain, &str, &str); 7] = [
            (
                Plain::of(Media::Json),
                "{\"a\":\n tru}",
                "a character that cannot stand here at line 2, column 5",
            ),
            (Plain::of(Media::Json), "", "the text ends within a value at line 1, column 1"),
            (
                Plain::of(Media::Lines),
                "1\n\n[2\n3",
                "the text ends within a value at line 3, column 3",
            ),
            (Plain::of(Media::Lines), "\n \n", "no record in the request"),
            (split(Media::Json, Split::Array), "[]", "no record in the request"),
            (
                split(Media::Json, Split::Array),
                "{}",
                "expected an array of records at line 1, column 1",
            ),
            (
                split(Media::Json, Split::Array),
                "[1] 2",
                "more after the end of the value at line 1, column 5",
            ),
        ];
        for (plain, body, message) in table {
            assert_eq!(values(plain, body).unwrap_err(), message, "{body}");
        }
        let text = Plain::of(Media::Text).records(&Bytes::from_static(b"a\n\xff"), &envelope());
        assert_eq!(text.unwrap_err().to_string(), "not UTF-8 at line 2, column 1");
    }

    #[test]
    fn a_line_that_is_wrong_keeps_no_other_from_being_right() {
        let body = Bytes::from_static(b"1\n{\n3\n");
        let lines: Vec<bool> = Plain::of(Media::Lines).lines(&body).map(|l| l.is_ok()).collect();
        assert_eq!(lines, [true, false, true]);
    }

    #[test]
    fn places_in_lines_are_places_in_the_body() {
        let body = Bytes::from_static("1\r\n\n \u{e4}\n\"\u{e4}\" x".as_bytes());
        let wrong = Plain::of(Media::Lines).lines(&body).filter_map(Result::err);
        let places: Vec<_> = wrong.filter_map(|wrong| wrong.position()).collect();
        let place = |line, column, offset| Position { offset, line, column };
        assert_eq!(places, [place(3, 2, 5), place(4, 5, 13)]);
    }

    #[test]
    fn records_share_what_their_request_says() {
        let records = Plain::of(Media::Lines).records(&Bytes::from_static(b"1\n2"), &envelope());
        let keys: Vec<_> = records.unwrap().into_iter().map(|r| (r.key, r.timestamp)).collect();
        assert_eq!(keys, vec![(Some(Bytes::from_static(b"k")), 7); 2]);
    }

    #[test]
    fn small_items_do_not_become_large_memory() {
        let lines =
            |count: usize| values(Plain::of(Media::Lines), &"1\n".repeat(count)).map(|v| v.len());
        assert_eq!(lines(RECORDS_MAX), Ok(RECORDS_MAX));
        let too_many = format!("more than {RECORDS_MAX} records in one request");
        assert_eq!(lines(RECORDS_MAX + 1), Err(too_many.clone()));
        let items = format!("[{}1]", "1,".repeat(RECORDS_MAX));
        assert_eq!(values(split(Media::Json, Split::Array), &items), Err(too_many));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let body = Bytes::from(bytes);
            for media in [Media::Json, Media::Lines, Media::Text, Media::Bytes] {
                for how in [Split::Whole, Split::Array, Split::Lines] {
                    let _ = split(media, how).records(&body, &envelope());
                }
            }
        }
    }
}
