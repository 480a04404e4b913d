//! Pure: why a topic cannot be read, or no further.

use thiserror::Error;

/// Why a topic cannot be read, or no further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotRead {
    /// As many read as there may be.
    #[error("{0} readers are there already, which is as many as there may be")]
    Full(usize),
    /// Kafka cannot be asked now.
    #[error("Kafka cannot be read now: {0}")]
    Away(String),
    /// There is none of this name.
    #[error("there is no topic of this name")]
    NoTopic,
    /// The topic is not that large.
    #[error("the topic has no partition {0}")]
    NoPartition(i32),
    /// More than a cursor can name.
    #[error("the topic has more partitions than can be read at once: choose some with ?partition=")]
    TooMany,
    /// The cursor says nothing of a partition that was asked for.
    #[error("the cursor says nothing of partition {0}")]
    NotInCursor(i32),
    /// Not for the gateway's eyes, or anybody's.
    #[error("{0}")]
    Forbidden(&'static str),
    /// What was to be read first is gone, or never was.
    #[error(
        "partition {partition}: what comes at offset {offset} is not in Kafka any more; the first records that are there come at the cursor \"earliest\""
    )]
    Gone {
        /// Where.
        partition: i32,
        /// What was asked for.
        offset: i64,
        /// A cursor at the first records that there are.
        earliest: String,
    },
    /// The records are there and cannot be read.
    #[error("{0}")]
    Data(String),
}
