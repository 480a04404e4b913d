//! Pure: records of a part of the log that are handed on one after the other.

use crate::accepted::Accepted;

/// Records with their sequences. They stay where they are until all were handed on: moving each would cost as much as
/// deciding about it.
#[derive(Debug, Default)]
pub(super) struct InHand {
    records: Vec<(u64, Accepted)>,
    /// How many were handed on.
    passed: usize,
}

impl InHand {
    /// Those that were not handed on.
    pub(super) fn left(&self) -> &[(u64, Accepted)] {
        self.records.get(self.passed..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left().is_empty()
    }

    /// So many were handed on. With the last one the memory of all goes.
    pub(super) fn pass(&mut self, count: usize) {
        self.passed += count;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

impl From<Vec<(u64, Accepted)>> for InHand {
    fn from(records: Vec<(u64, Accepted)>) -> Self {
        Self { records, passed: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::InHand;
    use crate::accepted::Accepted;
    use bytes::Bytes;

    #[test]
    fn records_are_handed_on_in_order_and_their_memory_goes_with_the_last() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let record = |n: u64| Accepted {
            topic: "t".into(),
            partition: None,
            timestamp: n as i64,
            key: None,
            value: Some(bytes.clone()),
            headers: vec![],
            idempotency: None,
        };
        let mut hand = InHand::from(vec![(4, record(4)), (6, record(6)), (7, record(7))]);
        assert_eq!(hand.left().len(), 3);
        hand.pass(2);
        assert_eq!(hand.left(), [(7, record(7))]);
        assert!(!hand.is_empty());
        hand.pass(1);
        assert!(hand.is_empty() && bytes.is_unique());
        hand.pass(1);
        assert_eq!(hand.left(), []);
    }
}
