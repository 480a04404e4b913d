//! What can be chosen for the log, and what it says no with.

use super::seen::Seen;
use std::time::Duration;

/// Bounds of a log.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WalConfig {
    /// Bytes that may wait for Kafka; beyond 90 % of it records are refused. Default 1 GiB.
    ///
    /// The disk takes this much and up to three segments more, one of them ahead of its use.
    pub max_bytes: u64,
    /// The share of `max_bytes` that one topic may take while another one has records in the log, too. Default 0.5.
    ///
    /// A topic that is alone may fill the log; one that begins after that waits for room.
    pub topic_share: f64,
    /// Records are refused while one waits for longer than this; `None`, the default, takes them.
    pub max_age: Option<Duration>,
    /// Bytes of a segment. Default 64 MiB, and at most an eighth of `max_bytes`.
    pub segment_bytes: u64,
    /// Bytes that may wait in memory to be written. Default 64 MiB.
    pub queue_bytes: usize,
    /// Bytes of one append. Default 16 MiB.
    pub max_append_bytes: usize,
    /// Bytes of what was written last that are kept in memory for the reader. Default 16 MiB.
    pub recent_bytes: usize,
    /// How many idempotency hashes are remembered. Default 1,000,000.
    pub seen_max: usize,
    /// How long they are remembered. Default one day.
    pub seen_ttl: Duration,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            topic_share: 0.5,
            max_age: None,
            segment_bytes: 64 << 20,
            queue_bytes: 64 << 20,
            max_append_bytes: 16 << 20,
            recent_bytes: 16 << 20,
            seen_max: 1_000_000,
            seen_ttl: Duration::from_secs(86_400),
        }
    }
}

/// The sequences of the records of an append: `first` and those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Sequence of the first.
    pub first: u64,
    /// How many.
    pub count: u32,
}

/// Why records were not taken; none of them was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendRefused {
    /// There is no room, in the log, in its queue or on its disk.
    #[error("the log is full; try again in {} s", retry_after.as_secs())]
    Full {
        /// When there should be room again, by what Kafka took lately: 1 to 60 s.
        retry_after: Duration,
    },
    /// One topic has its share of the log.
    #[error("topic {topic} has its share of the log; try again in {} s", retry_after.as_secs())]
    TopicShare {
        /// Which.
        topic: String,
        /// As for `Full`.
        retry_after: Duration,
    },
    /// More than one append may have; it never fits.
    #[error("{bytes} bytes at a time; {max} are allowed")]
    TooLarge {
        /// Bytes, as they would be written.
        bytes: usize,
        /// [`WalConfig::max_append_bytes`].
        max: usize,
    },
    /// One of the records names a request that was taken before, or is being taken.
    #[error("taken before")]
    Seen(Seen),
    /// The disk failed, and nothing is taken any more until the log is opened again. Whether these records are in it is open.
    #[error("the log's disk failed: {0}")]
    Failed(String),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalOpenError {
    /// Its segments.
    #[error(transparent)]
    Log(#[from] klamm_log::LogError),
    /// Its other files, or its threads.
    #[error("write-ahead log: {0}")]
    Io(#[from] std::io::Error),
    /// A segment cannot be read.
    #[error("write-ahead log: {0}")]
    Read(#[from] klamm_log::ReadError),
    /// The system has no random numbers for the log's name.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// What opening a log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// Records that wait for Kafka.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The sequence below which everything is in Kafka.
    pub released: u64,
    /// The sequence of the next record.
    pub next: u64,
    /// Sequences that had been promised, were not in Kafka yet, and cannot be read any more.
    pub lost: u64,
    /// Files beside the segments with what is damaged.
    pub quarantined: Vec<String>,
    /// Bytes cut off at the end: an append that was interrupted before anybody was told.
    pub cut_bytes: u64,
    /// The cursor was missing or damaged, so that everything in the log goes to Kafka once more; or the log ended before it.
    /// The log has a new instance id then.
    pub cursor_lost: bool,
}
