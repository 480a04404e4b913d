//! Pure: the offsets of one group.

use crate::group::change::OffsetRecord;
use klamm_protocol::primitives::Str;
use std::collections::{BTreeMap, BTreeSet};

/// One committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group) struct Committed {
    pub(in crate::group) offset: i64,
    pub(in crate::group) leader_epoch: i32,
    pub(in crate::group) metadata: Str,
    pub(in crate::group) at_ms: i64,
    /// When it goes, if the client said so (OffsetCommit before version 5).
    pub(in crate::group) expires_ms: Option<i64>,
    /// Place in the sequence of all commits: the later of two is in force.
    pub(in crate::group) order: u64,
}

impl Committed {
    pub(in crate::group) fn record(&self) -> OffsetRecord {
        OffsetRecord {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata.as_str().to_owned(),
            at_ms: self.at_ms,
            expires_ms: self.expires_ms,
            order: self.order,
        }
    }

    pub(in crate::group) fn restore(record: OffsetRecord) -> Self {
        Self {
            offset: record.offset,
            leader_epoch: record.leader_epoch,
            metadata: Str::from(record.metadata),
            at_ms: record.at_ms,
            expires_ms: record.expires_ms,
            order: record.order,
        }
    }
}

/// Partitions by topic.
pub(in crate::group) type Partitions = BTreeMap<Str, BTreeMap<i32, Committed>>;

/// Groups with pending offsets, by producer id.
pub(in crate::group) type PendingIndex = BTreeMap<i64, BTreeSet<Str>>;

/// The offsets of one group.
#[derive(Debug, Default)]
pub(in crate::group) struct Offsets {
    pub(in crate::group) committed: Partitions,
    /// Offsets of open transactions, by producer id.
    pub(in crate::group) pending: BTreeMap<i64, Partitions>,
}

impl Offsets {
    pub(in crate::group) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    pub(in crate::group) fn get(&self, topic: &Str, partition: i32) -> Option<&Committed> {
        self.committed.get(topic)?.get(&partition)
    }

    /// Whether an open transaction may change the offset of a partition.
    pub(in crate::group) fn is_pending(&self, topic: &Str, partition: i32) -> bool {
        let holds = |offsets: &Partitions| {
            offsets.get(topic).is_some_and(|partitions| partitions.contains_key(&partition))
        };
        self.pending.values().any(holds)
    }

    pub(in crate::group) fn remove(&mut self, topic: &Str, partition: i32) -> bool {
        let Some(partitions) = self.committed.get_mut(topic) else { return false };
        let removed = partitions.remove(&partition).is_some();
        if partitions.is_empty() {
            self.committed.remove(topic);
        }
        removed
    }
}

/// Every offset with its topic and partition, in order.
pub(in crate::group) fn flatten(
    partitions: &Partitions,
) -> impl Iterator<Item = (&Str, i32, &Committed)> {
    let topics = partitions.iter();
    topics.flat_map(|(topic, offsets)| offsets.iter().map(move |(p, offset)| (topic, *p, offset)))
}
