//! One client's connection, that sends exactly what it is told. `testing/gateway` has the same, from here.

use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing here takes that long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One client's connection.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.unwrap().unwrap();
    }

    /// Sends what may not be taken to its end.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.unwrap()
    }

    /// More bytes; `false` at the end.
    pub(crate) async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.unwrap();
        matches!(read, Ok(1..))
    }

    /// The next head, of a final or an interim answer.
    pub(crate) async fn head(&mut self) -> Reply {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                let head = String::from_utf8(head).unwrap();
                let status = head[9..12].parse().unwrap();
                return Reply { status, head, body: String::new() };
            }
            let so_far = String::from_utf8_lossy(&self.read).into_owned();
            assert!(self.more().await, "closed within a head: {so_far:?}");
        }
    }

    /// Takes so many bytes at most and throws them away; `false` at the end.
    pub(crate) async fn take(&mut self, most: usize) -> bool {
        let mut some = vec![0; most];
        let read = timeout(PATIENCE, self.stream.read(&mut some)).await.unwrap();
        matches!(read, Ok(1..))
    }

    /// All of a body that comes in chunks.
    pub(crate) async fn chunks(&mut self) -> String {
        let mut text = String::new();
        loop {
            match self.chunk().await {
                chunk if chunk.is_empty() => return text,
                chunk => text.push_str(&chunk),
            }
        }
    }

    /// The next chunk of a body; empty is the last.
    pub(crate) async fn chunk(&mut self) -> String {
        loop {
            let line = self.read.windows(2).position(|two| two == b"\r\n");
            let size = line.and_then(|end| std::str::from_utf8(&self.read[..end]).ok());
            if let (Some(end), Some(size)) = (line, size) {
                let size = usize::from_str_radix(size, 16).unwrap();
                let rest = end + 2;
                if self.read.len() >= rest + size + 2 {
                    let text = self.read[rest..rest + size].to_vec();
                    self.read.drain(..rest + size + 2);
                    return String::from_utf8(text).unwrap();
                }
            }
            assert!(self.more().await, "closed within a chunk");
        }
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        let length: usize = reply.header("content-length").unwrap_or("0").parse().unwrap();
        while self.read.len() < length {
            assert!(self.more().await, "closed within a body");
        }
        reply.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        reply
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&self.read).into_owned()
    }
}
