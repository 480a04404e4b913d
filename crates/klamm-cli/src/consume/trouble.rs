//! What an error of reading means for the command.

use crate::failure::{DATA, FAILED, Failure, TOPIC, UNAUTHORIZED, UNREACHABLE, status_of};
use klamm::consumer::{DataRange, FetchDataError};
use klamm::{ConsumeError, ErrorKind, TopicPartition};
use std::fmt::Display;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The consumer goes on trying.
    Wait(String),
    /// This cannot be read; go on behind it.
    Skip {
        partition: TopicPartition,
        to: i64,
        why: String,
    },
    /// The log does not have this offset any more.
    Gone {
        partition: TopicPartition,
        position: i64,
    },
    /// The log was cut below what was read; it goes on from here.
    Cut {
        partition: TopicPartition,
        to: i64,
        why: String,
    },
    /// The group has committed nothing of it.
    Begin(TopicPartition),
    Fail(Failure),
}

/// Judges an error; `skip_corrupt` allows to leave out what is damaged.
pub(super) fn judge(error: &ConsumeError, skip_corrupt: bool) -> Verdict {
    let why = error.to_string();
    match error {
        ConsumeError::Data(error) => judge_data(error, skip_corrupt),
        ConsumeError::OffsetOutOfRange { partition, position } => {
            Verdict::Gone { partition: partition.clone(), position: *position }
        }
        ConsumeError::LogTruncated { partition, diverging_offset, .. } => {
            Verdict::Cut { partition: partition.clone(), to: *diverging_offset, why }
        }
        ConsumeError::NoOffset { partition } => Verdict::Begin(partition.clone()),
        ConsumeError::Group(error) if error.kind() == ErrorKind::Retriable => Verdict::Wait(why),
        ConsumeError::UnknownPartition { .. } => Verdict::Fail(Failure::new(TOPIC, why)),
        error if error.kind() == ErrorKind::Unauthorized => {
            Verdict::Fail(Failure::new(UNAUTHORIZED, why))
        }
        ConsumeError::Stalled { .. }
        | ConsumeError::Connect(_)
        | ConsumeError::Refused { stopped: false, .. } => Verdict::Wait(why),
        error => match status_of(error.kind()) {
            UNREACHABLE => Verdict::Fail(Failure::new(FAILED, why)),
            status => Verdict::Fail(Failure::new(status, why)),
        },
    }
}

fn judge_data(error: &FetchDataError, skip_corrupt: bool) -> Verdict {
    match error {
        FetchDataError::Corrupt { at, cause } => damaged(at, cause, skip_corrupt),
        FetchDataError::Unsupported { at, cause } => damaged(at, cause, skip_corrupt),
        FetchDataError::DecompressedTooLarge { at, cap } => {
            let why = format!("more than {cap} bytes (fetch.decompressed.max.bytes)");
            damaged(at, &why, skip_corrupt)
        }
        FetchDataError::RecordTooLarge { needed, .. } => {
            let hint = format!(
                "{error}\n  -X max.partition.fetch.bytes={needed} -X fetch.max.bytes={needed} reads it"
            );
            Verdict::Fail(Failure::new(DATA, hint))
        }
        error => Verdict::Fail(Failure::new(DATA, error.to_string())),
    }
}

fn damaged(at: &DataRange, cause: &dyn Display, skip: bool) -> Verdict {
    let why = format!("{at} cannot be read: {cause}");
    if skip {
        let partition = TopicPartition::new(at.topic.clone(), at.partition);
        return Verdict::Skip { partition, to: at.next_offset, why };
    }
    let hint = format!("{why}\n  --skip-corrupt goes on behind it, at offset {}", at.next_offset);
    Verdict::Fail(Failure::new(DATA, hint))
}
