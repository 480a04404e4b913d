//! Pure: the answer to a request, read from the bytes of a connection.

use std::borrow::Cow;

/// Bytes of a status line and headers.
const MAX_HEAD: usize = 64 * 1024;
/// Bytes of a whole answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Header lines of an answer.
const MAX_HEADERS: usize = 64;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: Cow<'a, [u8]>,
    /// How many bytes of the connection it took.
    pub(super) taken: usize,
    /// Whether nothing more comes on this connection.
    pub(super) closes: bool,
}

/// Bytes that are no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("no HTTP answer: {0}")]
    Head(httparse::Error),
    #[error("a chunk of no size")]
    Chunk,
    #[error("its end cannot be told: {0}")]
    Length(&'static str),
    #[error("longer than {0} bytes")]
    TooLong(usize),
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    /// It ends with the connection.
    ToTheEnd,
}

struct Head {
    status: u16,
    /// Where the body begins.
    len: usize,
    framing: Framing,
    closes: bool,
}

/// The answer at the beginning of `input`; `None` while it is not whole. `ended` says that no more bytes come.
pub(super) fn read(input: &[u8], ended: bool) -> Result<Option<Answer<'_>>, Malformed> {
    let mut at = 0;
    // What is said before the answer, as "100 Continue", is none.
    let head = loop {
        let Some(head) = head(&input[at..])? else { return Ok(None) };
        at += head.len;
        if head.status >= 200 {
            break head;
        }
    };
    let body = &input[at..];
    let (body, taken) = match head.framing {
        Framing::Length(len) if len > MAX_ANSWER => return Err(Malformed::TooLong(MAX_ANSWER)),
        Framing::Length(len) => match body.get(..len) {
            Some(body) => (Cow::Borrowed(body), at + len),
            None => return Ok(None),
        },
        Framing::Chunked => match chunks(body)? {
            Some((body, len)) => (Cow::Owned(body), at + len),
            None => return too_long(input).map(|()| None),
        },
        Framing::ToTheEnd if ended => (Cow::Borrowed(body), input.len()),
        Framing::ToTheEnd => return too_long(input).map(|()| None),
    };
    Ok(Some(Answer { status: head.status, body, taken, closes: head.closes }))
}

fn too_long(input: &[u8]) -> Result<(), Malformed> {
    if input.len() > MAX_ANSWER { Err(Malformed::TooLong(MAX_ANSWER)) } else { Ok(()) }
}

fn head(input: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(input).map_err(Malformed::Head)? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial if input.len() > MAX_HEAD => {
            return Err(Malformed::TooLong(MAX_HEAD));
        }
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or(0);
    let mut head = Head { status, len, framing: Framing::ToTheEnd, closes: false };
    let mut keeps = response.version == Some(1);
    let (mut length, mut chunked) = (None, false);
    for header in &*response.headers {
        let value = header.value.trim_ascii();
        if header.name.eq_ignore_ascii_case("content-length") {
            let said = content_length(value).ok_or(Malformed::Length("no number"))?;
            if length.replace(said).is_some_and(|before| before != said) {
                return Err(Malformed::Length("two lengths"));
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case(b"chunked");
            if !chunked {
                return Err(Malformed::Length("a transfer encoding other than chunked"));
            }
        } else if header.name.eq_ignore_ascii_case("connection") {
            keeps = keeps && !value.eq_ignore_ascii_case(b"close");
        }
    }
    head.framing = match (status, length, chunked) {
        (..200 | 204 | 304, _, _) => Framing::Length(0),
        (_, Some(_), true) => return Err(Malformed::Length("a length and chunks")),
        (_, Some(length), false) => Framing::Length(length),
        (_, None, true) => Framing::Chunked,
        (_, None, false) => Framing::ToTheEnd,
    };
    head.closes = !keeps || head.framing == Framing::ToTheEnd;
    Ok(Some(head))
}

fn content_length(value: &[u8]) -> Option<usize> {
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// The data of all chunks, and how long they and what follows them are.
fn chunks(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        let size = match httparse::parse_chunk_size(&input[at..]) {
            Ok(httparse::Status::Complete((line, size))) => {
                at += line;
                usize::try_from(size).ok().filter(|size| *size <= MAX_ANSWER)
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed::Chunk),
        };
        let size = size.ok_or(Malformed::TooLong(MAX_ANSWER))?;
        if size == 0 {
            return Ok(trailers(&input[at..])?.map(|len| (data, at + len)));
        }
        let Some(chunk) = input.get(at..at + size + 2) else { return Ok(None) };
        let Some(chunk) = chunk.strip_suffix(b"\r\n") else { return Err(Malformed::Chunk) };
        data.extend_from_slice(chunk);
        at += size + 2;
    }
}

/// How long the lines after the last chunk are.
fn trailers(input: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    match httparse::parse_headers(input, &mut headers).map_err(Malformed::Head)? {
        httparse::Status::Complete((len, _)) => Ok(Some(len)),
        httparse::Status::Partial => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Malformed, read};

    /// What is read of a whole text, after it has been seen that no shorter one is an answer.
    fn whole(text: &str, ended: bool) -> (u16, String, usize, bool) {
        for end in 0..text.len() {
            assert_eq!(read(&text.as_bytes()[..end], false), Ok(None), "{end} of {text:?}");
        }
        let answer = read(text.as_bytes(), ended).unwrap().expect("an answer");
        let body = String::from_utf8(answer.body.into_owned()).unwrap();
        (answer.status, body, answer.taken, answer.closes)
    }

    #[test]
    fn bodies_end_where_their_head_says() {
        let length = "HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nabcd";
        assert_eq!(whole(length, false), (202, "abcd".into(), length.len(), false));
        let next = format!("{length}HTTP/1.1 500");
        assert_eq!(read(next.as_bytes(), false).unwrap().unwrap().taken, length.len());
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n";
        assert_eq!(whole(chunked, false), (200, "abcde".into(), chunked.len(), false));
        let nothing = "HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(whole(nothing, false), (204, String::new(), nothing.len(), false));
        let open = "HTTP/1.1 200 OK\r\n\r\nall there is";
        assert_eq!(read(open.as_bytes(), false), Ok(None));
        assert_eq!(whole(open, true), (200, "all there is".into(), open.len(), true));
    }

    #[test]
    fn a_word_before_the_answer_is_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";
        assert_eq!(whole(text, false), (503, String::new(), text.len(), false));
    }

    #[test]
    fn connections_that_end_are_known() {
        let close = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n";
        assert!(whole(close, false).3);
        let old = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert!(whole(old, false).3);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let wrong = |text: &str| read(text.as_bytes(), false).unwrap_err();
        assert!(matches!(wrong("SMTP ready\r\n\r\n"), Malformed::Head(_)));
        let head = "HTTP/1.1 200 OK\r\n";
        for lengths in [
            "Content-Length: 4\r\nContent-Length: 5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 99999999999999999999999\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip\r\n",
        ] {
            let refused = wrong(&format!("{head}{lengths}\r\n"));
            assert!(matches!(refused, Malformed::Length(_)), "{lengths}: {refused}");
        }
        let long = wrong(&format!("{head}Content-Length: 99999999999\r\n\r\n"));
        assert!(matches!(long, Malformed::TooLong(_)));
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(wrong(&format!("{chunked}zz\r\n")), Malformed::Chunk);
        assert_eq!(wrong(&format!("{chunked}1\r\nab\r\n")), Malformed::Chunk);
        assert!(matches!(wrong(&format!("{chunked}fffffffffff\r\n")), Malformed::TooLong(_)));
        let endless = format!("{head}X: {}", "y".repeat(70_000));
        assert!(matches!(wrong(&endless), Malformed::TooLong(_)));
    }
}
