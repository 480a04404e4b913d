//! Which node coordinates a group or a transactional id, and what tests have changed about that.

use crate::cluster::{Cluster, InternalTopic};
use crate::handler::Context;
use crate::nodes::Nodes;
use klamm_protocol::error_code::ErrorCode;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::sync::Notify;

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

impl From<InternalTopic> for CoordinatorType {
    fn from(keeper: InternalTopic) -> Self {
        match keeper {
            InternalTopic::Offsets => Self::Group,
            InternalTopic::Transactions => Self::Transaction,
        }
    }
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
}

impl Cluster {
    /// The node that coordinates a group or a transactional id; when it is down, the next that is up.
    pub(crate) fn coordinator(&self, keeper: InternalTopic, key: &str) -> Option<i32> {
        let moved = self.coordinators.moved(keeper.into(), key);
        let there = moved.map(|moved| moved.node).filter(|&node| self.nodes.is_up(node));
        there.or_else(|| {
            let made = self.topics.get(keeper.name()).map(|topic| topic.partition_count());
            let configured = || usize::try_from(keeper.partitions(&self.config())).ok();
            in_ring(&self.nodes, made.or_else(configured)?, key)
        })
    }
}

/// The node that leads the partition which `key` belongs to, of a topic whose partitions the nodes lead in turn.
fn in_ring(nodes: &Nodes, partitions: usize, key: &str) -> Option<i32> {
    let ids = nodes.ids();
    let first = usize::try_from(java_hash(key)).unwrap_or(0).checked_rem(partitions)?;
    let mut ring = ids.iter().copied().cycle().skip(first.checked_rem(ids.len())?).take(ids.len());
    ring.find(|&id| nodes.is_up(id))
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
        self.check_keeper(InternalTopic::Offsets, group)
    }

    /// Whether this node coordinates the transactional id.
    ///
    /// # Errors
    /// As [`Context::check_coordinator`].
    pub(crate) fn check_transaction_coordinator(&self, id: &str) -> Result<(), ErrorCode> {
        self.check_keeper(InternalTopic::Transactions, id)
    }

    fn check_keeper(&self, keeper: InternalTopic, key: &str) -> Result<(), ErrorCode> {
        let cluster = &self.cluster;
        if cluster.coordinator(keeper, key) != Some(self.node_id()) {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        match cluster.coordinators.moved(keeper.into(), key) {
            Some(to) if to.node == self.node_id() && self.now_ms() < to.loaded_at_ms => {
                Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
            }
            _ => Ok(()),
        }
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

    const GROUP: CoordinatorType = CoordinatorType::Group;

    fn to(key: Option<&str>, node: i32) -> MovedCoordinator {
        MovedCoordinator { kind: GROUP, key: key.map(str::to_owned), node, loaded_at_ms: 0 }
    }

    #[test]
    fn strings_hash_as_in_java() {
        assert_eq!((java_hash(""), java_hash("a"), java_hash("ab")), (0, 97, 97 * 31 + 98));
        // "polygenelubricants".hashCode() is the smallest int there is; without its sign it is 0.
        assert_eq!(java_hash("polygenelubricants"), 0);
    }

    #[test]
    fn the_next_node_stands_in_for_one_that_is_down() {
        let nodes = Nodes::default();
        assert_eq!(in_ring(&nodes, 50, "g"), None);
        for id in 1..=3 {
            nodes.add(id, Vec::new());
        }
        let first = in_ring(&nodes, 50, "g").unwrap();
        nodes.set_up(first, false);
        let second = in_ring(&nodes, 50, "g").unwrap();
        assert_eq!(second, first % 3 + 1);
        nodes.set_up(first, true);
        assert_eq!(in_ring(&nodes, 50, "g"), Some(first));
    }

    #[test]
    fn a_move_is_for_its_key_and_its_kind_and_its_own_comes_before_that_of_all() {
        let coordinators = Coordinators::default();
        assert!(coordinators.move_to(to(Some("g"), 2)));
        assert!(coordinators.move_to(to(None, 3)));
        let node = |kind, key| coordinators.moved(kind, key).map(|moved| moved.node);
        assert_eq!((node(GROUP, "g"), node(GROUP, "h")), (Some(2), Some(3)));
        assert_eq!(node(CoordinatorType::Transaction, "g"), None);
        assert_eq!(coordinators.list().len(), 2);
        coordinators.reset();
        assert_eq!(node(GROUP, "g"), None);
    }

    #[test]
    fn moves_are_bounded() {
        let coordinators = Coordinators::default();
        for n in 0..MAX_MOVED {
            assert!(coordinators.move_to(to(Some(&n.to_string()), 1)));
        }
        assert!(!coordinators.move_to(to(Some("one more"), 1)));
        assert!(coordinators.move_to(to(Some("7"), 2)), "known already");
    }
}
