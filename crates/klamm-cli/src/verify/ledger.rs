//! Pure: what a reader, or a group of readers, saw of one topic.

use super::numbers::Numbers;
use super::sent::Sent;
use super::stamp::{Carrier, Reading, Stamp};
use super::verdict::{Place, Verdict};
use std::collections::BTreeMap;

/// Books every record that was read of one topic.
///
/// It takes two bits a record, and a little for each pair of source and partition.
#[derive(Debug)]
pub(crate) struct Ledger {
    run: u32,
    partitions: BTreeMap<i32, Partition>,
    seen: BTreeMap<u32, Numbers>,
    counts: Verdict,
}

#[derive(Debug, Default)]
struct Partition {
    offsets: Numbers,
    last_offset: Option<i64>,
    /// The highest sequence of each source.
    last: BTreeMap<u32, u64>,
}

/// What a record turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// Seen for the first time.
    First(Stamp),
    /// Seen for the first time, but after one it should have come before.
    Reordered(Stamp),
    /// It was seen at another offset: the log has it twice.
    Duplicate(Stamp),
    /// This offset was handed out before.
    Again,
    /// It is not what was sent.
    Corrupt,
    /// It is not of this run.
    Foreign,
}

impl Ledger {
    /// An empty one for the records of a run.
    pub(crate) fn new(run: u32) -> Self {
        let (partitions, seen) = (BTreeMap::new(), BTreeMap::new());
        Self { run, partitions, seen, counts: Verdict::default() }
    }

    /// Books a record.
    pub(crate) fn saw(&mut self, partition: i32, offset: i64, record: Carrier<'_>) -> Sighting {
        let sighting = self.judge(partition, offset, record);
        let counts = &mut self.counts;
        match sighting {
            Sighting::First(_) => return sighting,
            Sighting::Again => counts.read_again += 1,
            Sighting::Foreign => counts.foreign += 1,
            Sighting::Reordered(_) => counts.reordered += 1,
            Sighting::Duplicate(_) => counts.duplicated += 1,
            Sighting::Corrupt => counts.corrupted += 1,
        }
        if !matches!(sighting, Sighting::Again | Sighting::Foreign) {
            counts.first_trouble.get_or_insert(Place { partition, offset });
        }
        sighting
    }

    fn judge(&mut self, partition: i32, offset: i64, record: Carrier<'_>) -> Sighting {
        let stamp = match Stamp::read(record) {
            Reading::Whole(stamp) if stamp.run == self.run => stamp,
            Reading::Whole(_) | Reading::Bare => return Sighting::Foreign,
            Reading::Damaged => return Sighting::Corrupt,
        };
        let partition = self.partitions.entry(partition).or_default();
        // No offset is negative; one that were would be a number of its own all the same.
        if !partition.offsets.insert(offset as u64) {
            return Sighting::Again;
        }
        let before =
            partition.last_offset.replace(partition.last_offset.unwrap_or(offset).max(offset));
        if !self.seen.entry(stamp.source).or_default().insert(stamp.sequence) {
            return Sighting::Duplicate(stamp);
        }
        let last = partition.last.entry(stamp.source).or_insert(stamp.sequence);
        let late = stamp.sequence < *last || before.is_some_and(|before| offset < before);
        *last = stamp.sequence.max(*last);
        if late { Sighting::Reordered(stamp) } else { Sighting::First(stamp) }
    }

    /// How many different records of the run were seen.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.values().map(Numbers::len).sum()
    }

    /// Whether everything that was acknowledged has been seen: then there is nothing to wait for.
    pub(crate) fn has_all(&self, sent: &Sent) -> bool {
        // Counting is quick and mostly says no; only what was not acknowledged makes a search necessary.
        self.seen() >= sent.acknowledged() && sent.missing(&self.seen).next().is_none()
    }

    /// What it comes to, given what was sent.
    pub(crate) fn verdict(&self, sent: &Sent) -> Verdict {
        let mut lost = sent.missing(&self.seen);
        let first_lost = lost.next();
        Verdict {
            sent: sent.count(),
            acknowledged: sent.acknowledged(),
            seen: self.seen(),
            lost: u64::from(first_lost.is_some()) + lost.count() as u64,
            first_lost,
            ..self.counts
        }
    }
}

#[cfg(test)]
mod tests;
