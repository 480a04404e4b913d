//! One client's connection, that sends exactly what it is told.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing here takes that long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
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

    pub(crate) async fn send(&mut self, text: &str) {
        timeout(PATIENCE, self.stream.write_all(text.as_bytes())).await.unwrap().unwrap();
    }

    /// More bytes; `false` at the end.
    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.unwrap();
        matches!(read, Ok(1..))
    }

    /// The next head.
    pub(crate) async fn head(&mut self) -> Reply {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                let head = String::from_utf8(head).unwrap();
                let status = head[9..12].parse().unwrap();
                return Reply { status, head, body: String::new() };
            }
            assert!(self.more().await, "closed within a head");
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
    async fn chunk(&mut self) -> String {
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
}

/// An event as a browser would tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }

    pub(crate) fn value(&self) -> Value {
        self.json()["value"].clone()
    }
}

/// Server-Sent Events as they come.
pub(crate) struct Events {
    wire: Wire,
    text: String,
    /// Where to go on after everything that was told.
    pub(crate) id: String,
    pub(crate) comments: usize,
}

impl Events {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, text: String::new(), id: String::new(), comments: 0 }
    }

    /// The next block that has something to tell, by the rules of the standard; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.block().await? {
                return Some(event);
            }
        }
    }

    /// The next block: an event, or just a place or a comment.
    pub(crate) async fn block(&mut self) -> Option<Option<Event>> {
        let end = loop {
            if let Some(end) = self.text.find("\n\n") {
                break end;
            }
            let chunk = self.wire.chunk().await;
            if chunk.is_empty() {
                assert!(self.text.is_empty(), "ends within an event: {}", self.text);
                return None;
            }
            self.text.push_str(&chunk);
        };
        let block: String = self.text.drain(..end + 2).collect();
        let mut event = Event::default();
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match name {
                "" => self.comments += 1,
                "id" => self.id = value,
                "event" => event.name = value,
                "data" => event.data.push_str(&value),
                "retry" => assert!(value.parse::<u64>().is_ok()),
                other => panic!("{other}"),
            }
        }
        event.id.clone_from(&self.id);
        Some((!event.data.is_empty()).then_some(event))
    }
}
