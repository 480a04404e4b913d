//! Which node coordinates a group or a transactional id, and what tests have changed about that.

use crate::handler::Context;
use crate::nodes::{Node, Nodes};
use klamm_protocol::error_code::ErrorCode;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::sync::Notify;

/// Partitions of Kafka's `__consumer_offsets` and `__transaction_state`: they decide which node coordinates what.
const STATE_PARTITIONS: u32 = 50;

/// Keys that may have been moved at a time.
const MAX_MOVED: usize = 10_000;

/// What a coordinator is in charge of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CoordinatorType {
    /// Groups and their offsets.
    Group,
    /// Transactional ids.
    Transaction,
}

/// A coordinator that was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedCoordinator {
    /// What it is in charge of.
    #[serde(rename = "type")]
    pub kind: CoordinatorType,
    /// The group or the transactional id; none for all that were not moved by themselves.
    pub key: Option<String>,
    /// The node it was moved to.
    pub node: i32,
    /// When the node is in charge, in milliseconds since 1970 by the broker's clock; before, it is loading.
    pub loaded_at_ms: i64,
}

/// Coordinators that are elsewhere than they would be.
#[derive(Debug, Default)]
pub(crate) struct Coordinators {
    moved: Mutex<BTreeMap<(CoordinatorType, Option<String>), Moved>>,
    /// Told when any was moved.
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Moved {
    node: i32,
    loaded_at_ms: i64,
}

impl Coordinators {
    /// Moves a coordinator; false when there are as many moved ones as can be.
    pub(crate) fn move_to(&self, to: MovedCoordinator) -> bool {
        let MovedCoordinator { kind, key, node, loaded_at_ms } = to;
        let mut moved = self.moved.lock();
        let place = (kind, key);
        if moved.len() >= MAX_MOVED && !moved.contains_key(&place) {
            return false;
        }
        moved.insert(place, Moved { node, loaded_at_ms });
        drop(moved);
        self.changed.notify_waiters();
        true
    }

    /// Puts all coordinators where they would be.
    pub(crate) fn reset(&self) {
        self.moved.lock().clear();
        self.changed.notify_waiters();
    }

    /// What was moved.
    pub(crate) fn list(&self) -> Vec<MovedCoordinator> {
        let moved = self.moved.lock();
        let list = moved.iter().map(|((kind, key), moved)| MovedCoordinator {
            kind: *kind,
            key: key.clone(),
            node: moved.node,
            loaded_at_ms: moved.loaded_at_ms,
        });
        list.collect()
    }

    fn moved(&self, kind: CoordinatorType, key: &str) -> Option<Moved> {
        let moved = self.moved.lock();
        // Nearly always: nothing was moved, and no key has to be copied to find that out.
        if moved.is_empty() {
            return None;
        }
        let own = moved.get(&(kind, Some(key.to_owned())));
        own.or_else(|| moved.get(&(kind, None))).copied()
    }

    /// The node in charge; when it is down, the next that is up.
    pub(crate) fn find(&self, nodes: &Nodes, kind: CoordinatorType, key: &str) -> Option<Node> {
        let up = nodes.up();
        let moved = self.moved(kind, key);
        let there = moved.and_then(|moved| up.iter().find(|node| node.id == moved.node).cloned());
        there.or_else(|| in_ring(nodes, &up, key))
    }

    /// Whether `node` is in charge of the key now.
    ///
    /// # Errors
    /// NOT_COORDINATOR when another is, COORDINATOR_LOAD_IN_PROGRESS when it is not ready yet.
    fn check(
        &self,
        nodes: &Nodes,
        (kind, key): (CoordinatorType, &str),
        node: i32,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        if self.find(nodes, kind, key).map(|found| found.id) != Some(node) {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        match self.moved(kind, key) {
            Some(moved) if moved.node == node && now_ms < moved.loaded_at_ms => {
                Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
            }
            _ => Ok(()),
        }
    }
}

/// Every key has its place in the ring of nodes; one that is down is stood in for by the next.
fn in_ring(nodes: &Nodes, up: &[Node], key: &str) -> Option<Node> {
    let ids = nodes.ids();
    let first = usize::try_from(java_hash(key) % STATE_PARTITIONS).unwrap_or(0);
    let ring = ids.iter().cycle().skip(first.checked_rem(ids.len())?).take(ids.len());
    ring.filter_map(|id| up.iter().find(|node| node.id == *id)).next().cloned()
}

/// Java's hash of a string, without its sign, which decides in which partition Kafka keeps a group.
fn java_hash(key: &str) -> u32 {
    let units = key.encode_utf16();
    units.fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
        & 0x7fff_ffff
}

impl Context {
    /// Whether this node coordinates the group.
    ///
    /// # Errors
    /// NOT_COORDINATOR when another does, COORDINATOR_LOAD_IN_PROGRESS when it does not yet.
    pub(crate) fn check_coordinator(&self, group: &str) -> Result<(), ErrorCode> {
        self.check_coordinates(CoordinatorType::Group, group)
    }

    /// Whether this node coordinates the transactional id.
    ///
    /// # Errors
    /// As [`Context::check_coordinator`].
    pub(crate) fn check_transaction_coordinator(&self, id: &str) -> Result<(), ErrorCode> {
        self.check_coordinates(CoordinatorType::Transaction, id)
    }

    fn check_coordinates(&self, kind: CoordinatorType, key: &str) -> Result<(), ErrorCode> {
        let cluster = &self.cluster;
        cluster.coordinators.check(&cluster.nodes, (kind, key), self.node_id(), self.now_ms())
    }

    /// Does something that may take its time for a group, unless the group goes to another coordinator meanwhile.
    ///
    /// # Errors
    /// What `work` fails with, and as [`Context::check_coordinator`].
    pub(crate) async fn while_coordinator<R>(
        &self,
        group: &str,
        work: impl Future<Output = Result<R, ErrorCode>>,
    ) -> Result<R, ErrorCode> {
        tokio::select! {
            // What changes state happens at the first poll, before anything is waited for.
            biased;
            done = work => done,
            code = self.coordinator_moved(group) => Err(code),
        }
    }

    async fn coordinator_moved(&self, group: &str) -> ErrorCode {
        loop {
            let changed = self.cluster.coordinators.changed.notified();
            tokio::pin!(changed);
            // Registered before looking: a move in between is not missed.
            changed.as_mut().enable();
            if let Err(code) = self.check_coordinator(group) {
                return code;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_protocol::primitives::Str;

    fn nodes() -> Nodes {
        let nodes = Nodes::default();
        for id in 1..=3 {
            nodes.add(Node { id, host: Str::from_static("h"), port: 1, rack: None });
        }
        nodes
    }

    const GROUP: CoordinatorType = CoordinatorType::Group;

    fn to(key: Option<&str>, node: i32, loaded_at_ms: i64) -> MovedCoordinator {
        MovedCoordinator { kind: GROUP, key: key.map(str::to_owned), node, loaded_at_ms }
    }

    #[test]
    fn strings_hash_as_in_java() {
        assert_eq!((java_hash(""), java_hash("a"), java_hash("ab")), (0, 97, 97 * 31 + 98));
        // "polygenelubricants".hashCode() is the smallest int there is; without its sign it is 0.
        assert_eq!(java_hash("polygenelubricants"), 0);
    }

    #[test]
    fn the_next_node_stands_in_for_one_that_is_down() {
        let (nodes, coordinators) = (nodes(), Coordinators::default());
        assert_eq!(coordinators.find(&Nodes::default(), GROUP, "g"), None);
        let find = || coordinators.find(&nodes, GROUP, "g").unwrap().id;
        let first = find();
        nodes.set_up(first, false);
        assert_eq!(find(), first % 3 + 1);
        nodes.set_up(first, true);
        assert_eq!(find(), first);
    }

    #[test]
    fn a_move_is_for_its_key_its_kind_and_its_time() {
        let (nodes, coordinators) = (nodes(), Coordinators::default());
        let first = coordinators.find(&nodes, GROUP, "g").unwrap().id;
        let next = first % 3 + 1;
        assert!(coordinators.move_to(to(Some("g"), next, 100)));
        let check = |key, node, now| coordinators.check(&nodes, key, node, now);
        assert_eq!(check((GROUP, "g"), first, 200), Err(ErrorCode::NOT_COORDINATOR));
        let loading = Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        assert_eq!(check((GROUP, "g"), next, 99), loading);
        assert_eq!(check((GROUP, "g"), next, 100), Ok(()));
        assert_eq!(check((CoordinatorType::Transaction, "g"), first, 0), Ok(()));
        // All others go; the one that was moved by itself stays where it is.
        assert!(coordinators.move_to(to(None, first, 0)));
        for key in ["a", "b", "c", "d"] {
            assert_eq!(check((GROUP, key), first, 0), Ok(()));
        }
        assert_eq!(check((GROUP, "g"), next, 100), Ok(()));
        nodes.set_up(next, false);
        assert_eq!(check((GROUP, "g"), first, 0), Ok(()), "somebody stands in");
        assert_eq!(coordinators.list().len(), 2);
        coordinators.reset();
        assert_eq!(check((GROUP, "g"), first, 0), Ok(()));
    }

    #[test]
    fn moves_are_bounded() {
        let coordinators = Coordinators::default();
        for n in 0..MAX_MOVED {
            assert!(coordinators.move_to(to(Some(&n.to_string()), 1, 0)));
        }
        assert!(!coordinators.move_to(to(Some("one more"), 1, 0)));
        assert!(coordinators.move_to(to(Some("7"), 2, 0)), "known already");
    }
}
