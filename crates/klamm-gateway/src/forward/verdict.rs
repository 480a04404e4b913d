//! Pure: what an error says about a record: try it again, for how long, or never.

use klamm::producer::Cause;
use klamm::{DeliveryError, EnqueueError, ErrorCode, MetadataError};

/// What is to be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Try again, for ever.
    Again,
    /// The producer is of no use any more: make another, and try again for ever.
    Rebuild,
    /// Try again for the grace of a topic that is not there.
    Unknown,
    /// Try again for the grace of a topic that is forbidden.
    Denied,
    /// Kafka will never take this record.
    Refused,
}

use Class::{Again, Denied, Rebuild, Refused, Unknown};

/// Codes that Kafka does not call retriable, and what they mean here. What is about the gateway as a whole - its
/// settings, its rights in the cluster, the cluster's state - is never the fault of a record.
const TABLE: &[(ErrorCode, Class)] = &[
    (ErrorCode::UNKNOWN_SERVER_ERROR, Again),
    (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Unknown),
    (ErrorCode::UNKNOWN_TOPIC_ID, Unknown),
    (ErrorCode::INVALID_PARTITIONS, Unknown),
    (ErrorCode::INVALID_REPLICATION_FACTOR, Unknown),
    (ErrorCode::INVALID_CONFIG, Unknown),
    (ErrorCode::POLICY_VIOLATION, Unknown),
    (ErrorCode::TOPIC_AUTHORIZATION_FAILED, Denied),
    (ErrorCode::INVALID_TOPIC_EXCEPTION, Refused),
    (ErrorCode::MESSAGE_TOO_LARGE, Refused),
    (ErrorCode::RECORD_LIST_TOO_LARGE, Refused),
    (ErrorCode::INVALID_RECORD, Refused),
    (ErrorCode::INVALID_TIMESTAMP, Refused),
    (ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT, Refused),
    (ErrorCode::BROKER_NOT_AVAILABLE, Again),
    (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, Again),
    (ErrorCode::SASL_AUTHENTICATION_FAILED, Again),
    (ErrorCode::UNSUPPORTED_SASL_MECHANISM, Again),
    (ErrorCode::ILLEGAL_SASL_STATE, Again),
    (ErrorCode::UNSUPPORTED_VERSION, Again),
    (ErrorCode::INVALID_REQUEST, Again),
    (ErrorCode::INVALID_REQUIRED_ACKS, Again),
    (ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, Again),
    (ErrorCode::DUPLICATE_SEQUENCE_NUMBER, Again),
    (ErrorCode::REBOOTSTRAP_REQUIRED, Rebuild),
    (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, Again),
    (ErrorCode::UNKNOWN_PRODUCER_ID, Again),
    (ErrorCode::INVALID_PRODUCER_EPOCH, Rebuild),
    (ErrorCode::INVALID_PRODUCER_ID_MAPPING, Rebuild),
    (ErrorCode::PRODUCER_FENCED, Rebuild),
    (ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Rebuild),
    (ErrorCode::INVALID_TXN_STATE, Rebuild),
];

/// What a broker's code means. A code that is in no table is tried again for the grace of an unknown topic: it is neither
/// lost nor in the way for ever.
pub(super) fn of_code(code: ErrorCode) -> Class {
    let row = TABLE.iter().find(|(known, _)| *known == code);
    match row {
        Some((_, class)) => *class,
        None if code.is_retriable() => Again,
        None => Unknown,
    }
}

/// What a cause means, and the code that stands for it.
pub(super) fn of_cause(cause: &Cause) -> (Class, ErrorCode) {
    match cause {
        Cause::Broker { code, .. } => (of_code(*code), *code),
        Cause::Timeout { last: Some(last), .. } => match of_cause(last) {
            // The time may have ended something that would have been refused later.
            (Refused, code) => (Again, code),
            known => known,
        },
        Cause::Timeout { last: None, .. } => (Again, ErrorCode::REQUEST_TIMED_OUT),
        Cause::Connection { .. } => (Again, ErrorCode::NETWORK_EXCEPTION),
        Cause::ProducerId(code) => (Rebuild, *code),
        Cause::Compression(_) => (Refused, ErrorCode::UNKNOWN_SERVER_ERROR),
        Cause::Behind => (Again, ErrorCode::NONE),
        Cause::Closed => (Rebuild, ErrorCode::NETWORK_EXCEPTION),
        _ => (Again, ErrorCode::UNKNOWN_SERVER_ERROR),
    }
}

/// What the outcome of a record that was sent means.
pub(super) fn of_delivery(error: &DeliveryError) -> (Class, ErrorCode) {
    let (class, code) = of_cause(error.failure().cause());
    match (class, error.is_not_delivered()) {
        // It may be in the log: a refusal is not the last word about it.
        (Refused, false) => (Again, code),
        _ => (class, code),
    }
}

/// What it means that the producer did not take a record.
pub(super) fn of_enqueue(error: &EnqueueError) -> (Class, ErrorCode) {
    match error {
        EnqueueError::Topic(error) => of_metadata(error),
        EnqueueError::Partition { .. } => (Unknown, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        EnqueueError::RecordTooLarge { .. } => (Refused, ErrorCode::MESSAGE_TOO_LARGE),
        EnqueueError::Closed => (Rebuild, ErrorCode::NETWORK_EXCEPTION),
        _ => (Again, ErrorCode::REQUEST_TIMED_OUT),
    }
}

/// What it means that a topic's partitions are not known.
pub(super) fn of_metadata(error: &MetadataError) -> (Class, ErrorCode) {
    match error {
        MetadataError::UnknownTopic(_) => (Unknown, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        MetadataError::Refused { code, .. } => (of_code(*code), *code),
        MetadataError::Closed => (Rebuild, ErrorCode::NETWORK_EXCEPTION),
        _ => (Again, ErrorCode::REQUEST_TIMED_OUT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_code_that_kafka_calls_retriable_is_never_a_refusal() {
        for (code, name, retriable, _) in ErrorCode::table() {
            let class = of_code(ErrorCode(*code));
            assert!(!retriable || matches!(class, Again | Unknown), "{name}: {class:?}");
        }
    }

    #[test]
    fn only_what_is_wrong_with_the_record_itself_is_a_refusal() {
        let all = ErrorCode::table().iter().map(|row| ErrorCode(row.0));
        let refused: Vec<ErrorCode> = all.filter(|code| of_code(*code) == Refused).collect();
        assert_eq!(
            refused,
            [
                ErrorCode::MESSAGE_TOO_LARGE,
                ErrorCode::INVALID_TOPIC_EXCEPTION,
                ErrorCode::RECORD_LIST_TOO_LARGE,
                ErrorCode::INVALID_TIMESTAMP,
                ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
                ErrorCode::INVALID_RECORD,
            ]
        );
    }

    #[test]
    fn a_code_of_a_later_kafka_has_a_grace() {
        assert_eq!(of_code(ErrorCode(9_999)), Unknown);
    }

    #[test]
    fn time_alone_refuses_nothing() {
        let timeout = Duration::from_secs(1);
        let broker = |code| Cause::Broker { node: 1, code, message: None };
        let after = |cause| Cause::Timeout { timeout, last: Some(std::sync::Arc::new(cause)) };
        assert_eq!(of_cause(&Cause::Timeout { timeout, last: None }).0, Again);
        assert_eq!(of_cause(&after(broker(ErrorCode::MESSAGE_TOO_LARGE))).0, Again);
        assert_eq!(of_cause(&after(broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))).0, Unknown);
        assert_eq!(of_cause(&Cause::ProducerId(ErrorCode::PRODUCER_FENCED)).0, Rebuild);
        assert_eq!(of_cause(&Cause::Behind).0, Again);
    }
}
