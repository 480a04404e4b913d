//! How a run ends.

use crate::config::ConfigError;
use crate::consumer::{CommitError, ConsumeError, TopicPartition};
use crate::error::ErrorKind;
use std::collections::BTreeMap;
use std::error::Error;
use thiserror::Error;

/// Any error of a handler.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a run has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunSummary {
    /// Records, or batches, whose handler ended well.
    pub handled: u64,
    /// How often one was handed to its handler again.
    pub retried: u64,
    /// Those that were given up ([`OnError::Skip`](super::OnError::Skip)).
    pub skipped: u64,
    /// Handlers that were dropped at work because [`RunOptions::drain_timeout`](super::RunOptions::drain_timeout)
    /// had passed.
    pub abandoned: usize,
    /// Where the consumer goes on in each partition that is assigned: the first offset that is not done
    /// with.
    pub positions: BTreeMap<TopicPartition, i64>,
}

/// Why a run has ended before it was told to.
#[derive(Debug, Error)]
#[error("{cause}")]
pub struct RunError {
    pub(super) cause: RunFailure,
    pub(super) summary: Box<RunSummary>,
}

impl RunError {
    /// What went wrong.
    pub fn cause(&self) -> &RunFailure {
        &self.cause
    }

    /// What was done until then.
    pub fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match &self.cause {
            RunFailure::Options(_) | RunFailure::AlreadyRunning | RunFailure::NoRuntime => {
                ErrorKind::Misuse
            }
            RunFailure::Handler { .. } => ErrorKind::Fatal,
            RunFailure::Consume(error) => error.kind(),
            RunFailure::Commit(error) => error.kind(),
        }
    }
}

impl From<RunFailure> for RunError {
    fn from(cause: RunFailure) -> Self {
        Self { cause, summary: Box::default() }
    }
}

/// What ends a run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunFailure {
    /// Options that cannot be used.
    #[error(transparent)]
    Options(#[from] ConfigError),
    /// Another run reads this consumer.
    #[error("the consumer is being read by another run")]
    AlreadyRunning,
    /// Handlers are tasks of tokio.
    #[error("run() needs a tokio runtime")]
    NoRuntime,
    /// A handler failed for good.
    #[error("{partition}: offset {offset}: {error}")]
    Handler {
        /// Where the record was read.
        partition: TopicPartition,
        /// Its offset, or that of the first of its batch.
        offset: i64,
        /// What the handler said.
        error: HandlerError,
    },
    /// Reading a partition has come to a stop, or the consumer is out of its group.
    #[error(transparent)]
    Consume(ConsumeError),
    /// All went well but the last commit: what was done since the one before will be done again.
    #[error(transparent)]
    Commit(CommitError),
}

/// How a handler fails.
#[derive(Debug, Error)]
pub enum HandlerError {
    /// It returned this error.
    #[error(transparent)]
    Failed(BoxError),
    /// It panicked, with this message.
    #[error("the handler panicked: {0}")]
    Panicked(String),
}
