//! Pure: which records of a partition are not done with, and so from where another owner would go on.

use crate::consumer::fetch::Position;
use std::collections::VecDeque;

/// What was taken of a partition, from the first that is not done to the last.
#[derive(Debug, Clone)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    /// Records in the entries, done or not.
    records: usize,
    /// Epoch of what stands before the first entry; -1 if unknown.
    epoch_before: i32,
    /// Behind everything that was taken.
    end: Position,
}

/// What is handled in one piece: a record, or a batch.
#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: i64,
    /// Of its last record.
    leader_epoch: i32,
    records: usize,
    done: bool,
}

impl Window {
    /// Nothing is taken yet; reading begins at `start`.
    pub(super) fn new(start: i64) -> Self {
        let end = Position { offset: start, leader_epoch: -1 };
        Self { entries: VecDeque::new(), first: 0, records: 0, epoch_before: -1, end }
    }

    /// Takes a piece, which begins at `from` and ends where `end` goes on, and numbers it.
    pub(super) fn take(&mut self, from: i64, records: usize, end: Position) -> u64 {
        let number = self.first + self.entries.len() as u64;
        let leader_epoch = end.leader_epoch;
        self.entries.push_back(Entry { offset: from, leader_epoch, records, done: false });
        self.records += records;
        self.end = end;
        number
    }

    /// What was taken last ends here: markers and removed records follow it.
    pub(super) fn ends_at(&mut self, end: Position) {
        self.end = self.end.max(end);
    }

    /// A piece is done with.
    pub(super) fn done(&mut self, number: u64) {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
            entry.done = true;
        }
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.done) {
            self.first += 1;
            self.records -= entry.records;
            self.epoch_before = entry.leader_epoch;
        }
    }

    /// The first that is not done with, and the epoch of what stands before it; `None` if all is done.
    pub(super) fn undone(&self) -> Option<Position> {
        let first = self.entries.front()?;
        Some(Position { offset: first.offset, leader_epoch: self.epoch_before })
    }

    /// Behind everything that was taken.
    pub(super) fn end(&self) -> i64 {
        self.end.offset
    }

    /// Records from the first that is not done to the last that was taken.
    pub(super) fn records(&self) -> usize {
        self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(offset: i64, leader_epoch: i32) -> Position {
        Position { offset, leader_epoch }
    }

    /// Where to go on.
    fn undone(window: &Window) -> Position {
        window.undone().unwrap_or(window.end)
    }

    #[test]
    fn the_first_that_is_not_done_is_told_with_the_epoch_before_it() {
        let mut window = Window::new(7);
        assert_eq!(undone(&window), at(7, -1));
        let numbers = [
            window.take(7, 1, at(8, 1)),
            window.take(8, 1, at(9, 1)),
            // Records between have been compacted away.
            window.take(20, 1, at(21, 2)),
        ];
        window.ends_at(at(24, 2));
        let steps = [(1, at(7, -1), 3), (0, at(20, 1), 1), (2, at(24, 2), 0)];
        for (done, left, records) in steps {
            window.done(numbers[done]);
            assert_eq!((undone(&window), window.records()), (left, records));
        }
        window.done(numbers[0]);
        window.done(u64::MAX);
        assert_eq!(undone(&window), at(24, 2), "numbers that are none change nothing");
    }

    #[test]
    fn a_batch_counts_with_its_records() {
        let mut window = Window::new(0);
        let first = window.take(0, 10, at(10, 0));
        let second = window.take(10, 5, at(15, 0));
        window.done(second);
        assert_eq!((window.records(), undone(&window).offset), (15, 0));
        window.done(first);
        assert_eq!((window.records(), undone(&window).offset), (0, 15));
    }

    proptest! {
        #[test]
        fn as_a_set_would_say(
            gaps in proptest::collection::vec(1..4i64, 1..40),
            picks in proptest::collection::vec(any::<proptest::sample::Index>(), 40),
        ) {
            let mut window = Window::new(0);
            let mut offset = 0;
            let mut open: Vec<(u64, i64)> = Vec::new();
            for gap in &gaps {
                offset += gap;
                open.push((window.take(offset, 1, at(offset + 1, 3)), offset));
            }
            let end = offset + 1;
            let mut last = undone(&window).offset;
            for pick in picks.iter().take(gaps.len()) {
                let (number, _) = open.remove(pick.index(open.len()));
                window.done(number);
                let expected = open.iter().map(|(_, offset)| *offset).min().unwrap_or(end);
                prop_assert_eq!(undone(&window).offset, expected);
                prop_assert!(expected >= last);
                last = expected;
            }
            prop_assert_eq!(window.records(), 0);
        }
    }
}
