//! What reading can come to, other than records.

use super::TopicPartition;
use super::fetch::{FetchDataError, PositionEvent, StallCause};
pub use super::group::machine::GroupError;
use crate::connection::ConnectError;
use crate::error::ErrorKind;
use crate::metadata::MetadataError;
use klamm_protocol::error_code::ErrorCode;
use std::sync::Arc;
use thiserror::Error;

/// What the application has to know of reading.
///
/// An error of a partition is told once and concerns no other partition. Unless it says that the
/// partition stopped, klamm goes on trying.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The data cannot be read; the partition stopped, and a seek or `skip_to` moves it.
    #[error(transparent)]
    Data(#[from] FetchDataError),
    /// The position is not in the log and `auto.offset.reset` is none; the partition stopped.
    #[error("{partition}: offset {position} is not in the log; seek moves the partition")]
    OffsetOutOfRange {
        /// Which partition.
        partition: TopicPartition,
        /// Where it was to be read.
        position: i64,
    },
    /// Nothing says where to begin and `auto.offset.reset` is none; the partition stopped.
    #[error("{partition}: no committed offset; seek moves the partition")]
    NoOffset {
        /// Which partition.
        partition: TopicPartition,
    },
    /// Records that were read are gone: an unclean election has cut the log (KIP-320). Reading goes on
    /// from the divergence if there is a reset policy; else the partition stopped.
    #[error("{partition}: the log was cut at {diverging_offset}, below the position {position}")]
    LogTruncated {
        /// Which partition.
        partition: TopicPartition,
        /// Where the application had come to.
        position: i64,
        /// From here on the log is another one.
        diverging_offset: i64,
    },
    /// The broker refuses.
    #[error("{partition}: {code}{}", if *stopped { "; the partition stopped" } else { "" })]
    Refused {
        /// Which partition.
        partition: TopicPartition,
        /// The broker's answer.
        code: ErrorCode,
        /// Whether it is not tried again before the partition is moved.
        stopped: bool,
    },
    /// Nothing came for longer than `fetch.stall.timeout.ms` although something should; it is tried on.
    #[error("{partition} has stalled: {cause}")]
    Stalled {
        /// Which partition.
        partition: TopicPartition,
        /// What seems to be in the way.
        cause: StallCause,
    },
    /// The topic does not exist, or has no such partition; it is asked for again every few seconds.
    #[error("{partition} does not exist")]
    UnknownPartition {
        /// Which partition.
        partition: TopicPartition,
    },
    /// `run` reads this consumer; nothing can be polled meanwhile.
    #[error("the consumer is being read by run()")]
    InRun,
    /// The consumer has ended without being closed: its thread has, or it met a defect of klamm.
    #[error("the consumer has ended; the log says why")]
    Ended,
    /// The consumer is out of its group until it subscribes again.
    #[error("out of the group: {0}")]
    Group(#[from] GroupError),
    /// A broker cannot be used, and trying again will not help by itself; it is tried on.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl ConsumeError {
    pub(super) fn of(partition: TopicPartition, event: PositionEvent) -> Self {
        match event {
            PositionEvent::LogTruncated { position, diverging_offset } => {
                ConsumeError::LogTruncated { partition, position, diverging_offset }
            }
            PositionEvent::OffsetOutOfRange { position } => {
                ConsumeError::OffsetOutOfRange { partition, position }
            }
            PositionEvent::NoOffset => ConsumeError::NoOffset { partition },
            PositionEvent::Refused { error, stopped } => {
                ConsumeError::Refused { partition, code: error, stopped }
            }
            PositionEvent::Stalled { cause } => ConsumeError::Stalled { partition, cause },
        }
    }

    /// What to branch on. [`ErrorKind::Retriable`] is being tried on; all else needs somebody.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ConsumeError::Stalled { .. } => ErrorKind::Retriable,
            ConsumeError::UnknownPartition { .. } | ConsumeError::InRun => ErrorKind::Misuse,
            ConsumeError::Ended => ErrorKind::Closed,
            ConsumeError::Connect(error) => error.kind(),
            ConsumeError::Group(error) => error.kind(),
            ConsumeError::Refused { code, .. } => kind_of(*code),
            ConsumeError::Data(_)
            | ConsumeError::OffsetOutOfRange { .. }
            | ConsumeError::NoOffset { .. }
            | ConsumeError::LogTruncated { .. } => ErrorKind::Fatal,
        }
    }

    /// The partition it is about; `None` if it is about all.
    pub fn partition(&self) -> Option<TopicPartition> {
        match self {
            ConsumeError::Data(error) => {
                let (topic, partition) = error.place();
                Some(TopicPartition { topic: Arc::clone(topic), partition })
            }
            ConsumeError::OffsetOutOfRange { partition, .. }
            | ConsumeError::NoOffset { partition }
            | ConsumeError::LogTruncated { partition, .. }
            | ConsumeError::Refused { partition, .. }
            | ConsumeError::UnknownPartition { partition }
            | ConsumeError::Stalled { partition, .. } => Some(partition.clone()),
            ConsumeError::Connect(_)
            | ConsumeError::Group(_)
            | ConsumeError::InRun
            | ConsumeError::Ended => None,
        }
    }

    /// Whether it may be dropped when too many wait to be taken: it will be told again.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            ConsumeError::Stalled { .. }
                | ConsumeError::Connect(_)
                | ConsumeError::Refused { stopped: false, .. }
        )
    }
}

impl GroupError {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            GroupError::Refused {
                code: ErrorCode::FENCED_INSTANCE_ID | ErrorCode::UNRELEASED_INSTANCE_ID,
                ..
            } => ErrorKind::Fenced,
            GroupError::Refused { code, .. } => kind_of(*code),
            GroupError::UnknownAssignor(_) => ErrorKind::Misuse,
            GroupError::BadAssignment(_) => ErrorKind::Fatal,
        }
    }

    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            GroupError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

fn kind_of(code: ErrorCode) -> ErrorKind {
    match code {
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::GROUP_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => ErrorKind::Unauthorized,
        ErrorCode::INVALID_TOPIC_EXCEPTION => ErrorKind::Misuse,
        code if code.is_retriable() => ErrorKind::Retriable,
        _ => ErrorKind::Fatal,
    }
}

/// Why a partition was not moved or paused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PositionError {
    /// It is not assigned to this consumer.
    #[error("{0} is not assigned to this consumer")]
    NotAssigned(TopicPartition),
    /// Offsets count from 0.
    #[error("{partition}: {offset} is no offset")]
    NoSuchOffset {
        /// Which partition.
        partition: TopicPartition,
        /// What was given.
        offset: i64,
    },
    /// It is not ahead of the position.
    #[error("{partition}: offset {offset} is not ahead of its position")]
    NotAhead {
        /// Which partition.
        partition: TopicPartition,
        /// What was given.
        offset: i64,
    },
}

impl PositionError {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Misuse
    }
}

/// Why offsets could not be looked up.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum OffsetsError {
    /// The topic is not known.
    #[error(transparent)]
    Topic(#[from] MetadataError),
    /// The broker refuses, or goes on being the wrong one.
    #[error("{partition}: {code}")]
    Broker {
        /// Which partition.
        partition: TopicPartition,
        /// Its last answer.
        code: ErrorCode,
    },
    /// No broker could be asked, or none answered in time.
    #[error("{partition}: {reason}")]
    Request {
        /// Which partition.
        partition: TopicPartition,
        /// What happened last.
        reason: Arc<str>,
    },
    /// There is no `group.id` whose offsets could be looked up.
    #[error("there is no group.id whose offsets could be looked up")]
    NoGroup,
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

impl OffsetsError {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            OffsetsError::Topic(error) => error.kind(),
            OffsetsError::Broker { code, .. } => kind_of(*code),
            OffsetsError::Request { .. } => ErrorKind::Retriable,
            OffsetsError::NoGroup => ErrorKind::Misuse,
            OffsetsError::Closed => ErrorKind::Closed,
        }
    }
}
