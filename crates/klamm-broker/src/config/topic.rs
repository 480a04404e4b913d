//! Settings of one topic.

use super::BrokerConfig;

/// Which time a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TimestampType {
    /// What the producer wrote.
    #[default]
    CreateTime,
    /// When the broker appended it.
    LogAppendTime,
}

/// What is in force for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    /// `max.message.bytes`.
    pub(crate) max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub(crate) timestamp_type: TimestampType,
    /// `message.timestamp.after.max.ms`: how far ahead of the broker a timestamp may be.
    pub(crate) timestamp_after_max_ms: i64,
    /// `cleanup.policy` has `compact`.
    pub(crate) compact: bool,
    /// `cleanup.policy` has `delete`.
    pub(crate) delete: bool,
}

impl TopicConfig {
    /// What a topic has that sets nothing itself.
    pub(crate) fn inherited(broker: &BrokerConfig) -> Self {
        Self {
            max_message_bytes: usize::try_from(broker.message_max_bytes).unwrap_or_default(),
            timestamp_type: TimestampType::CreateTime,
            timestamp_after_max_ms: 3_600_000,
            compact: false,
            delete: true,
        }
    }
}
