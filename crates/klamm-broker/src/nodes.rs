//! The nodes that the cluster consists of, as clients see them.
//!
//! They live in one process and share all data; what makes them several is that each has listeners, that partitions
//! and coordinators belong to one of them, and that one can be taken down.

use klamm_protocol::primitives::Str;
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// A node, and where clients of one listener reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) host: Str,
    pub(crate) port: i32,
    pub(crate) rack: Option<Str>,
}

/// What clients of a listener are told to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Str,
    pub(crate) port: i32,
}

#[derive(Debug)]
struct Entry {
    /// By listener.
    endpoints: Vec<Endpoint>,
    up: bool,
}

impl Entry {
    /// The node as clients of a listener see it; none when it has no such listener.
    fn seen(&self, id: i32, listener: usize) -> Option<Node> {
        let Endpoint { host, port } = self.endpoints.get(listener)?.clone();
        Some(Node { id, host, port, rack: None })
    }
}

/// All nodes by id.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    entries: RwLock<BTreeMap<i32, Entry>>,
}

impl Nodes {
    /// Adds a node with its endpoints, one of each listener, or changes where it is reached.
    pub(crate) fn add(&self, id: i32, endpoints: Vec<Endpoint>) {
        self.entries.write().insert(id, Entry { endpoints, up: true });
    }

    /// Takes a node down or up; false when there is none of that id.
    pub(crate) fn set_up(&self, id: i32, up: bool) -> bool {
        self.entries.write().get_mut(&id).map(|entry| entry.up = up).is_some()
    }

    /// The nodes that are up, by id, as clients of a listener see them.
    pub(crate) fn up(&self, listener: usize) -> Vec<Node> {
        let entries = self.entries.read();
        let up = entries.iter().filter(|(_, entry)| entry.up);
        up.filter_map(|(&id, entry)| entry.seen(id, listener)).collect()
    }

    /// The node as clients of a listener see it, if it is up.
    pub(crate) fn up_one(&self, id: i32, listener: usize) -> Option<Node> {
        let entries = self.entries.read();
        entries.get(&id).filter(|entry| entry.up)?.seen(id, listener)
    }

    /// All nodes, up or down, as clients of a listener see them.
    pub(crate) fn all(&self, listener: usize) -> Vec<Node> {
        let entries = self.entries.read();
        entries.iter().filter_map(|(&id, entry)| entry.seen(id, listener)).collect()
    }

    /// The node, up or down, and the listener that clients are told to reach under this host and port.
    pub(crate) fn at(&self, host: &str, port: u16) -> Option<(i32, usize)> {
        let entries = self.entries.read();
        entries.iter().find_map(|(&id, entry)| {
            let here = |at: &Endpoint| &*at.host == host && at.port == i32::from(port);
            entry.endpoints.iter().position(here).map(|listener| (id, listener))
        })
    }

    /// How many listeners each node has.
    pub(crate) fn listeners(&self) -> usize {
        self.entries.read().values().map(|entry| entry.endpoints.len()).max().unwrap_or(0)
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
        self.entries.read().iter().find(|(_, entry)| entry.up).map_or(-1, |(&id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Nodes};
    use klamm_protocol::primitives::Str;

    #[test]
    fn who_comes_in_by_a_listener_sees_its_addresses() {
        let nodes = Nodes::default();
        let endpoint = |host: &str, port| Endpoint { host: Str::from(host.to_owned()), port };
        for id in 1..=2 {
            nodes.add(id, vec![endpoint("inside", 9000 + id), endpoint("outside", 19000 + id)]);
        }
        let seen = |listener| {
            let up = nodes.up(listener).into_iter();
            up.map(|node| format!("{}:{}", &*node.host, node.port)).collect::<Vec<_>>()
        };
        assert_eq!(seen(0), ["inside:9001", "inside:9002"]);
        assert_eq!(seen(1), ["outside:19001", "outside:19002"]);
        assert_eq!(seen(2), [""; 0]);
        assert_eq!((nodes.at("outside", 19002), nodes.at("outside", 9001)), (Some((2, 1)), None));
        nodes.set_up(1, false);
        assert_eq!(seen(1), ["outside:19002"]);
        assert_eq!((nodes.all(1).len(), nodes.up_one(1, 1)), (2, None));
        assert_eq!((nodes.controller(), nodes.listeners()), (2, 2));
    }
}
