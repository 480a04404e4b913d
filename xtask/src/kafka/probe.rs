//! Whether a broker answers: a hand-made ApiVersions and Metadata exchange.
//!
//! It shares nothing with klamm's own codec, so that a mistake there cannot hide in here.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::{Doing, Failure, Result};

/// How long one connect, read or write may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// No answer to these two requests is larger.
const MAX_ANSWER: usize = 1 << 20;
const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;

/// How many brokers the one on `port` of this machine knows, once it accepts requests.
pub(crate) fn known_brokers(port: u16) -> Result<usize> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).doing(address)?;
    stream.set_read_timeout(Some(PATIENCE)).doing(address)?;
    stream.set_write_timeout(Some(PATIENCE)).doing(address)?;
    let versions = ask(&mut stream, &request(API_VERSIONS, 0, 1, &[]))?;
    match versions.get(4..6) {
        Some([0, 0]) => {}
        _ => return Err(Failure::new(format!("{address} answers ApiVersions with an error"))),
    }
    // Version 1 with an empty array of topics asks for the brokers alone.
    let metadata = ask(&mut stream, &request(METADATA, 1, 2, &0_i32.to_be_bytes()))?;
    let count = metadata
        .get(4..8)
        .and_then(|bytes| bytes.try_into().ok())
        .map(i32::from_be_bytes)
        .and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| Failure::new(format!("{address} answers Metadata with nonsense")))
}

fn request(key: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    const CLIENT: &[u8] = b"xtask";
    let mut frame = vec![0; 4];
    frame.extend_from_slice(&key.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&correlation.to_be_bytes());
    frame.extend_from_slice(&(CLIENT.len() as u16).to_be_bytes());
    frame.extend_from_slice(CLIENT);
    frame.extend_from_slice(body);
    let length = (frame.len() - 4) as u32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

/// Sends a frame and returns the answer from its correlation id on.
fn ask(stream: &mut TcpStream, frame: &[u8]) -> Result<Vec<u8>> {
    stream.write_all(frame).doing("cannot send")?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).doing("no answer")?;
    let length = u32::from_be_bytes(length) as usize;
    if !(4..=MAX_ANSWER).contains(&length) {
        return Err(Failure::new(format!("an answer of {length} bytes")));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).doing("half an answer")?;
    if answer[..4] != frame[8..12] {
        return Err(Failure::new("an answer to some other request"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::known_brokers;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn answering(answers: Vec<Vec<u8>>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let mut body = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut body).unwrap();
                let mut reply = (answer.len() as u32 + 4).to_be_bytes().to_vec();
                reply.extend_from_slice(&body[4..8]);
                reply.extend_from_slice(&answer);
                stream.write_all(&reply).unwrap();
            }
        });
        port
    }

    #[test]
    fn counts_the_brokers_of_an_answer() {
        let port = answering(vec![vec![0, 0, 0, 0, 0, 0], vec![0, 0, 0, 3]]);
        assert_eq!(known_brokers(port).unwrap(), 3);
    }

    #[test]
    fn an_error_code_or_a_closed_socket_is_not_ready() {
        assert!(known_brokers(answering(vec![vec![0, 35]])).is_err());
        assert!(known_brokers(answering(vec![])).is_err());
        assert!(known_brokers(answering(vec![vec![0, 0], vec![0]])).is_err());
    }
}
