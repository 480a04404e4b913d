//! Pure: what a ledger comes to.

use serde::Serialize;
use std::fmt;

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// What a reader saw, held against what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Verdict {
    /// Records that were sent.
    pub(crate) sent: u64,
    /// Of these, records that were acknowledged, and so must be there.
    pub(crate) acknowledged: u64,
    /// Different records of this run that were seen.
    pub(crate) seen: u64,
    /// Acknowledged records that were not seen.
    pub(crate) lost: u64,
    /// Records that lie in the log a second time.
    pub(crate) duplicated: u64,
    /// Records that came after a later one of the same source and partition, or of a lower offset than one before.
    pub(crate) reordered: u64,
    /// Records that are not what was sent.
    pub(crate) corrupted: u64,
    /// Records handed out again from an offset that was read before: wrong for one reader, and to be expected of
    /// a group when a member went without a commit.
    pub(crate) read_again: u64,
    /// Records of other runs and other programs, which count for nothing.
    pub(crate) foreign: u64,
    /// Source and sequence of the first that is lost.
    pub(crate) first_lost: Option<(u32, u64)>,
    /// Where the first duplicated, reordered or corrupted one lies.
    pub(crate) first_trouble: Option<Place>,
}

impl Verdict {
    /// Whether nothing was lost, duplicated in the log, reordered or corrupted.
    pub(crate) fn is_clean(&self) -> bool {
        [self.lost, self.duplicated, self.reordered, self.corrupted] == [0; 4]
    }

    /// Adds the verdict on another reader.
    pub(crate) fn add(&mut self, other: &Verdict) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.seen += other.seen;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.read_again += other.read_again;
        self.foreign += other.foreign;
        self.first_lost = self.first_lost.or(other.first_lost);
        self.first_trouble = self.first_trouble.or(other.first_trouble);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, duplicated, reordered, corrupted, .. } = self;
        write!(
            f,
            "lost {lost}, duplicated {duplicated}, reordered {reordered}, corrupted {corrupted}"
        )?;
        if self.read_again > 0 {
            write!(f, ", read again {}", self.read_again)?;
        }
        if let Some((source, sequence)) = self.first_lost {
            write!(f, "; first lost: number {sequence} of task {source}")?;
        }
        if let Some(Place { partition, offset }) = self.first_trouble {
            write!(f, "; first trouble: partition {partition}, offset {offset}")?;
        }
        Ok(())
    }
}
