//! Pure: what the books need of one segment, from what is written or from what is read.

use super::books::{Need, Spans};
use std::collections::VecDeque;
use std::ops::Range;

/// The name of a request, which stands for records that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) hash: [u8; 16],
    /// The sequence of the first record.
    pub(super) first: u64,
    /// How many they are.
    pub(super) count: u64,
    /// When they were taken, in ms since 1970.
    pub(super) taken_ms: i64,
}

/// A batch of a segment.
#[derive(Debug)]
pub(super) struct Written<'a> {
    /// Its sequences.
    pub(super) sequences: Range<u64>,
    /// Everything before this sequence was on the disk when it was written.
    pub(super) mark: u64,
    /// When it was made, in ms since 1970.
    pub(super) taken_ms: i64,
    /// What its records need.
    pub(super) need: &'a Need,
}

/// All there is to say about a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chapter {
    /// The sequence in the segment's name, and the one behind its last record.
    pub(super) sequences: Range<u64>,
    /// What the first batch says was on the disk before it.
    pub(super) mark: Option<u64>,
    /// Some of its sequences are not there, or cannot be read.
    pub(super) broken: bool,
    pub(super) spans: Spans,
    pub(super) keys: VecDeque<Key>,
}

impl Chapter {
    /// Of a segment in which nothing is yet.
    pub(super) fn new(first: u64) -> Self {
        Self { sequences: first..first, ..Self::default() }
    }

    /// Takes in the next batch.
    pub(super) fn batch(&mut self, batch: &Written<'_>) {
        self.broken |= batch.sequences.start != self.sequences.end;
        self.sequences.end = batch.sequences.end;
        self.mark.get_or_insert(batch.mark);
        if batch.need.records > 0 {
            self.spans.book(batch.need, batch.sequences.end, batch.taken_ms);
        }
    }

    /// Takes in the name of a request, one record at a time, of which no more than the last `max` are kept.
    pub(super) fn key(&mut self, hash: [u8; 16], sequence: u64, taken_ms: i64, max: usize) {
        let last = self.keys.back_mut().filter(|last| last.hash == hash);
        match last.filter(|last| last.first + last.count == sequence) {
            Some(last) => last.count += 1,
            None => self.keys.push_back(Key { hash, first: sequence, count: 1, taken_ms }),
        }
        while self.keys.len() > max {
            self.keys.pop_front();
        }
    }
}
