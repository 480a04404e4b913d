//! Connections by node and stage, why they ended, and who could log in.

use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// TLS is being agreed on.
    Handshake,
    /// The client has to log in.
    Login,
    /// Requests are answered.
    Open,
}

impl Stage {
    pub(crate) const ALL: [Stage; 3] = [Stage::Handshake, Stage::Login, Stage::Open];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Login => "login",
            Self::Open => "open",
        }
    }
}

/// The connections of one node's listener.
#[derive(Debug, Default)]
pub(crate) struct OfNode {
    accepted: AtomicU64,
    stages: [AtomicU64; Stage::ALL.len()],
}

impl OfNode {
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many are at this stage now.
    pub(crate) fn at(&self, stage: Stage) -> u64 {
        self.stages[stage as usize].load(Ordering::Relaxed)
    }
}

/// One connection among those of its node, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    node: Arc<OfNode>,
    stage: AtomicUsize,
}

impl Place {
    /// Counts a connection that was just accepted.
    pub(crate) fn accept(node: Arc<OfNode>, stage: Stage) -> Self {
        node.accepted.fetch_add(1, Ordering::Relaxed);
        node.stages[stage as usize].fetch_add(1, Ordering::Relaxed);
        Self { node, stage: AtomicUsize::new(stage as usize) }
    }

    /// The connection has come so far.
    pub(crate) fn reach(&self, stage: Stage) {
        let before = self.stage.swap(stage as usize, Ordering::Relaxed);
        self.node.stages[stage as usize].fetch_add(1, Ordering::Relaxed);
        self.node.stages[before].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.node.stages[*self.stage.get_mut()].fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts by a name that is one of few.
type Named = Mutex<BTreeMap<&'static str, u64>>;

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    nodes: RwLock<BTreeMap<i32, Arc<OfNode>>>,
    refused: Named,
    ended: Named,
    logins: Mutex<BTreeMap<(&'static str, bool), u64>>,
}

impl Connections {
    /// The counters of a node's listener.
    pub(crate) fn of_node(&self, node: i32) -> Arc<OfNode> {
        self.nodes.write().entry(node).or_default().clone()
    }

    /// All nodes that have a listener.
    pub(crate) fn nodes(&self) -> BTreeMap<i32, Arc<OfNode>> {
        self.nodes.read().clone()
    }

    /// A connection was refused for this limit.
    pub(crate) fn refuse(&self, limit: &'static str) {
        *self.refused.lock().entry(limit).or_default() += 1;
    }

    /// A connection ended for this reason.
    pub(crate) fn end(&self, reason: &'static str) {
        *self.ended.lock().entry(reason).or_default() += 1;
    }

    /// A client has said who it is by this mechanism, and was believed or not.
    pub(crate) fn log_in(&self, mechanism: &'static str, believed: bool) {
        *self.logins.lock().entry((mechanism, believed)).or_default() += 1;
    }

    pub(crate) fn refused(&self) -> BTreeMap<&'static str, u64> {
        self.refused.lock().clone()
    }

    pub(crate) fn ended(&self) -> BTreeMap<&'static str, u64> {
        self.ended.lock().clone()
    }

    /// Logins by mechanism and whether they succeeded.
    pub(crate) fn logins(&self) -> BTreeMap<(&'static str, bool), u64> {
        self.logins.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_at_one_stage_until_it_ends() {
        let connections = Connections::default();
        let node = connections.of_node(2);
        let at = || Stage::ALL.map(|stage| node.at(stage));
        let first = Place::accept(connections.of_node(2), Stage::Handshake);
        let second = Place::accept(connections.of_node(2), Stage::Open);
        assert_eq!(at(), [1, 0, 1]);
        first.reach(Stage::Login);
        assert_eq!(at(), [0, 1, 1]);
        first.reach(Stage::Open);
        first.reach(Stage::Open);
        assert_eq!(at(), [0, 0, 2]);
        drop((first, second));
        assert_eq!((at(), node.accepted()), ([0, 0, 0], 2));
        assert_eq!(connections.nodes().into_keys().collect::<Vec<_>>(), [2]);
    }
}
