//! A server with a log in memory, and clients that send exactly what they are told.

use crate::forward::Outcomes;
use crate::http::{Limits, Server, ServerHandle, Service};
use crate::wal::{Wal, WalConfig, WalReader};
use klamm_log::storage::MemoryStorage;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Nothing here takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Stage {
    pub(super) server: ServerHandle,
    pub(super) wal: Wal,
    reader: Option<WalReader>,
    pub(super) outcomes: Outcomes,
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default(), WalConfig::default()).await
    }

    pub(super) async fn limited(limits: Limits) -> Self {
        Self::with(limits, WalConfig::default()).await
    }

    pub(super) async fn with(limits: Limits, config: WalConfig) -> Self {
        Self::start(config, |service| Service { limits, ..service }).await
    }

    pub(super) async fn made(make: impl FnOnce(Service) -> Service) -> Self {
        Self::start(WalConfig::default(), make).await
    }

    async fn start(config: WalConfig, make: impl FnOnce(Service) -> Service) -> Self {
        let (wal, reader, _) = Wal::open(Arc::new(MemoryStorage::new()), config).unwrap();
        let outcomes = Outcomes::new();
        let service = make(Service::new(wal.clone(), outcomes.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start(listener, service).unwrap();
        Self { server, wal, reader: Some(reader), outcomes }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(super) async fn connect(&self) -> Wire {
        Wire::connect(self.address()).await
    }

    /// What a request on a connection of its own is answered with.
    pub(super) async fn ask(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.reply().await
    }

    /// Values of the next `count` records in the log.
    pub(super) async fn values(&mut self, count: usize) -> Vec<String> {
        let mut values = Vec::new();
        while values.len() < count {
            let reader = self.reader.as_mut().unwrap();
            let some = timeout(PATIENCE, reader.next(1 << 20)).await.unwrap().unwrap();
            let text = |value: Option<bytes::Bytes>| {
                value.map(|v| String::from_utf8_lossy(&v).into_owned())
            };
            values.extend(some.into_iter().filter_map(|(_, record)| text(record.value)));
        }
        values
    }

    pub(super) fn take_reader(&mut self) -> WalReader {
        self.reader.take().unwrap()
    }

    pub(super) fn refusals(&self, reason: &str) -> u64 {
        let state = self.server.state();
        state.refusals.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| *count)
    }
}

/// A request with a body of known length.
pub(super) fn post(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let mut request =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n")
            .into_bytes();
    request.extend_from_slice(body);
    request
}

pub(super) const JSON: &str = "content-type: application/json\r\n";

/// One client's connection.
pub(super) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Wire {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.unwrap().unwrap();
    }

    /// Sends what may not be taken to its end.
    pub(super) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.unwrap()
    }

    /// More bytes; `false` at the end.
    pub(super) async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.unwrap();
        matches!(read, Ok(1..))
    }

    /// The next head, of a final or an interim answer.
    pub(super) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            let so_far = String::from_utf8_lossy(&self.read).into_owned();
            assert!(self.more().await, "closed within a head: {so_far:?}");
        }
    }

    /// The next chunk of a body.
    pub(super) async fn chunk(&mut self) -> String {
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

    pub(super) async fn reply(&mut self) -> Reply {
        let head = self.head().await;
        let status = head[9..12].parse().unwrap();
        let mut reply = Reply { status, head, body: String::new() };
        let length: usize = reply.header("content-length").unwrap_or("0").parse().unwrap();
        while self.read.len() < length {
            assert!(self.more().await, "closed within a body");
        }
        reply.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        reply
    }

    /// Everything up to the end of the connection.
    pub(super) async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&self.read).into_owned()
    }
}
