//! What the fetcher needs of the settings.

use super::super::fetch::{DecodeSettings, PlanSettings, PositionSettings, ResetTarget};
use crate::config::{AutoOffsetReset, ClientConfig, ConsumerConfig, IsolationLevel};
use std::time::Duration;

/// What the fetcher needs of the settings.
#[derive(Debug)]
pub(super) struct FetchSettings {
    pub(super) positions: PositionSettings,
    pub(super) plan: PlanSettings,
    pub(super) decode: DecodeSettings,
    pub(super) max_wait: Duration,
    pub(super) min_bytes: i32,
    pub(super) read_committed: bool,
    pub(super) rack: String,
}

impl FetchSettings {
    pub(super) fn new(config: &ConsumerConfig, client: &ClientConfig) -> Self {
        let read_committed = config.isolation_level == IsolationLevel::ReadCommitted;
        let reset = match config.auto_offset_reset {
            AutoOffsetReset::Earliest => Some(ResetTarget::Earliest),
            AutoOffsetReset::Latest => Some(ResetTarget::Latest),
            AutoOffsetReset::ByDuration(age) => Some(ResetTarget::Ago(age)),
            AutoOffsetReset::None => None,
        };
        let positions = PositionSettings {
            reset,
            read_committed,
            retry_backoff: client.retry_backoff,
            replica_lease: client.metadata_max_age,
            stall_timeout: config.fetch_stall_timeout,
        };
        let plan = PlanSettings {
            max_bytes: config.fetch_max_bytes,
            partition_max_bytes: config.max_partition_fetch_bytes,
        };
        let decode = DecodeSettings {
            check_crcs: config.check_crcs,
            read_committed,
            max_records: config.max_poll_records,
            decompressed_max_bytes: config.fetch_decompressed_max_bytes,
        };
        Self {
            positions,
            plan,
            decode,
            max_wait: config.fetch_max_wait,
            min_bytes: config.fetch_min_bytes,
            read_committed,
            rack: config.client_rack.clone().unwrap_or_default(),
        }
    }
}
