//! Pure: settings of the group coordinator.

use super::assignor::Assignor;

/// Settings of the coordinator; the fields are Kafka's, times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupConfig {
    /// `group.min.session.timeout.ms`. Default 6,000.
    pub(crate) min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`. Default 1,800,000.
    pub(crate) max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long the first members of a group wait for more. Default 0 (Kafka:
    /// 3,000).
    pub(crate) initial_rebalance_delay_ms: i32,
    /// `group.max.size`: members of one group. Default 10,000 (Kafka: no limit).
    pub(crate) max_group_size: usize,
    /// Groups at a time. Default 100,000 (Kafka: no limit).
    pub(crate) max_groups: usize,
    /// `offsets.retention.minutes`, in ms: how long the offsets of a group without members are kept. Default 7 days.
    pub(crate) offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`. Default 600,000.
    pub(crate) offsets_check_interval_ms: i64,
    /// `offset.metadata.max.bytes`. Default 4,096.
    pub(crate) offset_metadata_max_bytes: usize,
    /// `group.consumer.heartbeat.interval.ms`. Default 5,000.
    pub(crate) consumer_heartbeat_interval_ms: i32,
    /// `group.consumer.session.timeout.ms`. Default 45,000.
    pub(crate) consumer_session_timeout_ms: i32,
    /// `group.consumer.max.size`: members of one group of KIP-848. Default no limit but the number of members there can be.
    pub(crate) consumer_max_size: usize,
    /// `group.consumer.assignors`: those that members may ask for; the first is for members that ask for none.
    pub(crate) consumer_assignors: Vec<Assignor>,
    /// `group.share.session.timeout.ms`: for members of a share group when the broker has just started. Default 45,000.
    pub(crate) share_session_timeout_ms: i32,
    /// `group.share.max.size`: members of one share group. Default 200.
    pub(crate) share_max_size: usize,
}

impl GroupConfig {
    /// The assignor of groups whose members ask for none.
    pub(super) fn default_assignor(&self) -> Assignor {
        self.consumer_assignors.first().copied().unwrap_or(Assignor::Uniform)
    }
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 0,
            max_group_size: 10_000,
            max_groups: 100_000,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            offsets_check_interval_ms: 600_000,
            offset_metadata_max_bytes: 4_096,
            consumer_heartbeat_interval_ms: 5_000,
            consumer_session_timeout_ms: 45_000,
            consumer_max_size: 10_000,
            consumer_assignors: vec![Assignor::Uniform, Assignor::Range],
            share_session_timeout_ms: 45_000,
            share_max_size: 200,
        }
    }
}
