//! Pure: what a broker's answer to a batch says about the log, and what to do besides.

use super::idempotence::Verdict;
use klamm_protocol::error_code::ErrorCode;

/// An error code, read as an answer to one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) verdict: Answer,
    /// The metadata that led here is out of date.
    pub(crate) refresh_metadata: bool,
}

/// A [`Verdict`], or that the batch must be divided first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Verdict(Verdict),
    TooLarge,
}

/// Reads a broker's code.
///
/// NOT_LEADER_OR_FOLLOWER counts as "may be appended": a leader that loses its place after the append
/// answers the same (KAFKA-13574).
pub(crate) fn read(code: ErrorCode) -> Reading {
    use ErrorCode as E;
    let appended = |may_be_appended| Answer::Verdict(Verdict::Retriable { may_be_appended });
    let verdict = match code {
        E::NONE | E::DUPLICATE_SEQUENCE_NUMBER => Answer::Verdict(Verdict::Acked),
        E::MESSAGE_TOO_LARGE | E::RECORD_LIST_TOO_LARGE => Answer::TooLarge,
        E::OUT_OF_ORDER_SEQUENCE_NUMBER
        | E::UNKNOWN_PRODUCER_ID
        | E::INVALID_PRODUCER_ID_MAPPING
        | E::INVALID_PRODUCER_EPOCH => Answer::Verdict(Verdict::OutOfSequence),
        E::UNKNOWN_TOPIC_OR_PARTITION
        | E::UNKNOWN_TOPIC_ID
        | E::INCONSISTENT_TOPIC_ID
        | E::NOT_ENOUGH_REPLICAS
        | E::CORRUPT_MESSAGE
        | E::THROTTLING_QUOTA_EXCEEDED
        | E::UNKNOWN_LEADER_EPOCH
        | E::FENCED_LEADER_EPOCH
        | E::LEADER_NOT_AVAILABLE => appended(false),
        E::UNKNOWN_SERVER_ERROR => appended(true),
        code if code.is_retriable() => appended(true),
        _ => Answer::Verdict(Verdict::Rejected),
    };
    Reading { verdict, refresh_metadata: points_elsewhere(code) }
}

fn points_elsewhere(code: ErrorCode) -> bool {
    use ErrorCode as E;
    matches!(
        code,
        E::UNKNOWN_TOPIC_OR_PARTITION
            | E::LEADER_NOT_AVAILABLE
            | E::NOT_LEADER_OR_FOLLOWER
            | E::NETWORK_EXCEPTION
            | E::KAFKA_STORAGE_ERROR
            | E::FENCED_LEADER_EPOCH
            | E::UNKNOWN_LEADER_EPOCH
            | E::UNKNOWN_TOPIC_ID
            | E::INCONSISTENT_TOPIC_ID
            | E::REPLICA_NOT_AVAILABLE
            | E::LISTENER_NOT_FOUND
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: ErrorCode, verdict: Verdict) {
        assert_eq!(read(code).verdict, Answer::Verdict(verdict), "{code:?}");
    }

    #[test]
    fn duplicate_sequence_number_is_success() {
        check(ErrorCode::DUPLICATE_SEQUENCE_NUMBER, Verdict::Acked);
    }

    #[test]
    fn what_may_have_been_appended_is_never_called_refused() {
        for code in [
            ErrorCode::REQUEST_TIMED_OUT,
            ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::KAFKA_STORAGE_ERROR,
            ErrorCode::UNKNOWN_SERVER_ERROR,
        ] {
            check(code, Verdict::Retriable { may_be_appended: true });
        }
    }

    #[test]
    fn refusals_end_the_batch() {
        for code in [
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            ErrorCode::INVALID_RECORD,
            ErrorCode::PRODUCER_FENCED,
            ErrorCode(9999),
        ] {
            check(code, Verdict::Rejected);
        }
    }

    #[test]
    fn every_retriable_code_of_kafka_is_tried_again() {
        for (code, name, retriable, _) in ErrorCode::table() {
            let retried = matches!(
                read(ErrorCode(*code)).verdict,
                Answer::Verdict(Verdict::Retriable { .. })
            );
            assert!(retried || !retriable, "{name}");
        }
    }
}
