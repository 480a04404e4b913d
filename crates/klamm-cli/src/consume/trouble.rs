//! What an error of reading means for the command.

use crate::failure::{DATA, FAILED, Failure, TOPIC, UNAUTHORIZED, UNREACHABLE, status_of};
use klamm::consumer::{DataRange, FetchDataError, StallCause};
use klamm::{ConsumeError, ErrorCode, ErrorKind, TopicPartition};
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
        ConsumeError::Stalled {
            cause:
                StallCause::Error(ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            ..
        } => Verdict::Fail(Failure::new(TOPIC, why)),
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

#[cfg(test)]
mod tests {
    use super::{StallCause, Verdict, judge};
    use klamm::{ConsumeError, ErrorCode, TopicPartition};

    #[test]
    fn errors_that_pass_are_waited_for_and_others_have_their_exit_status() {
        let partition = || TopicPartition::new("t", 0);
        let stalled = |cause| ConsumeError::Stalled { partition: partition(), cause };
        let refused =
            |code, stopped| ConsumeError::Refused { partition: partition(), code, stopped };
        let table = [
            (refused(ErrorCode::NOT_LEADER_OR_FOLLOWER, false), None),
            (refused(ErrorCode::NOT_LEADER_OR_FOLLOWER, true), Some(1)),
            (refused(ErrorCode::TOPIC_AUTHORIZATION_FAILED, false), Some(4)),
            (refused(ErrorCode::UNKNOWN_SERVER_ERROR, true), Some(1)),
            (stalled(StallCause::NoAnswer), None),
            (stalled(StallCause::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER)), None),
            (stalled(StallCause::Error(ErrorCode::UNKNOWN_TOPIC_ID)), Some(5)),
            (ConsumeError::UnknownPartition { partition: partition() }, Some(5)),
            (ConsumeError::Ended, Some(1)),
        ];
        for (error, status) in table {
            let judged = match judge(&error, true) {
                Verdict::Wait(_) => None,
                Verdict::Fail(failure) => Some(failure.status),
                other => panic!("{error}: {other:?}"),
            };
            assert_eq!(judged, status, "{error}");
        }
    }

    #[test]
    fn positions_that_are_gone_are_moved() {
        let partition = TopicPartition::new("t", 0);
        let gone = ConsumeError::OffsetOutOfRange { partition: partition.clone(), position: 7 };
        assert!(matches!(judge(&gone, false), Verdict::Gone { position: 7, .. }));
        let cut = ConsumeError::LogTruncated { partition, position: 9, diverging_offset: 5 };
        assert!(matches!(judge(&cut, false), Verdict::Cut { to: 5, .. }));
    }
}
