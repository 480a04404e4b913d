//! Who sends a request.

use std::net::SocketAddr;
use std::sync::Arc;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where from.
    pub address: SocketAddr,
    /// The subject of the certificate it showed, if TLS asked for one and it is good.
    pub certificate: Option<Arc<str>>,
}
