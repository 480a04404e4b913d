//! What a consumer reads: partitions that it is given, or topics that it subscribes to.

use super::membership::{Pattern, Subscribed};
use super::{Consumer, Start, TopicPartition};
use crate::config::ConfigError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

impl Consumer {
    /// Reads exactly these partitions from now on; those that were read before and are not among them
    /// are let go, and what was fetched of any is too.
    ///
    /// A topic that does not exist is waited for, and reported when it takes too long. With a `group.id`
    /// offsets of these partitions can be committed, for as long as the group has no members; a consumer
    /// that subscribes to something leaves its group.
    pub fn assign<T: Into<Arc<str>>>(&self, partitions: impl IntoIterator<Item = (T, i32, Start)>) {
        let now = Instant::now().into_std();
        let wanted: BTreeMap<TopicPartition, Start> = partitions
            .into_iter()
            .map(|(topic, partition, start)| (TopicPartition::new(topic, partition), start))
            .collect();
        let mut topics: Vec<Arc<str>> = wanted.keys().map(|tp| Arc::clone(&tp.topic)).collect();
        topics.dedup();
        self.replace_assignment(wanted, now);
        topics.iter().for_each(|topic| self.client.metadata.want(topic));
        self.shared.doorbell.ring();
    }

    fn replace_assignment(&self, wanted: BTreeMap<TopicPartition, Start>, now: std::time::Instant) {
        let partitions: Vec<TopicPartition> = wanted.keys().cloned().collect();
        let committed = |start| matches!(start, &Start::Committed);
        let mut at_committed: BTreeSet<TopicPartition> = BTreeSet::new();
        let mut group = self.group.as_ref().map(|group| group.lock());
        let mut state = self.shared.lock();
        let before: Vec<TopicPartition> = state.positions.assigned().cloned().collect();
        for tp in &before {
            state.unassign(tp);
        }
        if let Some(group) = &mut group {
            at_committed
                .extend(wanted.iter().filter(|(_, s)| committed(s)).map(|(tp, _)| tp.clone()));
            let lease = group.assign(&before, &partitions);
            partitions.iter().for_each(|tp| state.lease_out(tp, lease));
        }
        let mut leases = BTreeMap::new();
        for (tp, start) in wanted {
            if at_committed.contains(&tp) {
                let lease = state.take_on(&tp, now);
                leases.insert(tp, lease);
            } else {
                state.assign(tp, start, now);
            }
        }
        if let Some(group) = &mut group {
            group.start_at_committed(leases);
            self.shared.group.notify_one();
        }
    }

    /// Reads what falls to this member of the group of these topics, in place of what it subscribed to or
    /// assigned before.
    ///
    /// # Errors
    /// [`ConfigError`] without a `group.id`.
    pub fn subscribe<T: Into<Arc<str>>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), ConfigError> {
        self.subscribe_to(Subscribed::Topics(topics.into_iter().map(Into::into).collect()))
    }

    /// As [`Consumer::subscribe`], to all topics whose whole name matches this regular expression, also
    /// those to come: they are found within `metadata.max.age.ms`, or by the broker with KIP-848.
    ///
    /// # Errors
    /// [`ConfigError`] without a `group.id`, or when it is no regular expression.
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<(), ConfigError> {
        self.subscribe_to(Subscribed::Pattern(Pattern::new(pattern)?))
    }

    /// Leaves the group, and reads nothing.
    pub fn unsubscribe(&self) {
        self.assign([] as [(Arc<str>, i32, Start); 0]);
    }

    fn subscribe_to(&self, to: Subscribed) -> Result<(), ConfigError> {
        let Some(group) = &self.group else {
            return Err(ConfigError::Conflict("subscribing needs a group.id".to_owned()));
        };
        let now = Instant::now().into_std();
        if group.lock().is_standalone() {
            self.replace_assignment(BTreeMap::new(), now);
        }
        group.lock().subscribe(to);
        self.shared.group.notify_one();
        Ok(())
    }

    /// The partitions that are read, in order.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.lock().positions.assigned().cloned().collect()
    }
}
