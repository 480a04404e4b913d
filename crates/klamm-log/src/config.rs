//! What can be chosen for a log.

use klamm_protocol::record_batch::RecordBatch;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// When an append counts as safe, and so what a crash can take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// In the memory of the process. The end of the process loses everything.
    Memory,
    /// In the memory of the operating system, which writes it out when it likes; Kafka's own default. The end of the
    /// process loses nothing; a power loss may lose what was not written out yet.
    #[default]
    Os,
    /// As `Os`, and on the disk after this long at the latest. A power loss takes at most what came since.
    Interval(Duration),
    /// On the disk before it is acknowledged, and not shown to any reader before. A power loss takes nothing that was
    /// acknowledged or read.
    Always,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Os => f.write_str("os"),
            Self::Interval(interval) => write!(f, "interval={}", interval.as_millis()),
            Self::Always => f.write_str("always"),
        }
    }
}

/// A text that names no durability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no durability; choose memory, os, interval=MILLISECONDS or always")]
pub struct UnknownDurability(String);

impl FromStr for Durability {
    type Err = UnknownDurability;

    fn from_str(text: &str) -> Result<Self, UnknownDurability> {
        let unknown = || UnknownDurability(text.to_owned());
        match text {
            "memory" => Ok(Self::Memory),
            "os" => Ok(Self::Os),
            "always" => Ok(Self::Always),
            _ => {
                let ms = text.strip_prefix("interval=").and_then(|ms| ms.parse().ok());
                let ms = ms.filter(|&ms: &u64| ms > 0).ok_or_else(unknown)?;
                Ok(Self::Interval(Duration::from_millis(ms)))
            }
        }
    }
}

/// How a log is cut into segments and cleaned; the names and defaults are those of Kafka's topics.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogConfig {
    /// A segment ends before it would grow over this many bytes. Default 1 GiB.
    pub segment_bytes: u64,
    /// A segment ends when its first record is this old, in ms. Default 7 days.
    pub segment_ms: i64,
    /// Bytes between two entries of the index. Default 4,096.
    pub index_interval_bytes: u64,
    /// Segments whose newest record is older go, in ms; `None` keeps them. Default 7 days.
    pub retention_ms: Option<i64>,
    /// Oldest segments go while the rest has at least this many bytes; `None` keeps them. The default.
    pub retention_bytes: Option<u64>,
    /// Whether retention applies. Default true.
    pub delete: bool,
    /// Whether old values of a key go. Default false.
    pub compact: bool,
    /// How long tombstones stay after compaction met them first, in ms. Default 1 day.
    pub delete_retention_ms: i64,
    /// How long a record is left alone by compaction, in ms. Default 0.
    pub min_compaction_lag_ms: i64,
    /// The share of bytes not yet compacted that makes compaction worth it. Default 0.5.
    pub min_cleanable_dirty_ratio: f64,
    /// How long an idle producer is remembered, in ms. Default 1 day.
    pub producer_id_expiration_ms: i64,
    /// Whether new files' names are synced at once, as `Durability::Always` needs. Default false.
    pub sync_names: bool,
    /// Whether segments are files of zeros, as long as they may grow, before anything is written to them, so that a sync need
    /// not save a file's length and place. The owner has them made: [`Log::begin_spare`](crate::Log::begin_spare). Default
    /// false.
    pub preallocate: bool,
    /// How batches tell what was on the disk before them, if they do. Default: they do not.
    pub promise: Promise,
    /// Extensions of files that the owner keeps beside segments; they go when the segment goes, or changes. Default: none.
    pub companions: &'static [&'static str],
}

/// Reads from a batch the offset before which everything was on the disk when it was written.
///
/// With `sync_names`, what reads as never written is cut off when a log is opened, with everything behind it. A batch behind
/// it that promises otherwise makes it the disk's damage, which is set aside alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Promise(pub Option<fn(&RecordBatch) -> i64>);

impl PartialEq for Promise {
    /// A reader of promises is part of a program, not of its settings.
    fn eq(&self, other: &Self) -> bool {
        self.0.is_some() == other.0.is_some()
    }
}

impl Promise {
    /// Whether this batch promises a record at `offset`.
    pub(crate) fn covers(self, batch: &RecordBatch, offset: i64) -> bool {
        self.0.is_some_and(|promise| promise(batch) > offset)
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        const DAY_MS: i64 = 86_400_000;
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            index_interval_bytes: 4096,
            retention_ms: Some(7 * DAY_MS),
            retention_bytes: None,
            delete: true,
            compact: false,
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            min_cleanable_dirty_ratio: 0.5,
            producer_id_expiration_ms: DAY_MS,
            sync_names: false,
            preallocate: false,
            promise: Promise::default(),
            companions: &[],
        }
    }
}
