//! Pure: offsets that nobody has needed for long, and groups that hold nothing (KIP-211).

use super::table::{Committed, flatten};
use crate::group::Coordinator;
use crate::group::group::{Group, Kind};
use crate::group::timers::Deadline;
use klamm_protocol::primitives::Str;

impl Coordinator {
    pub(in crate::group) fn schedule_expiry(&mut self) {
        if !self.fx.timers.is_set(&Deadline::Expiry) {
            let at_ms = self.fx.now_ms.saturating_add(self.config.offsets_check_interval_ms.max(1));
            self.fx.timers.set(Deadline::Expiry, at_ms);
        }
    }

    /// Looks through all groups, once every check interval.
    pub(in crate::group) fn expire(&mut self) {
        let retention_ms = self.config.offsets_retention_ms;
        let mut old = Vec::new();
        for (id, group) in &self.groups {
            let offsets = expired(group, self.fx.now_ms, retention_ms);
            old.extend(offsets.into_iter().map(|(topic, index)| (id.clone(), topic, index)));
        }
        for (id, topic, partition) in old {
            self.remove_offset(&id, &topic, partition);
        }
        let hollow = self.groups.iter();
        let hollow = hollow.filter(|(_, group)| group.is_unused() && group.offsets.is_empty());
        let hollow: Vec<Str> = hollow.map(|(id, _)| id.clone()).collect();
        hollow.iter().for_each(|id| self.remove_group(id));
        if !self.groups.is_empty() {
            self.schedule_expiry();
        }
    }
}

/// The offsets of a group whose time has come.
fn expired(group: &Group, now_ms: i64, retention_ms: i64) -> Vec<(Str, i32)> {
    // With members the offsets of what they read stay; without, time runs from the departure of the last.
    let (in_use, empty_since) = match &group.kind {
        _ if !group.is_empty() => match group.subscribed_topics() {
            Some(topics) => (topics, None),
            None => return Vec::new(),
        },
        Kind::Classic(classic) => {
            let had_members = classic.protocol_type().is_some();
            (Default::default(), had_members.then(|| classic.since_ms()))
        }
        Kind::Consumer(group) => (Default::default(), Some(group.since_ms())),
        Kind::Share(_) => return Vec::new(),
    };
    let is_old = |committed: &Committed| match committed.expires_ms {
        Some(expires_ms) => now_ms >= expires_ms,
        None => {
            let since_ms = empty_since.unwrap_or(committed.at_ms).max(committed.at_ms);
            now_ms.saturating_sub(since_ms) >= retention_ms
        }
    };
    let old = flatten(&group.offsets.committed)
        .filter(|(topic, _, committed)| !in_use.contains(*topic) && is_old(committed))
        .filter(|(topic, partition, _)| !group.offsets.is_pending(topic, *partition));
    old.map(|(topic, partition, _)| (topic.clone(), partition)).collect()
}
