//! Pure: a set of numbers that lie close together, a bit each.

use std::collections::BTreeMap;

/// Words of a chunk.
const WORDS: usize = 64;
/// Numbers of a chunk.
const CHUNK: u64 = WORDS as u64 * 64;

/// A set of numbers. Memory grows with the numbers that are in it, 512 bytes at a time, however large they are.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    chunks: BTreeMap<u64, [u64; WORDS]>,
    len: u64,
}

/// Chunk, word and bit of a number.
fn place(number: u64) -> (u64, usize, u64) {
    let within = number % CHUNK;
    (number / CHUNK, (within / 64) as usize, 1 << (within % 64))
}

impl Numbers {
    /// An empty one.
    pub(crate) const fn new() -> Self {
        Self { chunks: BTreeMap::new(), len: 0 }
    }

    /// Puts a number in; false if it was there.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        let (chunk, word, bit) = place(number);
        let word = &mut self.chunks.entry(chunk).or_insert([0; WORDS])[word];
        let new = *word & bit == 0;
        *word |= bit;
        self.len += u64::from(new);
        new
    }

    /// Whether a number is there.
    pub(crate) fn contains(&self, number: u64) -> bool {
        let (chunk, word, bit) = place(number);
        self.chunks.get(&chunk).is_some_and(|words| words[word] & bit != 0)
    }

    /// Puts all of another set in.
    pub(crate) fn merge(&mut self, other: Self) {
        for (chunk, words) in other.chunks {
            let mine = self.chunks.entry(chunk).or_insert([0; WORDS]);
            for (mine, theirs) in mine.iter_mut().zip(words) {
                self.len += u64::from((theirs & !*mine).count_ones());
                *mine |= theirs;
            }
        }
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let numbers = |chunk: u64| (0..CHUNK).map(move |within| chunk * CHUNK + within);
        self.chunks.keys().flat_map(move |chunk| numbers(*chunk)).filter(|n| self.contains(*n))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The numbers below `end` that are not there, in order.
    pub(crate) fn missing_below(&self, end: u64) -> impl Iterator<Item = u64> + '_ {
        (0..end.div_ceil(CHUNK))
            .filter(|chunk| self.chunks.get(chunk).is_none_or(|words| *words != [u64::MAX; WORDS]))
            .flat_map(move |chunk| chunk * CHUNK..((chunk + 1) * CHUNK).min(end))
            .filter(|number| !self.contains(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Numbers};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn full_chunks_are_passed_over_and_what_is_missing_behind_them_is_found() {
        let mut set = Numbers::default();
        for number in (0..3 * CHUNK).filter(|n| *n != 2 * CHUNK + 7) {
            assert!(set.insert(number));
        }
        let missing: Vec<u64> = set.missing_below(3 * CHUNK + 2).collect();
        assert_eq!(missing, [2 * CHUNK + 7, 3 * CHUNK, 3 * CHUNK + 1]);
    }

    #[test]
    fn the_largest_number_fits() {
        let mut set = Numbers::default();
        assert!(set.insert(u64::MAX) && !set.insert(u64::MAX));
        assert!(set.contains(u64::MAX) && !set.contains(u64::MAX - 1));
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(0..3 * CHUNK, 0..200), end in 0..2 * CHUNK) {
            let (mut set, mut model) = (Numbers::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(set.insert(number), model.insert(number));
            }
            prop_assert_eq!(set.len(), model.len() as u64);
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            let missing: Vec<u64> = (0..end).filter(|n| !model.contains(n)).collect();
            prop_assert_eq!(set.missing_below(end).collect::<Vec<_>>(), missing);
        }

        #[test]
        fn two_sets_become_one(
            a in prop::collection::btree_set(0..2 * CHUNK, 0..100),
            b in prop::collection::btree_set(0..2 * CHUNK, 0..100),
        ) {
            let set = |numbers: &BTreeSet<u64>| {
                let mut set = Numbers::default();
                for number in numbers {
                    set.insert(*number);
                }
                set
            };
            let mut both = set(&a);
            both.merge(set(&b));
            let model: Vec<u64> = a.union(&b).copied().collect();
            prop_assert_eq!(both.len(), model.len() as u64);
            prop_assert_eq!(both.iter().collect::<Vec<_>>(), model);
        }
    }
}
