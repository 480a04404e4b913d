//! The topics of the broker, by name and by id.

use crate::cluster::InternalTopic;
use crate::config::{Overrides, TopicConfig};
use crate::partition::Partition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::{Str, Uuid};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest name, in bytes, as with Kafka.
const MAX_NAME_BYTES: usize = 249;

/// Partitions that all topics together may have.
pub(crate) const MAX_PARTITIONS: usize = 100_000;

/// Why a topic is not made or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TopicError {
    #[error("topic {0:?} already exists")]
    Exists(String),
    #[error("topic {name:?} is no name for a topic: {why}")]
    Name { name: String, why: String },
    #[error("{0}")]
    Partitions(String),
    #[error("{0}")]
    Replication(String),
    #[error("{0}")]
    Assignment(String),
    #[error("{0}")]
    Config(String),
    #[error("there would be more than {MAX_PARTITIONS} partitions")]
    TooMany,
    #[error("the topic's log cannot be opened: {0}")]
    Storage(String),
}

impl TopicError {
    /// The protocol's code for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Exists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
            Self::Name { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
            Self::Partitions(_) => ErrorCode::INVALID_PARTITIONS,
            Self::Replication(_) => ErrorCode::INVALID_REPLICATION_FACTOR,
            Self::Assignment(_) => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            Self::Config(_) => ErrorCode::INVALID_CONFIG,
            Self::TooMany => ErrorCode::POLICY_VIOLATION,
            Self::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// Kafka's rule for names of topics.
pub(crate) fn check_name(name: &str) -> Result<(), TopicError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let why = match name {
        "" => "it is empty",
        "." | ".." => "it would be a directory's name",
        _ if name.len() > MAX_NAME_BYTES => "it has more than 249 characters",
        _ if !name.bytes().all(allowed) => {
            "only ASCII letters, digits, '.', '_' and '-' are allowed"
        }
        _ => return Ok(()),
    };
    Err(TopicError::Name { name: name.to_owned(), why: why.to_owned() })
}

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    name: Str,
    id: Uuid,
    partitions: RwLock<Vec<Arc<Partition>>>,
    settings: RwLock<Settings>,
}

#[derive(Debug)]
struct Settings {
    overrides: Overrides,
    config: Arc<TopicConfig>,
}

impl Topic {
    pub(crate) fn new(
        name: Str,
        id: Uuid,
        partitions: Vec<Arc<Partition>>,
        overrides: Overrides,
        config: Arc<TopicConfig>,
    ) -> Self {
        let settings = RwLock::new(Settings { overrides, config });
        Self { name, id, partitions: RwLock::new(partitions), settings }
    }

    pub(crate) fn name(&self) -> &Str {
        &self.name
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// Whether it belongs to Kafka itself.
    pub(crate) fn is_internal(&self) -> bool {
        InternalTopic::named(&self.name).is_some()
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().clone()
    }

    pub(crate) fn partition_count(&self) -> usize {
        self.partitions.read().len()
    }

    /// Replicas that its partitions are said to have.
    pub(crate) fn replication_factor(&self) -> usize {
        self.partitions.read().first().map_or(0, |partition| partition.replicas().len())
    }

    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        self.partitions.read().get(usize::try_from(index).ok()?).cloned()
    }

    /// Appends partitions at the end.
    pub(crate) fn grow(&self, more: Vec<Arc<Partition>>) {
        self.partitions.write().extend(more);
    }

    /// What is in force.
    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.settings.read().config.clone()
    }

    /// What clients set.
    pub(crate) fn overrides(&self) -> Overrides {
        self.settings.read().overrides.clone()
    }

    /// Replaces what clients set and what follows from it.
    pub(crate) fn configure(&self, overrides: Overrides, config: Arc<TopicConfig>) {
        *self.settings.write() = Settings { overrides, config };
    }
}

#[derive(Debug, Default)]
struct Index {
    by_name: BTreeMap<Str, Arc<Topic>>,
    by_id: BTreeMap<Uuid, Arc<Topic>>,
}

/// All topics.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    index: RwLock<Index>,
}

impl Topics {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.index.read().by_name.get(name.as_bytes()).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.index.read().by_id.get(&id).cloned()
    }

    /// In the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.index.read().by_name.values().cloned().collect()
    }

    pub(crate) fn partition_count(&self) -> usize {
        self.index.read().by_name.values().map(|topic| topic.partition_count()).sum()
    }

    /// Why a new topic cannot have this name, if it cannot: it is taken, or differs from one only in `.` and `_`, which
    /// would be one in the names of metrics.
    pub(crate) fn collision(&self, name: &str) -> Option<TopicError> {
        let index = self.index.read();
        if index.by_name.contains_key(name.as_bytes()) {
            return Some(TopicError::Exists(name.to_owned()));
        }
        let plain = |name: &str| name.replace('.', "_");
        let wanted = name.contains(['.', '_']).then(|| plain(name))?;
        let similar = index.by_name.keys().find(|other| plain(other) == wanted)?;
        let why = format!("it differs from {} only in '.' and '_'", similar.as_str());
        Some(TopicError::Name { name: name.to_owned(), why })
    }

    /// Adds a topic, in place of one of the same name.
    pub(crate) fn insert(&self, topic: Arc<Topic>) {
        let mut index = self.index.write();
        index.by_id.insert(topic.id, topic.clone());
        index.by_name.insert(topic.name.detach(), topic);
    }

    pub(crate) fn remove(&self, name: &str) -> Option<Arc<Topic>> {
        let mut index = self.index.write();
        let topic = index.by_name.remove(name.as_bytes())?;
        index.by_id.remove(&topic.id);
        Some(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_are_those_kafka_allows() {
        let long = "a".repeat(249);
        for good in ["orders", "a.b_c-D9", long.as_str()] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let longer = "a".repeat(250);
        for bad in ["", ".", "..", "a b", "a/b", "ä", longer.as_str()] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
