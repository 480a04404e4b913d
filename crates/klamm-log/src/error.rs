//! What can go wrong with a log.

use crate::producers::SequenceError;
use std::io;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The storage refuses.
    #[error("log {dir}: {source}")]
    Storage {
        /// The log's directory.
        dir: String,
        /// The storage's reason.
        source: io::Error,
    },
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The batch does not follow from what its producer wrote before.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The bytes are no batches.
    #[error("not a record batch: {0}")]
    Malformed(String),
    /// The storage refuses; nothing of the batch is there, and a later one may succeed.
    #[error("cannot write: {0}")]
    Storage(io::Error),
    /// An earlier failure left it open what the disk holds; nothing is written until the log is opened again.
    #[error("writing has stopped after an earlier failure: {0}")]
    Poisoned(String),
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such offset, or not any more.
    #[error("offset {offset} is not between {start} and {end}")]
    OutOfRange {
        /// What was asked for.
        offset: i64,
        /// The first there is.
        start: i64,
        /// The one the next record will get.
        end: i64,
    },
    /// The storage refuses.
    #[error("cannot read: {0}")]
    Storage(#[from] io::Error),
    /// What is stored is no sound batch.
    #[error("damaged: {0}")]
    Damaged(String),
}
