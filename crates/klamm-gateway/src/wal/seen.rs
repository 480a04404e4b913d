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
    /// Another request was: the first twelve bytes of the hash, which stand for its name, are the same, and the others, which
    /// stand for what it brings, are not.
    Other,
}

/// What of a hash stands for the name of a request.
type Name = [u8; 12];
/// What of a hash stands for what the request brings.
type Content = [u8; 4];

fn split(hash: &[u8; 16]) -> (Name, Content) {
    let (mut name, mut content) = (Name::default(), Content::default());
    let (start, end) = hash.split_at(name.len());
    name.copy_from_slice(start);
    content.copy_from_slice(end);
    (name, content)
}

/// The hashes of the last requests: so many at most, and for so long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SeenSet {
    known: HashMap<Name, (Content, Seen), foldhash::fast::RandomState>,
    /// Those that are done, the oldest first, and when.
    done: VecDeque<(i64, Name)>,
}

impl SeenSet {
    pub(super) fn get(&self, hash: &[u8; 16]) -> Option<Seen> {
        let (name, content) = split(hash);
        let (known, seen) = self.known.get(&name)?;
        Some(if *known == content { *seen } else { Seen::Other })
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// A request begins.
    pub(super) fn begin(&mut self, hash: [u8; 16]) {
        let (name, content) = split(&hash);
        self.known.entry(name).or_insert((content, Seen::InFlight));
    }

    /// It was not taken.
    pub(super) fn forget(&mut self, hash: &[u8; 16]) {
        if self.get(hash) == Some(Seen::InFlight) {
            self.known.remove(&split(hash).0);
        }
    }

    /// A record of it is in the log; records that follow each other have one receipt.
    pub(super) fn done(&mut self, hash: [u8; 16], sequence: u64, now_ms: i64) {
        let (name, content) = split(&hash);
        match self.known.get_mut(&name) {
            Some((_, Seen::Done(receipt)))
                if sequence == receipt.first + u64::from(receipt.count) =>
            {
                receipt.count = receipt.count.saturating_add(1);
            }
            Some((_, Seen::Done(_))) => {}
            _ => {
                let receipt = Receipt { first: sequence, count: 1 };
                self.known.insert(name, (content, Seen::Done(receipt)));
                self.done.push_back((now_ms, name));
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

    #[test]
    fn another_request_of_the_same_name_is_told_apart() {
        let mut seen = SeenSet::default();
        let (one, mut other) = ([7; 16], [7; 16]);
        other[15] = 8;
        seen.begin(one);
        assert_eq!((seen.get(&one), seen.get(&other)), (Some(Seen::InFlight), Some(Seen::Other)));
        seen.forget(&other);
        assert_eq!(seen.get(&one), Some(Seen::InFlight));
        seen.done(one, 4, 0);
        assert_eq!(seen.get(&one), Some(Seen::Done(Receipt { first: 4, count: 1 })));
        assert_eq!(seen.get(&other), Some(Seen::Other));
        seen.expire(0, 0);
        assert_eq!((seen.get(&one), seen.get(&other)), (None, None));
    }
}
