//! Pure: one member of a classic group.

use bytes::Bytes;
use klamm_protocol::message::JoinGroupRequest;
use klamm_protocol::primitives::Str;

/// A member and what it said of itself when it joined last.
#[derive(Debug)]
pub(in crate::group) struct Member {
    pub(super) id: Str,
    pub(super) instance_id: Option<Str>,
    pub(super) client_id: Str,
    pub(super) client_host: Str,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// Name and metadata of the protocols it can follow, the preferred one first.
    pub(super) protocols: Vec<(Str, Bytes)>,
    pub(super) assignment: Bytes,
    /// The JoinGroup request that waits for the other members.
    pub(super) joining: Option<u64>,
    /// The SyncGroup request that waits for the leader.
    pub(super) syncing: Option<u64>,
    /// It has not been told its id yet, so it cannot send heartbeats.
    pub(super) is_new: bool,
    /// The client named its id itself when it joined.
    pub(super) id_is_known: bool,
}

impl Member {
    /// Takes over what the member says of itself.
    pub(super) fn update(&mut self, request: &JoinGroupRequest) {
        self.session_timeout_ms = request.session_timeout_ms;
        // Version 0 knows one timeout only.
        self.rebalance_timeout_ms = match request.rebalance_timeout_ms {
            ..0 => request.session_timeout_ms,
            timeout => timeout,
        };
        let protocols = request.protocols.iter();
        self.protocols = protocols
            .map(|protocol| (protocol.name.detach(), Bytes::copy_from_slice(&protocol.metadata)))
            .collect();
    }

    /// Whether the request says of it what it said before.
    pub(super) fn matches(&self, request: &JoinGroupRequest) -> bool {
        let said = request.protocols.iter().map(|protocol| (&protocol.name, &protocol.metadata));
        self.protocols.iter().map(|(name, metadata)| (name, metadata)).eq(said)
    }

    pub(super) fn supports(&self, protocol: &Str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// What it said under a protocol; empty when it does not support it.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }
}
