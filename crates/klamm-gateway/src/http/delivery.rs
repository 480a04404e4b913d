//! Pure: what became of a request's records, as answers tell it.

use crate::format::confluent_v2;
use crate::forward::Outcome;
use klamm::ErrorCode;
use serde_json::{Value, json};

/// What Confluent's API calls a topic that somebody may not write to.
const FORBIDDEN: i32 = 40301;

/// The status of an answer with these outcomes: 200 when Kafka has everything, 422 when it has nothing and never will, and
/// 207 in between.
pub(super) fn status(outcomes: &[Outcome]) -> u16 {
    let dead = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::DeadLetter { .. }));
    match dead.count() {
        0 => 200,
        count if count == outcomes.len() => 422,
        _ => 207,
    }
}

/// klamm's own answer.
pub(super) fn body(instance: &str, first: u64, outcomes: &[Outcome]) -> String {
    let record = |outcome: &Outcome| match outcome {
        Outcome::Delivered { partition, offset, timestamp } => {
            json!({ "partition": partition, "offset": offset, "timestamp": timestamp })
        }
        Outcome::DeadLetter { error, reason } => {
            json!({ "error": error.name(), "error_code": error.0, "reason": &**reason })
        }
    };
    let records: Vec<Value> = outcomes.iter().map(record).collect();
    let id = format!("{instance}/{first}");
    json!({ "id": id, "count": outcomes.len(), "records": records }).to_string()
}

/// The same for Confluent's API.
pub(super) fn confluent(outcome: &Outcome) -> confluent_v2::Outcome {
    match outcome {
        Outcome::Delivered { partition, offset, .. } => {
            confluent_v2::Outcome::Stored { partition: *partition, offset: *offset }
        }
        Outcome::DeadLetter { error, reason } => {
            let error_code = code(*error);
            confluent_v2::Outcome::Failed { error_code, message: reason.to_string() }
        }
    }
}

/// What Confluent's API calls an error of Kafka's.
fn code(error: ErrorCode) -> i32 {
    match error {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => confluent_v2::TOPIC_NOT_FOUND,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => FORBIDDEN,
        error if error.is_retriable() => confluent_v2::KAFKA_RETRIABLE,
        _ => confluent_v2::KAFKA_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn delivered(offset: Option<i64>) -> Outcome {
        Outcome::Delivered { partition: 3, offset, timestamp: 7 }
    }

    fn dead(error: ErrorCode) -> Outcome {
        Outcome::DeadLetter { error, reason: "it is so".into() }
    }

    #[test]
    fn every_record_has_its_line() {
        let outcomes = [delivered(Some(9)), dead(ErrorCode::MESSAGE_TOO_LARGE)];
        let body: Value = serde_json::from_str(&body("i", 5, &outcomes)).unwrap();
        let expected = json!({
            "id": "i/5",
            "count": 2,
            "records": [
                { "partition": 3, "offset": 9, "timestamp": 7 },
                { "error": "MESSAGE_TOO_LARGE", "error_code": 10, "reason": "it is so" },
            ],
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_status_says_whether_all_is_well() {
        let (good, bad) = (delivered(None), dead(ErrorCode::INVALID_RECORD));
        assert_eq!(status(&[good.clone(), good.clone()]), 200);
        assert_eq!(status(&[good, bad.clone()]), 207);
        assert_eq!(status(&[bad.clone(), bad]), 422);
    }

    #[test]
    fn confluents_codes_are_told() {
        let code = |error| match confluent(&dead(error)) {
            confluent_v2::Outcome::Failed { error_code, .. } => error_code,
            stored => panic!("{stored:?}"),
        };
        assert_eq!(code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), 40401);
        assert_eq!(code(ErrorCode::TOPIC_AUTHORIZATION_FAILED), 40301);
        assert_eq!(code(ErrorCode::NOT_ENOUGH_REPLICAS), 50003);
        assert_eq!(code(ErrorCode::MESSAGE_TOO_LARGE), 50002);
        let stored = confluent_v2::Outcome::Stored { partition: 3, offset: None };
        assert_eq!(confluent(&delivered(None)), stored);
    }
}
