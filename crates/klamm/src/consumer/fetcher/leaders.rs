//! Who leads the assigned partitions, and those that nobody knows.

use super::super::error::ConsumeError;
use super::super::fetch::Leader;
use super::super::shared::State;
use super::Fetcher;
use crate::consumer::TopicPartition;
use crate::metadata::Cluster;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often partitions are asked for that do not exist.
const ASK_INTERVAL: Duration = Duration::from_secs(5);
/// A topic that was just created takes a moment to reach every broker.
const UNKNOWN_MIN: u32 = 4;

/// Assigned partitions that metadata does not know.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    /// Of which the application was told.
    reported: BTreeSet<TopicPartition>,
    /// When to ask again.
    pub(super) ask_at: Option<Instant>,
}

impl Fetcher {
    /// Takes note of a newer snapshot, and of partitions that were added since the last.
    pub(super) fn look_at_metadata(&mut self, state: &mut State, now: Instant) {
        let due = self.unknown.ask_at.is_some_and(|at| at <= now);
        let cluster = self.client.metadata.cluster();
        let assigned_anew = std::mem::take(&mut state.assigned_anew);
        if !(assigned_anew || due) && Arc::ptr_eq(&cluster, &self.cluster) {
            return;
        }
        self.cluster = cluster;
        let assigned: Vec<TopicPartition> = state.positions.assigned().cloned().collect();
        let mut unknown = Vec::new();
        for tp in assigned {
            match leader_of(&self.cluster, &tp) {
                Some(leader) => state.positions.leader_changed(&tp, leader, now.into_std()),
                None => unknown.push(tp),
            }
        }
        self.handle_unknown(state, unknown, due, now);
    }

    fn handle_unknown(
        &mut self,
        state: &mut State,
        unknown: Vec<TopicPartition>,
        due: bool,
        now: Instant,
    ) {
        let again = self.unknown.ask_at.filter(|_| !due).unwrap_or(now + ASK_INTERVAL);
        self.unknown.ask_at = (!unknown.is_empty()).then_some(again);
        let mut reported = BTreeSet::new();
        for tp in unknown {
            if due {
                self.client.metadata.want(&tp.topic);
            }
            if self.unknown.reported.contains(&tp) {
                reported.insert(tp);
            } else if let Some(error) = self.verdict(&tp) {
                state.push_error(&tp, error);
                self.news = true;
                reported.insert(tp);
            }
        }
        self.unknown.reported = reported;
    }

    /// What there is to be said of a partition that has no leader; `None` if it may only be late.
    fn verdict(&self, tp: &TopicPartition) -> Option<ConsumeError> {
        let topic = self.cluster.topics.get(&tp.topic)?;
        let (partition, code) = (tp.clone(), topic.error);
        let settled = topic.error.is_ok() || topic.unknown_in_a_row >= UNKNOWN_MIN;
        match code.is_ok() || code.is_retriable() {
            true => settled.then_some(ConsumeError::UnknownPartition { partition }),
            false => Some(ConsumeError::Refused { partition, code, stopped: false }),
        }
    }
}

/// What metadata says of a partition.
pub(super) fn leader_of(cluster: &Cluster, tp: &TopicPartition) -> Option<Leader> {
    let topic = cluster.topics.get(&tp.topic)?;
    let info = topic.partitions.get(usize::try_from(tp.partition).ok()?)?;
    let node = cluster.leader(&tp.topic, tp.partition);
    Some(Leader { node, epoch: info.leader_epoch, topic_id: topic.id })
}
