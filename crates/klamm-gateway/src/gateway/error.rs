//! Why a gateway does not start.

use crate::guard::GuardError;
use crate::route::RouteError;
use crate::tls::TlsError;
use crate::wal::WalOpenError;
use klamm_log::storage::OpenError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// Why a gateway does not start. Nothing of it runs then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// There is no Kafka to send to.
    #[error("no Kafka to send to: set bootstrap.servers in [kafka]")]
    NoKafka,
    /// Everybody who reaches the address could write to Kafka.
    #[error(
        "{0} can be reached from elsewhere, and nobody would have to say who they are: listen on a loopback address, name a \
         file of keys and passwords (credentials in [auth]), an issuer of tokens ([tokens]) or a CA of clients (client_ca in \
         [tls]), have nothing but signed routes ([topics] enabled = false), or say that this is meant (public = true in [http])"
    )]
    Public(SocketAddr),
    /// An address cannot be listened on.
    #[error("{address}: {reason}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        reason: io::Error,
    },
    /// The directory of the log cannot be used; the message says what to do.
    #[error(transparent)]
    Data(#[from] OpenError),
    /// No gateway ever used the directory.
    #[error("{} holds no log of a gateway", .0.display())]
    NoLog(PathBuf),
    /// The log cannot be opened.
    #[error(transparent)]
    Wal(#[from] WalOpenError),
    /// Two routes contradict each other.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Who may send what cannot be known.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// TLS cannot be had.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// The runtime or the system has ended what was being started.
    #[error("the start was interrupted: {0}")]
    Interrupted(String),
}

impl GatewayError {
    pub(super) fn listen(address: SocketAddr, reason: io::Error) -> Self {
        GatewayError::Listen { address, reason }
    }
}
