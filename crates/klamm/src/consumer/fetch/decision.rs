//! Pure: what follows from each error code of a partition's answer.

use klamm_protocol::error_code::ErrorCode;

/// What follows from a partition's part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The records are good.
    Deliver,
    /// Try again after a pause.
    Again {
        /// Whether something else may lead by now.
        refresh: bool,
    },
    /// A follower cannot serve it; the leader decides (KIP-392).
    ToLeader,
    /// The position is not in the log: the policy says what to do.
    OutOfRange,
    /// The application has to know, and it may pass: try again after a pause.
    Report,
    /// The application has to know, and nothing but its doing helps.
    Stop,
}

/// What follows from the error code of a fetch, sent by the leader or by a follower.
pub(crate) fn decide(error: ErrorCode, from_follower: bool) -> Verdict {
    match error {
        ErrorCode::NONE => Verdict::Deliver,
        // A follower may be behind, or ahead in what it has deleted: only the leader's word counts.
        ErrorCode::OFFSET_OUT_OF_RANGE if from_follower => Verdict::ToLeader,
        ErrorCode::OFFSET_OUT_OF_RANGE => Verdict::OutOfRange,
        ErrorCode::UNSUPPORTED_COMPRESSION_TYPE | ErrorCode::INVALID_TOPIC_EXCEPTION => {
            Verdict::Stop
        }
        _ => decide_lookup(error),
    }
}

/// What follows from the error code of an offset or of an epoch's end that was asked for.
pub(crate) fn decide_lookup(error: ErrorCode) -> Verdict {
    match error {
        ErrorCode::NONE => Verdict::Deliver,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::FENCED_LEADER_EPOCH
        | ErrorCode::REPLICA_NOT_AVAILABLE
        | ErrorCode::LEADER_NOT_AVAILABLE
        | ErrorCode::KAFKA_STORAGE_ERROR
        | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::UNKNOWN_TOPIC_ID
        | ErrorCode::INCONSISTENT_TOPIC_ID => Verdict::Again { refresh: true },
        // The broker is behind this reader, or says only that something went wrong.
        ErrorCode::UNKNOWN_LEADER_EPOCH | ErrorCode::UNKNOWN_SERVER_ERROR => {
            Verdict::Again { refresh: false }
        }
        // It can be read from its log again, and a sound replica may take over.
        ErrorCode::CORRUPT_MESSAGE => Verdict::Report,
        _ if error.is_retriable() => Verdict::Again { refresh: false },
        _ => Verdict::Report,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each name stands for, as Kafka's own consumer has it; all others follow from being retriable.
    const NAMED: [(ErrorCode, Verdict); 17] = [
        (ErrorCode::NONE, Verdict::Deliver),
        (ErrorCode::OFFSET_OUT_OF_RANGE, Verdict::OutOfRange),
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, Verdict::Again { refresh: true }),
        (ErrorCode::FENCED_LEADER_EPOCH, Verdict::Again { refresh: true }),
        (ErrorCode::REPLICA_NOT_AVAILABLE, Verdict::Again { refresh: true }),
        (ErrorCode::LEADER_NOT_AVAILABLE, Verdict::Again { refresh: true }),
        (ErrorCode::KAFKA_STORAGE_ERROR, Verdict::Again { refresh: true }),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Verdict::Again { refresh: true }),
        (ErrorCode::UNKNOWN_TOPIC_ID, Verdict::Again { refresh: true }),
        (ErrorCode::INCONSISTENT_TOPIC_ID, Verdict::Again { refresh: true }),
        (ErrorCode::UNKNOWN_LEADER_EPOCH, Verdict::Again { refresh: false }),
        (ErrorCode::OFFSET_NOT_AVAILABLE, Verdict::Again { refresh: false }),
        (ErrorCode::UNKNOWN_SERVER_ERROR, Verdict::Again { refresh: false }),
        (ErrorCode::TOPIC_AUTHORIZATION_FAILED, Verdict::Report),
        (ErrorCode::CORRUPT_MESSAGE, Verdict::Report),
        (ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, Verdict::Stop),
        (ErrorCode::INVALID_TOPIC_EXCEPTION, Verdict::Stop),
    ];

    #[test]
    fn every_error_code_has_its_verdict() {
        for code in i16::MIN..=i16::MAX {
            let code = ErrorCode(code);
            let named = NAMED.iter().find(|(named, _)| *named == code).map(|(_, verdict)| *verdict);
            let expected = named.unwrap_or(if code.is_retriable() {
                Verdict::Again { refresh: false }
            } else {
                Verdict::Report
            });
            assert_eq!(decide(code, false), expected, "{code:?} of the leader");
            let follower = match code {
                ErrorCode::OFFSET_OUT_OF_RANGE => Verdict::ToLeader,
                _ => expected,
            };
            assert_eq!(decide(code, true), follower, "{code:?} of a follower");
        }
    }
}
