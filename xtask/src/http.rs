//! One request over HTTP by hand, of a server on this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::{Doing, Failure, Result};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The most of an answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// The body of an answer that is no failure.
pub(crate) fn call(address: &str, method: &str, path: &str, body: &str) -> Result<String> {
    let what = format!("{method} http://{address}{path}");
    let to: SocketAddr = address.parse().doing(&what)?;
    let mut stream = TcpStream::connect_timeout(&to, LIMIT).doing(&what)?;
    stream.set_read_timeout(Some(LIMIT)).doing(&what)?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).doing(&what)?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer).doing(&what)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(body.to_owned()),
        _ => Err(Failure::new(format!("{what}: {answer}"))),
    }
}
