//! What can be set, for the broker and for a topic, under the names of Apache Kafka.

mod broker;
mod topic;

pub use self::broker::BrokerConfig;
pub(crate) use self::topic::{TimestampType, TopicConfig};
