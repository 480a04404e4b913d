//! What can go wrong with a connection and with one request on it.

use crate::error::ErrorKind;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::primitives::{DecodeError, EncodeError};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How far the setup of a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectStage {
    /// Looking up the host name.
    Resolve,
    /// Opening the TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// Asking for the versions the broker speaks.
    ApiVersions,
    /// Proving who we are.
    Sasl,
    /// Asking for the cluster's brokers.
    Metadata,
}

impl fmt::Display for ConnectStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectStage::Resolve => "name lookup",
            ConnectStage::Tcp => "TCP connect",
            ConnectStage::Tls => "TLS handshake",
            ConnectStage::ApiVersions => "version negotiation",
            ConnectStage::Sasl => "SASL authentication",
            ConnectStage::Metadata => "cluster metadata",
        })
    }
}

/// Why there is no connection to a broker; never contains a secret.
#[derive(Debug, Clone, Error)]
#[error("{address}: {stage} failed: {reason}")]
pub struct ConnectError {
    pub(crate) address: Arc<str>,
    pub(crate) stage: ConnectStage,
    pub(crate) reason: Arc<str>,
    pub(crate) kind: ErrorKind,
}

impl ConnectError {
    pub(crate) fn new(
        address: &Arc<str>,
        stage: ConnectStage,
        kind: ErrorKind,
        reason: impl Into<Arc<str>>,
    ) -> Self {
        Self { address: Arc::clone(address), stage, reason: reason.into(), kind }
    }

    /// `host:port` that was tried.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How far it came.
    pub fn stage(&self) -> ConnectStage {
        self.stage
    }

    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// What went wrong in one step of the setup, before it is known where that step belongs.
#[derive(Debug)]
pub(super) struct SetupError {
    pub(super) kind: ErrorKind,
    pub(super) reason: Arc<str>,
}

impl SetupError {
    pub(super) fn new(kind: ErrorKind, reason: impl Into<Arc<str>>) -> Self {
        Self { kind, reason: reason.into() }
    }

    pub(super) fn at(self, address: &Arc<str>, stage: ConnectStage) -> ConnectError {
        ConnectError::new(address, stage, self.kind, self.reason)
    }
}

/// A broker's own words in one line of bounded length: they end up in logs and on terminals.
pub(super) fn quoted(text: &str) -> String {
    /// Longer ones are cut.
    const QUOTED_MAX_CHARS: usize = 200;
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(QUOTED_MAX_CHARS).map(visible).collect()
}

/// Why a request has no answer.
#[derive(Debug, Clone, Error)]
pub(crate) enum RequestError {
    #[error("{address}: {cause}")]
    Lost { address: Arc<str>, cause: Arc<str>, may_have_reached_broker: bool },
    #[error("{address}: no answer within request.timeout.ms = {}", timeout.as_millis())]
    Timeout { address: Arc<str>, timeout: Duration, may_have_reached_broker: bool },
    #[error("{address} does not speak a version of {} that klamm does ({})", api.name(), offered_text(*offered))]
    Version { api: ApiKey, address: Arc<str>, offered: Option<(i16, i16)> },
    #[error("request cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    #[error("{address}: malformed {} response: {error}", api.name())]
    Decode { api: ApiKey, address: Arc<str>, error: DecodeError },
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

fn offered_text(offered: Option<(i16, i16)>) -> String {
    match offered {
        Some((min, max)) => format!("it offers {min} to {max}"),
        None => "it offers none".to_owned(),
    }
}

impl RequestError {
    pub(crate) fn never_sent(address: &Arc<str>, cause: &str) -> Self {
        RequestError::Lost {
            address: Arc::clone(address),
            cause: cause.into(),
            may_have_reached_broker: false,
        }
    }

    /// Whether the broker may have acted on the request.
    pub(crate) fn may_have_reached_broker(&self) -> bool {
        match self {
            RequestError::Lost { may_have_reached_broker, .. }
            | RequestError::Timeout { may_have_reached_broker, .. } => *may_have_reached_broker,
            RequestError::Decode { .. } => true,
            RequestError::Version { .. } | RequestError::Encode(_) | RequestError::Connect(_) => {
                false
            }
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            RequestError::Lost { .. } | RequestError::Timeout { .. } => ErrorKind::Retriable,
            RequestError::Version { .. } | RequestError::Decode { .. } => ErrorKind::Fatal,
            RequestError::Encode(_) => ErrorKind::Misuse,
            RequestError::Connect(e) => e.kind(),
        }
    }
}
