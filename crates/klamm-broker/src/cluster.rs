//! Everything the nodes of one broker share: topics, groups, settings, time.

use crate::clock::Clock;
use crate::config::{BrokerConfig, Overrides, TopicConfig};
use crate::nodes::Nodes;
use crate::partition::Partition;
use crate::release::Release;
use crate::topics::{MAX_PARTITIONS, Topic, TopicError, Topics, check_name};
use klamm_protocol::primitives::{Str, Uuid};
use std::sync::Arc;

/// The state behind every listener.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Stays the same for a data directory.
    pub(crate) id: Str,
    pub(crate) config: BrokerConfig,
    pub(crate) release: Release,
    pub(crate) clock: Clock,
    pub(crate) nodes: Nodes,
    pub(crate) topics: Topics,
}

/// How a topic is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTopic {
    /// `None`: `num.partitions`.
    pub(crate) partitions: Option<i32>,
    /// Replicas of each partition, when the client chooses them.
    pub(crate) assignment: Vec<Vec<i32>>,
    /// Settings as the client wrote them.
    pub(crate) overrides: Overrides,
}

impl Cluster {
    /// Makes a topic; nothing changes when it cannot be made, or when `validate_only`.
    ///
    /// # Errors
    /// [`TopicError`].
    pub(crate) fn create_topic(
        &self,
        name: &str,
        new: NewTopic,
        validate_only: bool,
    ) -> Result<Arc<Topic>, TopicError> {
        check_name(name)?;
        if self.topics.get(name).is_some() {
            return Err(TopicError::Exists(name.to_owned()));
        }
        let config = TopicConfig::new(&new.overrides, &self.config);
        let config = Arc::new(config.map_err(|error| TopicError::Config(error.to_string()))?);
        let assignment = self.assign(&new)?;
        let topic = Str::from(name);
        let partitions = assignment.into_iter().zip(0..).map(|(replicas, index)| {
            Arc::new(Partition::new(topic.clone(), index, replicas, config.clone()))
        });
        let partitions = partitions.collect();
        let topic = Topic::new(topic, random_id(), partitions, new.overrides, config);
        let topic = Arc::new(topic);
        if !validate_only {
            self.topics.insert(topic.clone()).map_err(|_| TopicError::Exists(name.to_owned()))?;
        }
        Ok(topic)
    }

    /// The replicas of each partition: those asked for, or the nodes in turn.
    fn assign(&self, new: &NewTopic) -> Result<Vec<Vec<i32>>, TopicError> {
        let count = match new.partitions {
            _ if !new.assignment.is_empty() => return Ok(new.assignment.clone()),
            Some(count) => count,
            None => self.config.num_partitions,
        };
        let count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or_else(|| {
            TopicError::Partitions(format!("a topic has at least 1 partition, not {count}"))
        })?;
        if self.topics.partition_count() + count > MAX_PARTITIONS {
            return Err(TopicError::TooMany);
        }
        let nodes = self.nodes.ids();
        Ok(nodes.iter().cycle().take(count).map(|&leader| vec![leader]).collect())
    }
}

/// A version 4 UUID, as Kafka makes them for topics.
pub(crate) fn random_id() -> Uuid {
    let mut bytes: [u8; 16] = fastrand::u128(..).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}
