//! Making, growing and deleting topics.

use super::{Cluster, random_id};
use crate::config::{Overrides, TopicConfig};
use crate::topics::{MAX_PARTITIONS, Topic, TopicError, check_name};
use klamm_log::storage::{MemoryStorage, Storage};
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How a topic is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTopic {
    /// `None`: `num.partitions`.
    pub(crate) partitions: Option<i32>,
    /// `None`: `default.replication.factor`.
    pub(crate) replication_factor: Option<i16>,
    /// Replicas of each partition, when the client chooses them.
    pub(crate) assignment: Vec<Vec<i32>>,
    /// Settings as the client wrote them.
    pub(crate) overrides: Overrides,
}

impl Cluster {
    /// Makes a topic; nothing changes when it cannot be made, or when `validate_only`.
    ///
    /// A replication factor above the number of nodes is accepted and means all nodes: a topic made for a cluster is
    /// made here with the same command.
    ///
    /// # Errors
    /// [`TopicError`].
    pub(crate) fn create_topic(
        &self,
        name: &str,
        new: NewTopic,
        validate_only: bool,
    ) -> Result<Arc<Topic>, TopicError> {
        let _changing = self.changing.lock();
        check_name(name)?;
        if let Some(taken) = self.topics.collision(name) {
            return Err(taken);
        }
        let config = TopicConfig::new(&new.overrides, &self.config());
        let config = Arc::new(config.map_err(|error| TopicError::Config(error.to_string()))?);
        let assignment = self.assignment(&new)?;
        let topic = Str::from(name);
        if validate_only {
            // As if it were there, with a log of nothing.
            let nowhere: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
            let partitions = self.partitions(&nowhere, &topic, 0, assignment, &config)?;
            return Ok(Arc::new(Topic::new(topic, Uuid::ZERO, partitions, new.overrides, config)));
        }
        let partitions = self.partitions(&self.storage, &topic, 0, assignment, &config)?;
        let topic = Arc::new(Topic::new(topic, random_id(), partitions, new.overrides, config));
        self.remember(&topic)?;
        self.topics.insert(topic.clone());
        Ok(topic)
    }

    /// Adds partitions until there are `count`.
    ///
    /// # Errors
    /// [`TopicError::Partitions`] when there are as many already.
    pub(crate) fn grow_topic(
        &self,
        topic: &Topic,
        count: i32,
        assignment: Vec<Vec<i32>>,
        validate_only: bool,
    ) -> Result<(), TopicError> {
        let _changing = self.changing.lock();
        let present = topic.partition_count();
        let wanted = usize::try_from(count).unwrap_or_default();
        if wanted <= present {
            let name = topic.name().as_str();
            let why = format!("topic {name} has {present} partitions, and {count} are not more");
            return Err(TopicError::Partitions(why));
        }
        if !assignment.is_empty() && assignment.len() != wanted - present {
            let why =
                format!("{} new partitions, {} assignments", wanted - present, assignment.len());
            return Err(TopicError::Assignment(why));
        }
        let new = NewTopic {
            partitions: i32::try_from(wanted - present).ok(),
            replication_factor: i16::try_from(topic.replication_factor()).ok(),
            assignment,
            ..NewTopic::default()
        };
        let assignment = self.assignment(&new)?;
        if !validate_only {
            let config = topic.config();
            let more =
                self.partitions(&self.storage, topic.name(), present, assignment, &config)?;
            topic.grow(more);
            self.remember(topic)?;
        }
        Ok(())
    }

    /// Deletes a topic and all its records; false when there is none of that name.
    pub(crate) fn delete_topic(&self, name: &str) -> bool {
        let _changing = self.changing.lock();
        let Some(topic) = self.topics.remove(name) else { return false };
        if let Err(code) = self.forget(&topic) {
            tracing::error!(topic = name, ?code, "a deleted topic will be back after a restart");
        }
        self.forget_offsets(&topic);
        self.forget_shares_of_topic(topic.id());
        for partition in topic.partitions() {
            if let Err(error) = partition.delete() {
                let (topic, index) = (topic.name().as_str(), partition.index());
                tracing::error!(topic, partition = index, %error, "files of a deleted topic are left");
            }
        }
        true
    }

    /// The replicas of each partition: those asked for, or the nodes in turn.
    fn assignment(&self, new: &NewTopic) -> Result<Vec<Vec<i32>>, TopicError> {
        if !new.assignment.is_empty() {
            new.assignment.iter().try_for_each(|replicas| self.check_replicas(replicas))?;
            return self.within_limit(new.assignment.len()).map(|_| new.assignment.clone());
        }
        let config = self.config();
        let count = new.partitions.unwrap_or(config.num_partitions);
        let partitions =
            usize::try_from(count).ok().filter(|&count| count > 0).ok_or_else(|| {
                TopicError::Partitions(format!("a topic has at least 1 partition, not {count}"))
            })?;
        let factor = new.replication_factor.unwrap_or(config.default_replication_factor);
        let replicas =
            usize::try_from(factor).ok().filter(|&factor| factor > 0).ok_or_else(|| {
                TopicError::Replication(format!("a partition has at least 1 replica, not {factor}"))
            })?;
        self.within_limit(partitions)?;
        let nodes = self.nodes.ids();
        let replicas = replicas.min(nodes.len());
        let of = |first| nodes.iter().cycle().skip(first % nodes.len().max(1)).take(replicas);
        Ok((0..partitions).map(|first| of(first).copied().collect()).collect())
    }

    fn within_limit(&self, more: usize) -> Result<(), TopicError> {
        let all = self.topics.partition_count() + more;
        if all > MAX_PARTITIONS { Err(TopicError::TooMany) } else { Ok(()) }
    }

    fn check_replicas(&self, replicas: &[i32]) -> Result<(), TopicError> {
        let nodes = self.nodes.ids();
        let distinct: BTreeSet<&i32> = replicas.iter().collect();
        if replicas.is_empty() || distinct.len() != replicas.len() {
            return Err(TopicError::Assignment(
                "replicas must be some nodes, each once".to_owned(),
            ));
        }
        match replicas.iter().find(|id| !nodes.contains(id)) {
            Some(id) => Err(TopicError::Assignment(format!("there is no node {id}"))),
            None => Ok(()),
        }
    }
}
