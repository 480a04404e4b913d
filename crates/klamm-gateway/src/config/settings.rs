//! Everything a gateway is told.

use crate::guard::GuardConfig;
use crate::http::Limits;
use crate::route::{Route, Routes, Rules};
use crate::wal::WalConfig;
use klamm::{ClientConfig, ProducerConfig};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything a gateway is told.
///
/// Secrets are in the settings of Kafka's client, which do not show them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Where HTTP is served. Default 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// Bounds of what clients may do.
    pub limits: Limits,
    /// Whether everybody may send who reaches an address that is not loopback. Default false.
    pub public: bool,
    /// Who may send what. By default nobody has to say who they are.
    pub guard: GuardConfig,
    /// Where health, metrics and the status page are. Default 127.0.0.1:8081; `None`: nowhere.
    pub management: Option<SocketAddr>,
    /// The directory of the log. Default `klamm-gateway` where the program runs.
    pub data: PathBuf,
    /// Bounds of the log.
    pub wal: WalConfig,
    /// Where Kafka is, and how to get in.
    pub client: ClientConfig,
    /// How records are sent there.
    pub producer: ProducerConfig,
    /// Rules for the paths that are always there; `None`: they are not.
    pub topics: Option<Rules>,
    /// Further paths.
    pub routes: Vec<Route>,
    /// How long a stop waits for what the log has to reach Kafka; the rest stays in the log. Default 25 s.
    pub drain_timeout: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            listen: loopback(8080),
            limits: Limits::default(),
            public: false,
            guard: GuardConfig::default(),
            management: Some(loopback(8081)),
            data: PathBuf::from("klamm-gateway"),
            wal: WalConfig::default(),
            client: ClientConfig::new("").client_id("klamm-gateway"),
            producer: ProducerConfig::default(),
            topics: Some(Routes::usual()),
            routes: Vec::new(),
            drain_timeout: Duration::from_secs(25),
        }
    }
}
