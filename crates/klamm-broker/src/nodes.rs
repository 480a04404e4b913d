//! The nodes that the cluster consists of, as clients see them.
//!
//! They live in one process and share all data; what makes them several is that each has a listener, that partitions
//! and coordinators belong to one of them, and that one can be taken down.

use klamm_protocol::primitives::Str;
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// Where clients reach a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) host: Str,
    pub(crate) port: i32,
    pub(crate) rack: Option<Str>,
}

#[derive(Debug)]
struct Entry {
    node: Node,
    up: bool,
}

/// All nodes by id.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    entries: RwLock<BTreeMap<i32, Entry>>,
}

impl Nodes {
    /// Adds a node, or changes where it is reached.
    pub(crate) fn add(&self, node: Node) {
        self.entries.write().insert(node.id, Entry { node, up: true });
    }

    /// Takes a node down or up; false when there is none of that id.
    pub(crate) fn set_up(&self, id: i32, up: bool) -> bool {
        self.entries.write().get_mut(&id).map(|entry| entry.up = up).is_some()
    }

    /// The nodes that are up, by id.
    pub(crate) fn up(&self) -> Vec<Node> {
        let entries = self.entries.read();
        entries.values().filter(|entry| entry.up).map(|entry| entry.node.clone()).collect()
    }

    /// The node, if it is up.
    pub(crate) fn up_one(&self, id: i32) -> Option<Node> {
        let entries = self.entries.read();
        entries.get(&id).filter(|entry| entry.up).map(|entry| entry.node.clone())
    }

    /// All nodes, up or down.
    pub(crate) fn all(&self) -> Vec<Node> {
        self.entries.read().values().map(|entry| entry.node.clone()).collect()
    }

    /// Ids of all nodes, up or down.
    pub(crate) fn ids(&self) -> Vec<i32> {
        self.entries.read().keys().copied().collect()
    }

    /// Whether the node exists and is up.
    pub(crate) fn is_up(&self, id: i32) -> bool {
        self.entries.read().get(&id).is_some_and(|entry| entry.up)
    }

    /// The controller: the first node that is up; -1 when none is.
    pub(crate) fn controller(&self) -> i32 {
        self.entries.read().values().find(|entry| entry.up).map_or(-1, |entry| entry.node.id)
    }
}
