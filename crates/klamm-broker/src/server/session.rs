//! What is known of a connection while it lasts.

use super::Coming;
use crate::metrics::{Counters, Place};
use crate::security::{Entrance, Login};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// Unique while the process lives.
    pub(crate) id: u64,
    /// The node that accepted it.
    pub(crate) node_id: i32,
    /// The listener it came in by.
    pub(crate) entrance: Arc<Entrance>,
    /// Where it comes from; none for a connection inside the process.
    pub(crate) peer: Option<SocketAddr>,
    /// Who speaks.
    pub(crate) login: Login,
    /// Topics that it has made by asking and does not see yet.
    pub(crate) coming: Mutex<Coming>,
    /// Its place among the connections of its node.
    pub(crate) place: Place,
    /// Where its requests are counted.
    pub(crate) counters: Arc<Counters>,
}

impl Session {
    /// The peer's address without its port, as group descriptions show it.
    pub(crate) fn host(&self) -> String {
        self.peer.map_or_else(|| "/in-process".to_owned(), |peer| format!("/{}", peer.ip()))
    }

    /// The peer's address alone, as ACLs name hosts.
    pub(crate) fn address(&self) -> String {
        let address = self.peer.map(|peer| peer.ip().to_canonical().to_string());
        address.unwrap_or_else(|| "127.0.0.1".to_owned())
    }
}
