//! Pure: how many groups there are, and what they have committed, for whoever watches from outside.

use super::coordinator::Coordinator;
use super::describe::list;
use super::offsets::flatten;
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;

/// What a group has read of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) group: Str,
    pub(crate) topic: Str,
    pub(crate) partition: i32,
    /// The next record it has not read.
    pub(crate) offset: i64,
}

/// All groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// How many groups are of a type and in a state.
    pub(crate) states: BTreeMap<(Str, Str), usize>,
    pub(crate) positions: Vec<Position>,
    /// Positions that are left out because there are more than were asked for.
    pub(crate) omitted: usize,
}

impl Coordinator {
    /// Counts groups and gives their committed offsets, at most `limit`, in the order of their names.
    pub(crate) fn summary(&self, limit: usize) -> Summary {
        let mut summary = Summary::default();
        for (id, group) in &self.groups {
            let listed = list(id, group);
            *summary.states.entry((listed.group_type, listed.group_state)).or_default() += 1;
            for (topic, partition, committed) in flatten(&group.offsets.committed) {
                if summary.positions.len() >= limit {
                    summary.omitted += 1;
                    continue;
                }
                let (group, topic) = (id.clone(), topic.clone());
                let offset = committed.offset;
                summary.positions.push(Position { group, topic, partition, offset });
            }
        }
        summary
    }
}
