//! The topics in which Kafka keeps groups and transactions. Clients look for them; here they are seen and stay empty,
//! because the journal holds what they would.

use super::{Cluster, NewTopic};
use crate::config::BrokerConfig;
use crate::topics::TopicError;

/// One of the topics that belong to Kafka itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InternalTopic {
    /// `__consumer_offsets`
    Offsets,
    /// `__transaction_state`
    Transactions,
}

impl InternalTopic {
    const ALL: [Self; 2] = [Self::Offsets, Self::Transactions];

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Offsets => "__consumer_offsets",
            Self::Transactions => "__transaction_state",
        }
    }

    /// Partitions that it has, or will have once it is made.
    pub(crate) fn partitions(self, config: &BrokerConfig) -> i32 {
        match self {
            Self::Offsets => config.offsets_topic_num_partitions,
            Self::Transactions => config.transaction_state_log_num_partitions,
        }
    }

    /// What Kafka sets for it.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Offsets => &[
                ("cleanup.policy", "compact"),
                ("compression.type", "producer"),
                ("segment.bytes", "104857600"),
            ],
            Self::Transactions => &[
                ("cleanup.policy", "compact"),
                ("compression.type", "uncompressed"),
                ("min.insync.replicas", "2"),
                ("segment.bytes", "104857600"),
                ("unclean.leader.election.enable", "false"),
            ],
        }
    }

    /// How it is made.
    pub(crate) fn description(self, config: &BrokerConfig) -> NewTopic {
        let settings = self.settings().iter();
        NewTopic {
            partitions: Some(self.partitions(config)),
            overrides: settings.map(|&(name, set)| (name.to_owned(), set.to_owned())).collect(),
            ..NewTopic::default()
        }
    }
}

impl Cluster {
    /// Makes an internal topic, unless it is there.
    ///
    /// # Errors
    /// [`TopicError`]
    pub(crate) fn ensure_internal(&self, topic: InternalTopic) -> Result<(), TopicError> {
        if self.topics.get(topic.name()).is_some() {
            return Ok(());
        }
        match self.create_topic(topic.name(), topic.description(&self.config()), false) {
            // Another client was faster.
            Ok(_) | Err(TopicError::Exists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::InternalTopic;
    use crate::config::{BrokerConfig, TopicConfig};

    #[test]
    fn every_internal_topic_can_be_made_and_is_found_by_its_name() {
        let mut config = BrokerConfig::default();
        config.set("offsets.topic.num.partitions", "3").unwrap();
        for (topic, partitions) in InternalTopic::ALL.into_iter().zip([3, 50]) {
            let new = topic.description(&config);
            assert_eq!(new.partitions, Some(partitions));
            assert!(TopicConfig::new(&new.overrides, &config).unwrap().compact);
            assert_eq!(InternalTopic::named(topic.name()), Some(topic));
        }
        assert_eq!(InternalTopic::named("orders"), None);
    }
}
