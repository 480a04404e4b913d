//! A gateway from its start to the loss of its power.

use crate::disk::Disk;
use klamm::ClientConfig;
use klamm_gateway::forward::{ForwardConfig, Forwarder};
use klamm_gateway::http::{Server, ServerHandle, Service};
use klamm_gateway::wal::{Opened, Wal, WalConfig};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Where no Kafka is.
pub(crate) const NOWHERE: &str = "127.0.0.1:1";
/// How long the address of the life before may be in use.
const REUSE: Duration = Duration::from_secs(20);
/// What tasks get to end that are in the middle of something.
const END: Duration = Duration::from_secs(10);

/// A gateway that runs, as a process would: with a runtime of its own.
pub(crate) struct Life {
    runtime: Runtime,
    disk: Disk,
    pub(crate) opened: Opened,
    forwarder: Forwarder,
    _http: ServerHandle,
}

impl Life {
    /// Starts on what `disk` has.
    pub(crate) fn begin(address: SocketAddr, kafka: &str, disk: Disk) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        // Large segments are much to copy at each power loss.
        let mut config = WalConfig::default();
        config.segment_bytes = 256 * 1024;
        let (wal, reader, opened) = Wal::open(disk.storage(), config).unwrap();
        disk.settle();
        let (forwarder, http) = runtime.block_on(async {
            let config = ForwardConfig::new(ClientConfig::new(kafka));
            let forwarder = Forwarder::start(wal.clone(), reader, config);
            let service = Service::new(wal, forwarder.outcomes());
            (forwarder, Server::start(listen(address).await, service).unwrap())
        });
        Self { runtime, disk, opened, forwarder, _http: http }
    }

    /// Nothing more reaches the disk, and everything ends where it is; what is left of the disk.
    pub(crate) fn power_loss(self, seed: u64) -> Disk {
        let left = self.disk.power_loss(seed);
        self.runtime.shutdown_timeout(END);
        left
    }

    /// Waits until Kafka has everything.
    pub(crate) fn drain(&self, patience: Duration) {
        let drained = self.runtime.block_on(self.forwarder.drain(patience));
        assert!(drained, "{:#?}", self.forwarder.state());
    }
}

/// Listens as soon as the life before lets it.
async fn listen(address: SocketAddr) -> TcpListener {
    let deadline = Instant::now() + REUSE;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
