//! Pure: which requests were taken before, by the hash that names them.

use super::config::Receipt;
use std::collections::{HashMap, VecDeque};

/// What is known of a request that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is being written.
    InFlight,
    /// It is in the log, or in Kafka already.
    Done(Receipt),
}

/// The hashes of the last requests: so many at most, and for so long.
#[derive(Debug, Default)]
pub(super) struct SeenSet {
    known: HashMap<[u8; 16], Seen>,
    /// Those that are done, the oldest first, and when.
    done: VecDeque<(i64, [u8; 16])>,
}

impl SeenSet {
    pub(super) fn get(&self, hash: &[u8; 16]) -> Option<Seen> {
        self.known.get(hash).copied()
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// A request begins.
    pub(super) fn begin(&mut self, hash: [u8; 16]) {
        self.known.entry(hash).or_insert(Seen::InFlight);
    }

    /// It was not taken.
    pub(super) fn forget(&mut self, hash: &[u8; 16]) {
        if self.known.get(hash) == Some(&Seen::InFlight) {
            self.known.remove(hash);
        }
    }

    /// A record of it is in the log; records that follow each other have one receipt.
    pub(super) fn done(&mut self, hash: [u8; 16], sequence: u64, now_ms: i64) {
        match self.known.get_mut(&hash) {
            Some(Seen::Done(receipt)) if sequence == receipt.first + u64::from(receipt.count) => {
                receipt.count = receipt.count.saturating_add(1);
            }
            Some(Seen::Done(_)) => {}
            _ => {
                self.known.insert(hash, Seen::Done(Receipt { first: sequence, count: 1 }));
                self.done.push_back((now_ms, hash));
            }
        }
    }

    /// Forgets all but the last `max`, and those from before `since_ms`.
    pub(super) fn expire(&mut self, max: usize, since_ms: i64) {
        let surplus = |set: &Self, at: i64| set.done.len() > max || at < since_ms;
        while self.done.front().is_some_and(|&(at, _)| surplus(self, at)) {
            let Some((_, hash)) = self.done.pop_front() else { return };
            self.known.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_flight_then_done_then_forgotten() {
        let mut seen = SeenSet::default();
        let hash = |n: u8| [n; 16];
        assert_eq!(seen.get(&hash(1)), None);
        seen.begin(hash(1));
        assert_eq!(seen.get(&hash(1)), Some(Seen::InFlight));
        seen.forget(&hash(1));
        assert_eq!(seen.get(&hash(1)), None);
        (10..13).for_each(|sequence| seen.done(hash(1), sequence, 5));
        // The same again, much later, does not count.
        seen.done(hash(1), 90, 6);
        seen.begin(hash(1));
        seen.forget(&hash(1));
        assert_eq!(seen.get(&hash(1)), Some(Seen::Done(Receipt { first: 10, count: 3 })));
        (2..6).for_each(|n| seen.done(hash(n), u64::from(n) + 100, i64::from(n) * 10));
        seen.expire(4, 0);
        assert_eq!((seen.get(&hash(1)), seen.len()), (None, 4));
        seen.expire(4, 41);
        assert_eq!((seen.get(&hash(4)), seen.len()), (None, 1));
        assert!(seen.get(&hash(5)).is_some());
    }
}
