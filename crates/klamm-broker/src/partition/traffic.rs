//! What has gone into and out of a partition since the broker started, and how it stands.

use super::Partition;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one partition; they begin at 0 with the broker.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    records_in: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Traffic {
    pub(super) fn wrote(&self, records: u64, bytes: usize) {
        self.records_in.fetch_add(records, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of batches have gone to a reader.
    pub(super) fn read(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// How a partition stands at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) start_offset: i64,
    pub(crate) end_offset: i64,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) bytes: u64,
    pub(crate) segments: usize,
    /// Nothing is written any more, because the disk failed.
    pub(crate) failed: bool,
    pub(crate) leader: i32,
    pub(crate) records_in: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Partition {
    pub(crate) fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let state = self.state.lock();
        Figures {
            start_offset: state.log.start_offset(),
            end_offset: state.log.end_offset(),
            high_watermark: state.high_watermark,
            last_stable_offset: state.last_stable_offset(),
            bytes: state.log.size_bytes(),
            segments: state.log.segment_count(),
            failed: state.log.poisoned().is_some(),
            leader: state.leader,
            records_in: read(&self.traffic.records_in),
            bytes_in: read(&self.traffic.bytes_in),
            bytes_out: read(&self.traffic.bytes_out),
        }
    }
}
