//! A server with a log in memory.

use super::wire::{PATIENCE, Reply, Wire};
use crate::forward::Outcomes;
use crate::http::{Limits, Server, ServerHandle, Service};
use crate::wal::{Wal, WalConfig, WalReader};
use klamm_log::storage::MemoryStorage;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::time::timeout;

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
