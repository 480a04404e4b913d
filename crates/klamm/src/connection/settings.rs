//! What every connection of a client is made with.

use super::connector::Connector;
use super::sasl::TokenProvider;
use rustls::ClientConfig as TlsClientConfig;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// Responses before authentication are small; a larger claim is no Kafka broker.
pub(crate) const HANDSHAKE_FRAME_MAX_BYTES: usize = 1024 * 1024;

/// Settings shared by all connections of a client.
#[derive(Debug)]
pub(crate) struct ConnectionSettings {
    pub(crate) client_id: String,
    /// TCP, TLS, version negotiation and SASL together (KIP-601).
    pub(crate) setup_timeout: Duration,
    pub(crate) max_idle: Duration,
    /// Largest response that is accepted.
    pub(crate) receive_max_bytes: usize,
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) receive_buffer_bytes: Option<usize>,
    pub(crate) tls: Option<Arc<TlsClientConfig>>,
    pub(crate) sasl: Option<Sasl>,
    /// In place of TCP.
    pub(crate) connector: Option<Arc<dyn Connector>>,
}

/// How a connection proves who it is.
#[derive(Debug, Clone)]
pub(crate) enum Sasl {
    Plain { username: String, password: SecretString },
    Scram { mechanism: ScramMechanism, username: String, password: SecretString },
    OAuthBearer(Arc<dyn TokenProvider>),
}

/// The hash of a SCRAM exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScramMechanism {
    Sha256,
    Sha512,
}

impl Sasl {
    /// The mechanism's registered name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Sasl::Plain { .. } => "PLAIN",
            Sasl::Scram { mechanism: ScramMechanism::Sha256, .. } => "SCRAM-SHA-256",
            Sasl::Scram { mechanism: ScramMechanism::Sha512, .. } => "SCRAM-SHA-512",
            Sasl::OAuthBearer(_) => "OAUTHBEARER",
        }
    }
}
