//! What can go wrong between the call and the acknowledgement, and who must act.

use crate::error::ErrorKind;
use crate::record::Record;
use klamm_protocol::error_code::ErrorCode;
use std::{fmt, sync::Arc, time::Duration};
use thiserror::Error;

/// Why a record that was accepted has no acknowledgement.
///
/// The two cases ask for different action: a record that was *not delivered* can be sent again
/// without a duplicate, one whose outcome is *unknown* may be in the log.
#[derive(Debug, Clone, Error)]
pub enum DeliveryError {
    /// The record is not in the log, and klamm will not try again.
    #[error("not delivered to {0}")]
    NotDelivered(Arc<Failure>),
    /// The record may or may not be in the log: it was sent, and the answer never came or did not say.
    #[error("outcome unknown: may have been delivered to {0}")]
    Unknown(Arc<Failure>),
}

impl DeliveryError {
    /// What happened.
    pub fn failure(&self) -> &Failure {
        match self {
            DeliveryError::NotDelivered(failure) | DeliveryError::Unknown(failure) => failure,
        }
    }

    /// Whether the record is certainly not in the log.
    pub fn is_not_delivered(&self) -> bool {
        matches!(self, DeliveryError::NotDelivered(_))
    }

    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.failure().cause.kind()
    }
}

/// A failed batch: where it was going and what stopped it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) records: usize,
    pub(crate) cause: Cause,
}

impl Failure {
    /// Topic the record was for.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Partition the record was for.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Records in the batch: all of them share this failure, whichever of them the broker meant.
    pub fn records(&self) -> usize {
        self.records
    }

    /// What stopped it.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}: {}", self.topic, self.partition, self.cause)
    }
}

/// What stopped a batch.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Cause {
    /// The broker answered with an error.
    #[error("broker {node} answered {code}{}", message.as_deref().map(|m| format!(" ({m})")).unwrap_or_default())]
    Broker {
        /// The broker that answered.
        node: i32,
        /// Its answer.
        code: ErrorCode,
        /// Its own words, when it had any.
        message: Option<Arc<str>>,
    },
    /// The connection failed, or the request got no answer in time.
    #[error("broker {node}: {reason}")]
    Connection {
        /// The broker that was asked.
        node: i32,
        /// What became of the request.
        reason: Arc<str>,
    },
    /// `delivery.timeout.ms` passed; the cause of the last failed try, if there was one, follows.
    #[error("no acknowledgement within delivery.timeout.ms = {}{}", timeout.as_millis(), last.as_ref().map(|l| format!("; last try: {l}")).unwrap_or_default())]
    Timeout {
        /// The limit.
        timeout: Duration,
        /// The last failed try.
        last: Option<Arc<Cause>>,
    },
    /// The cluster refused to give out a producer id, so nothing can be sent idempotently.
    #[error("no producer id: {0}")]
    ProducerId(ErrorCode),
    /// The batch could not be compressed.
    #[error("compression failed: {0}")]
    Compression(Arc<str>),
    /// A record before it in its partition has no acknowledgement, and the producer is gapless.
    #[error("a record before it in the partition was not acknowledged")]
    Behind,
    /// The producer was closed or dropped first.
    #[error("the producer was closed before an acknowledgement")]
    Closed,
}

impl Cause {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Cause::Broker { code, .. } | Cause::ProducerId(code) => kind_of(*code),
            Cause::Connection { .. } | Cause::Timeout { .. } | Cause::Behind => {
                ErrorKind::Retriable
            }
            Cause::Compression(_) => ErrorKind::Fatal,
            Cause::Closed => ErrorKind::Closed,
        }
    }
}

fn kind_of(code: ErrorCode) -> ErrorKind {
    match code {
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::PRODUCER_FENCED => ErrorKind::Fenced,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => ErrorKind::Unauthorized,
        ErrorCode::MESSAGE_TOO_LARGE
        | ErrorCode::RECORD_LIST_TOO_LARGE
        | ErrorCode::INVALID_RECORD
        | ErrorCode::INVALID_TIMESTAMP
        | ErrorCode::INVALID_REQUIRED_ACKS
        | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
        | ErrorCode::POLICY_VIOLATION => ErrorKind::Misuse,
        code if code.is_retriable() => ErrorKind::Retriable,
        _ => ErrorKind::Fatal,
    }
}

/// Why a record was not accepted at all; nothing was sent.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The topic is not known: it does not exist, or the cluster could not be asked.
    #[error(transparent)]
    Topic(#[from] crate::metadata::MetadataError),
    /// The topic has no such partition.
    #[error("topic {topic} has no partition {partition}: its partitions are 0 to {}", count - 1)]
    Partition {
        /// Topic of the record.
        topic: Arc<str>,
        /// Partition asked for.
        partition: i32,
        /// Partitions the topic has.
        count: i32,
    },
    /// The record alone is larger than a request or the whole buffer may be.
    #[error(
        "a record of {size} bytes is over {limit_name} = {limit}; raise it here, and max.message.bytes of the topic"
    )]
    RecordTooLarge {
        /// Bytes of key, value and headers.
        size: usize,
        /// The limit in bytes.
        limit: usize,
        /// The setting that holds the limit.
        limit_name: &'static str,
    },
    /// `buffer.memory` is in use and stayed so: for `max.block.ms`, or at all for `try_enqueue`.
    #[error("buffer.memory is full: records arrive faster than the brokers acknowledge them")]
    Full,
    /// `try_enqueue` was called for a topic whose metadata is still being fetched.
    #[error("metadata of the topic is still being fetched")]
    MetadataPending,
    /// The producer is closed.
    #[error("the producer is closed")]
    Closed,
}

impl EnqueueError {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            EnqueueError::Topic(e) => e.kind(),
            EnqueueError::Partition { .. } | EnqueueError::RecordTooLarge { .. } => {
                ErrorKind::Misuse
            }
            EnqueueError::Full | EnqueueError::MetadataPending => ErrorKind::Retriable,
            EnqueueError::Closed => ErrorKind::Closed,
        }
    }
}

/// A record that [`Producer::try_enqueue`](super::Producer::try_enqueue) refused, and why.
#[derive(Debug, Error)]
#[error("{reason}")]
pub struct TryEnqueueError<'a> {
    pub(crate) reason: EnqueueError,
    pub(crate) record: Box<Record<'a>>,
}

impl<'a> TryEnqueueError<'a> {
    /// Whether the same call may be accepted once something was acknowledged.
    pub fn is_full(&self) -> bool {
        matches!(self.reason, EnqueueError::Full)
    }

    /// Why it was refused.
    pub fn reason(&self) -> &EnqueueError {
        &self.reason
    }

    /// The record, untouched.
    pub fn into_record(self) -> Record<'a> {
        *self.record
    }
}

/// Why [`Producer::send`](super::Producer::send) did not end in an acknowledgement.
#[derive(Debug, Clone, Error)]
pub enum SendError {
    /// The record was never accepted.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The record was accepted and has no acknowledgement.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}

impl SendError {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SendError::Enqueue(e) => e.kind(),
            SendError::Delivery(e) => e.kind(),
        }
    }
}
