//! What is known of a connection while it lasts.

use std::net::SocketAddr;

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// Unique while the process lives.
    pub(crate) id: u64,
    /// The node whose listener accepted it.
    pub(crate) node_id: i32,
    /// Where it comes from; none for a connection inside the process.
    pub(crate) peer: Option<SocketAddr>,
}

impl Session {
    /// The peer's address without its port, as group descriptions show it.
    pub(crate) fn host(&self) -> String {
        self.peer.map_or_else(|| "/in-process".to_owned(), |peer| format!("/{}", peer.ip()))
    }
}
