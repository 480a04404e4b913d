//! A request and its answer over a socket, and what the answer promises.

use crate::ledger::{Answer, Id};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a connection may take to be made, and an answer to come: longer than a gateway keeps anybody waiting for Kafka.
const PATIENCE: Duration = Duration::from_secs(60);
/// An answer that is longer is none of a gateway's.
const ANSWER_MAX: u64 = 64 * 1024;

/// A connection to a gateway.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects.
    pub(crate) fn to(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request with so many records; what it is answered. After an error nobody knows what became of it.
    pub(crate) fn exchange(&mut self, request: &[u8], records: usize) -> io::Result<Answer> {
        self.0.get_mut().write_all(request)?;
        let (status, body) = read(&mut self.0)?;
        promised(status, &body, records)
            .ok_or_else(|| io::Error::other(format!("{status} that promises nothing: {body}")))
    }
}

/// Reads an answer that says how long it is: its status and body.
fn read(stream: &mut impl BufRead) -> io::Result<(u16, String)> {
    let mut limited = stream.take(ANSWER_MAX);
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        limited.read_line(&mut line)?;
        let line = match line.strip_suffix("\r\n") {
            Some("") => break,
            Some(line) => line,
            None => return Err(ErrorKind::UnexpectedEof.into()),
        };
        if status.is_none() {
            let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
            let code = code.and_then(|code| code.parse().ok());
            status = Some(code.ok_or(ErrorKind::InvalidData)?);
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
        }
    }
    let mut body = String::new();
    limited.take(length).read_to_string(&mut body)?;
    let status = status.ok_or(ErrorKind::InvalidData)?;
    if body.len() as u64 == length {
        Ok((status, body))
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// What an answer to a request with so many records promises; none for one that says nothing of them.
fn promised(status: u16, body: &str, records: usize) -> Option<Answer> {
    match status {
        202 => {
            let body: Value = serde_json::from_str(body).ok()?;
            let all = body["count"].as_u64()? == records as u64;
            all.then_some(Answer::Accepted(body["id"].as_str()?.parse::<Id>().ok()?))
        }
        200 => {
            let body: Value = serde_json::from_str(body).ok()?;
            let place = |stored: &Value| {
                Some((
                    i32::try_from(stored["partition"].as_i64()?).ok()?,
                    stored["offset"].as_i64()?,
                ))
            };
            let places: Option<Vec<_>> = body["offsets"].as_array()?.iter().map(place).collect();
            places.filter(|places| places.len() == records).map(Answer::Stored)
        }
        status => Some(Answer::Refused(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::{promised, read};
    use crate::ledger::Answer;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let whole = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(read(&mut whole.as_bytes()).unwrap(), (202, "{}".to_owned()));
        for cut in 0..whole.len() {
            assert!(read(&mut &whole.as_bytes()[..cut]).is_err(), "{cut}");
        }
        // Who connects to a port that nobody has may find himself.
        assert!(read(&mut &b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"[..]).is_err());
    }

    #[test]
    fn an_answer_promises_every_record_or_nothing() {
        let accepted = promised(202, r#"{"id":"i-1/41","count":2}"#, 2).unwrap();
        assert_eq!(accepted, Answer::Accepted("i-1/41".parse().unwrap()));
        assert!(promised(202, r#"{"id":"i-1/41","count":1}"#, 2).is_none());
        assert!(promised(202, "", 1).is_none());
        let stored = r#"{"offsets":[{"partition":1,"offset":42},{"partition":0,"offset":7}]}"#;
        assert_eq!(promised(200, stored, 2), Some(Answer::Stored(vec![(1, 42), (0, 7)])));
        assert!(promised(200, stored, 1).is_none());
        let failed = r#"{"offsets":[{"partition":null,"offset":null,"error_code":50002}]}"#;
        assert!(promised(200, failed, 1).is_none());
        assert_eq!(promised(503, "x", 1), Some(Answer::Refused(503)));
    }
}
