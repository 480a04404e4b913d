//! Who leads a partition, and since which leader epoch (KIP-320).
//!
//! A new epoch begins when a partition gets another leader, when one is asked for, and when the broker opens a log that
//! was not closed: it may be shorter than what clients have read, and the epoch is what tells them so. The journal has
//! it before anybody is shown it, because the log cannot remember an epoch in which nothing was written.

use super::Cluster;
use crate::journal::Change;
use crate::partition::Partition;
use crate::topics::{Topic, TopicError};
use klamm_log::Log;
use klamm_protocol::error_code::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A leader and its epoch.
pub(super) type Leadership = (i32, i32);

/// A partition that gets a leader.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) topic: Arc<Topic>,
    pub(crate) partition: Arc<Partition>,
    /// The leader from now on; the one it has already begins a new epoch, too.
    pub(crate) node: i32,
}

impl Cluster {
    /// Gives partitions their leaders, all or none of them, and returns the new leader epochs in the same order; there is
    /// none for a topic that was deleted.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR when the epochs cannot be written down; nothing has changed then.
    pub(crate) fn lead(&self, moves: &[Move]) -> Result<Vec<i32>, ErrorCode> {
        let _changing = self.changing.lock();
        let present = moves.iter().filter(|m| self.topics.by_id(m.topic.id()).is_some());
        let next = |m: &Move| m.partition.leader().1.saturating_add(1);
        let planned: Vec<(&Move, i32)> = present.map(|m| (m, next(m))).collect();
        let mut topics = BTreeMap::new();
        for &(Move { topic, partition, node }, epoch) in &planned {
            let (_, leaders) = topics.entry(topic.name().as_str()).or_insert_with(|| {
                (topic, topic.partitions().iter().map(|p| p.leader()).collect())
            });
            let leaders: &mut Vec<Leadership> = leaders;
            let place = usize::try_from(partition.index()).ok();
            if let Some(place) = place.and_then(|index| leaders.get_mut(index)) {
                *place = (*node, epoch);
            }
        }
        let entries = topics.into_values().map(|(topic, leaders)| Self::entry(topic, leaders));
        let changes = entries.collect::<Result<Vec<Change>, TopicError>>();
        self.write_now(changes.map_err(|error| error.code())?)?;
        planned.iter().for_each(|(m, epoch)| m.partition.lead(m.node, *epoch));
        Ok(planned.into_iter().map(|(_, epoch)| epoch).collect())
    }

    /// Who leads a partition whose log was just opened. `written` is what the journal says.
    pub(super) fn resume(
        &self,
        written: Option<Leadership>,
        log: &Log,
        replicas: &[i32],
        clean: bool,
    ) -> Leadership {
        let preferred = replicas.first().copied().unwrap_or(-1);
        let led = written.filter(|(node, _)| self.nodes.ids().contains(node));
        let moved = written.is_some() && led.is_none();
        let node = led.map_or(preferred, |(node, _)| node);
        let latest = log.latest_epoch().into_iter().chain(written.map(|(_, epoch)| epoch)).max();
        let epoch = latest.unwrap_or(0);
        (node, if clean && !moved { epoch } else { epoch.saturating_add(1) })
    }
}

#[cfg(test)]
mod tests;
