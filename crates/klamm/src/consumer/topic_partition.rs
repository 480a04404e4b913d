//! Pure: the name of a partition.

use std::fmt;
use std::sync::Arc;

/// A partition of a topic; shown as `topic-0`, ordered by topic and then by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The number of the partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::TopicPartition;

    #[test]
    fn partitions_are_shown_and_ordered_as_kafka_does() {
        assert_eq!(TopicPartition::new("orders", 3).to_string(), "orders-3");
        assert!(TopicPartition::new("a", 10) < TopicPartition::new("b", 2));
        assert!(TopicPartition::new("a", 2) < TopicPartition::new("a", 10));
    }
}
