//! Pure: the moments in a transaction at which the broker is killed, as rules of faults that stop it there.

use super::atomic::Fate;

/// A moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// For people.
    pub(super) name: &'static str,
    /// The rule that stops the broker there, as JSON.
    pub(super) rule: &'static str,
    decision: Decision,
    /// Only the first protocol comes by: it asks for what the second does on the way.
    first_only: bool,
}

/// How far the broker is with the decision to commit or to abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// Nobody has asked for one.
    Open,
    /// It may be in the journal, or not quite.
    Asked,
    /// It is in the journal.
    Made,
}

use Decision::{Asked, Made, Open};

const fn both(decision: Decision, name: &'static str, rule: &'static str) -> Moment {
    Moment { name, rule, decision, first_only: false }
}

const fn first(name: &'static str, rule: &'static str) -> Moment {
    Moment { name, rule, decision: Open, first_only: true }
}

/// In the order in which a transaction comes by. Rules without an answer stop a request before anything is done, and those
/// that hold it when it is done.
const MOMENTS: [Moment; 19] = [
    both(Open, "before InitProducerId", r#"{"api":"InitProducerId","action":"no_answer"}"#),
    both(Open, "after InitProducerId", r#"{"api":"InitProducerId","action":"hold"}"#),
    first("before AddPartitionsToTxn", r#"{"api":"AddPartitionsToTxn","action":"no_answer"}"#),
    first("after AddPartitionsToTxn", r#"{"api":"AddPartitionsToTxn","action":"hold"}"#),
    both(Open, "before the first Produce", r#"{"api":"Produce","action":"no_answer"}"#),
    both(Open, "after the first Produce", r#"{"api":"Produce","action":"hold"}"#),
    both(
        Open,
        "before the last Produce",
        r#"{"api":"Produce","topic":"right","action":"no_answer"}"#,
    ),
    both(Open, "after the last Produce", r#"{"api":"Produce","topic":"right","action":"hold"}"#),
    first("before AddOffsetsToTxn", r#"{"api":"AddOffsetsToTxn","action":"no_answer"}"#),
    first("after AddOffsetsToTxn", r#"{"api":"AddOffsetsToTxn","action":"hold"}"#),
    both(Open, "before TxnOffsetCommit", r#"{"api":"TxnOffsetCommit","action":"no_answer"}"#),
    both(Open, "after TxnOffsetCommit", r#"{"api":"TxnOffsetCommit","action":"hold"}"#),
    both(Open, "before EndTxn", r#"{"api":"EndTxn","action":"no_answer"}"#),
    both(
        Made,
        "before the first marker",
        r#"{"api":"WriteTxnMarkers","topic":"left","partition":0,"action":{"error":"COORDINATOR_NOT_AVAILABLE"}}"#,
    ),
    both(
        Made,
        "between markers of one topic",
        r#"{"api":"WriteTxnMarkers","topic":"left","partition":1,"action":{"error":"COORDINATOR_NOT_AVAILABLE"}}"#,
    ),
    both(
        Made,
        "between markers of two topics",
        r#"{"api":"WriteTxnMarkers","topic":"right","partition":0,"action":{"error":"COORDINATOR_NOT_AVAILABLE"}}"#,
    ),
    both(
        Made,
        "between markers and offsets",
        r#"{"api":"WriteTxnMarkers","topic":"__consumer_offsets","action":{"error":"COORDINATOR_NOT_AVAILABLE"}}"#,
    ),
    both(
        Made,
        "before the end is noted",
        r#"{"api":"WriteTxnMarkers","topic":"__consumer_offsets","action":{"apply_then_error":"COORDINATOR_NOT_AVAILABLE"}}"#,
    ),
    both(Asked, "after EndTxn", r#"{"api":"EndTxn","action":"hold"}"#),
];

/// Those that a protocol, 1 or 2, comes by.
pub(super) fn of_protocol(protocol: u8) -> impl Iterator<Item = &'static Moment> {
    MOMENTS.iter().filter(move |moment| protocol == 1 || !moment.first_only)
}

impl Moment {
    /// What must become of a transaction that the producer wants to `commit`, once the broker was killed here and the
    /// producer has no part in it any more.
    pub(super) fn fate(&self, commit: bool) -> Fate {
        match self.decision {
            Made if commit => Fate::Committed,
            Asked if commit => Fate::Either,
            _ => Fate::Aborted,
        }
    }
}

/// What comes after the blow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// The producer is killed, too, and another takes its id over.
    Resumed,
    /// The producer lives and tries again.
    Survived,
    /// The producer is killed, too, and nobody comes: the transaction runs out of time.
    Expired,
}

/// Whether the producer wants to commit, and what comes after, in the `round`-th round at the `n`-th moment: six rounds bring
/// every moment together with everything.
pub(super) fn variant(round: u32, n: u32) -> (bool, Aftermath) {
    let sum = round.wrapping_add(n);
    let after = [Aftermath::Resumed, Aftermath::Survived, Aftermath::Expired];
    (sum.is_multiple_of(2), after[(sum % 3) as usize])
}

#[cfg(test)]
mod tests {
    use super::{Fate, MOMENTS, of_protocol, variant};
    use std::collections::HashSet;

    #[test]
    fn six_rounds_bring_everything_together() {
        for n in 0..20 {
            let seen: HashSet<String> =
                (0..6).map(|round| format!("{:?}", variant(round, n))).collect();
            assert_eq!(seen.len(), 6, "moment {n}");
        }
    }

    #[test]
    fn only_a_decision_can_commit() {
        let committed = MOMENTS.iter().filter(|moment| moment.fate(true) == Fate::Committed);
        assert_eq!(committed.count(), 5);
        assert!(MOMENTS.iter().all(|moment| moment.fate(false) == Fate::Aborted));
        assert_eq!((of_protocol(1).count(), of_protocol(2).count()), (19, 15));
    }

    #[test]
    fn rules_are_json() {
        for moment in &MOMENTS {
            let rule: serde_json::Value = serde_json::from_str(moment.rule).unwrap();
            assert!(rule["api"].is_string() && !rule["action"].is_null(), "{}", moment.name);
        }
    }
}
