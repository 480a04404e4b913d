//! Everything a gateway is told.

use crate::events::EventsConfig;
use crate::forward::ForwardConfig;
use crate::guard::GuardConfig;
use crate::http::{Asking, Limits};
use crate::route::{Route, Routes, Rules};
use crate::tls::TlsConfig;
use crate::wal::WalConfig;
use klamm::ClientConfig;
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
    /// Certificates; `None`, the default: HTTP without TLS. Whether names in certificates of clients count, `guard` says.
    pub tls: Option<TlsConfig>,
    /// Where health, metrics and the status page are. Default 127.0.0.1:8081; `None`: nowhere.
    pub management: Option<SocketAddr>,
    /// The directory of the log. Default `klamm-gateway` where the program runs.
    pub data: PathBuf,
    /// Bounds of the log.
    pub wal: WalConfig,
    /// Where Kafka is, how to get in, and how records get there. Without a file for dead letters it is one in `data`.
    pub forward: ForwardConfig,
    /// Rules for the paths that are always there; `None`: they are not.
    pub topics: Option<Rules>,
    /// Whether topics can be read; `None`, the default: where not everybody on the network could.
    pub read: Option<bool>,
    /// How they are read.
    pub events: EventsConfig,
    /// Further paths.
    pub routes: Vec<Route>,
    /// Who may ask before they send, by the names of routes.
    pub asking: Asking,
    /// How long a stop waits for what the log has to reach Kafka; the rest stays in the log. Default 25 s.
    pub drain_timeout: Duration,
}

impl GatewayConfig {
    /// Whether topics can be read; see [`GatewayConfig::read`].
    pub(crate) fn can_read(&self) -> bool {
        let loopback = self.listen.ip().to_canonical().is_loopback();
        self.read.unwrap_or(loopback || self.guard.asks())
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            listen: loopback(8080),
            limits: Limits::default(),
            public: false,
            guard: GuardConfig::default(),
            tls: None,
            management: Some(loopback(8081)),
            data: PathBuf::from("klamm-gateway"),
            wal: WalConfig::default(),
            forward: ForwardConfig::new(ClientConfig::new("").client_id("klamm-gateway")),
            topics: Some(Routes::usual()),
            read: None,
            events: EventsConfig::default(),
            routes: Vec::new(),
            asking: Asking::default(),
            drain_timeout: Duration::from_secs(25),
        }
    }
}
