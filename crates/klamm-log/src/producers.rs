//! Pure: what a log knows of the producers that wrote to it: their last batches, and the transactions they have open
//! (Kafka's ProducerStateManager).

use klamm_protocol::record_batch::{BatchHeader, ControlType};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Batches remembered for each producer: as many as it may have in flight, so that every retry is recognised.
const WINDOW: usize = 5;

/// A batch that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) timestamp: i64,
}

/// One producer's state in this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: i64,
    pub(crate) transaction_start: Option<i64>,
    pub(crate) batches: VecDeque<Seen>,
}

/// A producer as DescribeProducers shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerInfo {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Sequence number of its last record; -1 when none is remembered.
    pub last_sequence: i32,
    /// When it wrote last, in ms since 1970.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker; -1 before the first.
    pub coordinator_epoch: i32,
    /// First offset of the transaction it has open.
    pub transaction_start: Option<i64>,
}

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// Its first record in this log.
    pub first_offset: i64,
    /// The offset of the marker that aborted it.
    pub last_offset: i64,
    /// Below this everything was decided when it ended.
    pub last_stable_offset: i64,
}

/// Why a batch does not follow from what a producer wrote before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// It is there already; a retry whose first answer was lost.
    #[error("the batch is at offset {base_offset} already")]
    Duplicate {
        /// Where it is.
        base_offset: i64,
        /// Where it ends.
        last_offset: i64,
        /// Its largest timestamp.
        timestamp: i64,
    },
    /// A batch between it and the last one is missing.
    #[error("sequence {got} does not follow {last}")]
    OutOfOrder {
        /// The batch's first sequence number.
        got: i32,
        /// The last one appended; -1 before the first.
        last: i32,
    },
    /// A newer instance of the producer has written, or ended a transaction.
    #[error("epoch {got} of the producer is over, {current} is in force")]
    StaleEpoch {
        /// The batch's epoch.
        got: i16,
        /// The one in force.
        current: i16,
    },
    /// A batch outside of a transaction while the producer has one open.
    #[error("the producer has a transaction open, and this batch is not part of it")]
    NotTransactional,
    /// A marker of a coordinator that is no longer in charge.
    #[error("a newer coordinator has written a marker")]
    StaleCoordinator,
}

/// All producers of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    pub(crate) entries: BTreeMap<i64, Entry>,
    /// Open transactions: first offset, then producer id.
    open: BTreeMap<i64, i64>,
    pub(crate) aborted: Vec<AbortedTransaction>,
}

impl Producers {
    /// Whether this batch of data may follow.
    pub(crate) fn check(&self, header: &BatchHeader) -> Result<(), SequenceError> {
        let Some(entry) = self.entries.get(&header.producer_id) else { return Ok(()) };
        if header.producer_id < 0 {
            return Ok(());
        }
        if let Some(seen) = entry.find(header) {
            let Seen { base_offset, last_offset, timestamp, .. } = seen;
            return Err(SequenceError::Duplicate { base_offset, last_offset, timestamp });
        }
        if header.producer_epoch < entry.epoch {
            let (got, current) = (header.producer_epoch, entry.epoch);
            return Err(SequenceError::StaleEpoch { got, current });
        }
        if entry.transaction_start.is_some() && !header.attributes.is_transactional() {
            return Err(SequenceError::NotTransactional);
        }
        let last = entry.batches.back().map_or(-1, |seen| seen.last_sequence);
        let (got, new_epoch) = (header.base_sequence, header.producer_epoch > entry.epoch);
        let follows = match new_epoch {
            true => got == 0,
            // With its batches gone, by retention or with its last transaction, a producer goes on where it was.
            false => last == -1 || got == next_sequence(last),
        };
        if follows { Ok(()) } else { Err(SequenceError::OutOfOrder { got, last }) }
    }

    /// Whether this marker may be written. With `tv2` its epoch has to be above the producer's: one that is not would end
    /// the transaction after its own.
    pub(crate) fn check_marker(
        &self,
        header: &BatchHeader,
        coordinator_epoch: i32,
        tv2: bool,
    ) -> Result<(), SequenceError> {
        let Some(entry) = self.entries.get(&header.producer_id) else { return Ok(()) };
        let (got, current) = (header.producer_epoch, entry.epoch);
        // With nothing open it is the same marker again, and after the last epoch there is no higher one.
        let again = entry.transaction_start.is_none() || got == i16::MAX;
        if got < current || (tv2 && got == current && !again) {
            return Err(SequenceError::StaleEpoch { got, current });
        }
        if coordinator_epoch < entry.coordinator_epoch {
            return Err(SequenceError::StaleCoordinator);
        }
        Ok(())
    }

    /// Notes a batch of data that is in the log.
    pub(crate) fn append(&mut self, header: &BatchHeader) {
        if header.producer_id < 0 {
            return;
        }
        let entry = self
            .entries
            .entry(header.producer_id)
            .or_insert_with(|| Entry::new(header.producer_epoch));
        if entry.epoch != header.producer_epoch {
            entry.epoch = header.producer_epoch;
            entry.batches.clear();
        }
        entry.last_timestamp = header.max_timestamp;
        if header.base_sequence >= 0 {
            if entry.batches.len() == WINDOW {
                entry.batches.pop_front();
            }
            entry.batches.push_back(seen(header));
        }
        if header.attributes.is_transactional() && entry.transaction_start.is_none() {
            entry.transaction_start = Some(header.base_offset);
            self.open.insert(header.base_offset, header.producer_id);
        }
    }

    /// Notes a marker that is in the log.
    pub(crate) fn end_transaction(
        &mut self,
        header: &BatchHeader,
        outcome: ControlType,
        coordinator_epoch: i32,
    ) {
        let entry = self
            .entries
            .entry(header.producer_id)
            .or_insert_with(|| Entry::new(header.producer_epoch));
        if entry.epoch != header.producer_epoch {
            entry.epoch = header.producer_epoch;
            entry.batches.clear();
        }
        entry.coordinator_epoch = coordinator_epoch;
        entry.last_timestamp = header.max_timestamp;
        let Some(first_offset) = entry.transaction_start.take() else { return };
        self.open.remove(&first_offset);
        if outcome == ControlType::Abort {
            let last_offset = header.base_offset;
            self.aborted.push(AbortedTransaction {
                producer_id: header.producer_id,
                first_offset,
                last_offset,
                last_stable_offset: self.first_open().unwrap_or(last_offset + 1),
            });
        }
    }

    /// First offset of the oldest open transaction.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    /// The aborted transactions that have records from `from` up to `upto`.
    pub(crate) fn aborted_between(&self, from: i64, upto: i64) -> Vec<AbortedTransaction> {
        let overlaps = |t: &&AbortedTransaction| t.last_offset >= from && t.first_offset < upto;
        let mut found: Vec<_> = self.aborted.iter().filter(overlaps).copied().collect();
        found.sort_by_key(|transaction| transaction.first_offset);
        found
    }

    /// Kafka's `.txnindex` of the segment with these offsets: a version of 16 bits, then producer id, first offset, last offset
    /// and last stable offset of every transaction that was aborted in it.
    pub(crate) fn transaction_index(&self, offsets: Range<i64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for t in self.aborted.iter().filter(|t| offsets.contains(&t.last_offset)) {
            bytes.extend_from_slice(&0_i16.to_be_bytes());
            for number in [t.producer_id, t.first_offset, t.last_offset, t.last_stable_offset] {
                bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
        bytes
    }

    /// Forgets producers that have been idle for `expiration_ms`, unless they have a transaction open.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.entries.retain(|_, entry| {
            entry.transaction_start.is_some() || now_ms - entry.last_timestamp < expiration_ms
        });
    }

    /// Forgets aborted transactions whose records are gone.
    pub(crate) fn start_at(&mut self, offset: i64) {
        self.aborted.retain(|transaction| transaction.last_offset >= offset);
    }

    pub(crate) fn describe(&self) -> impl Iterator<Item = ProducerInfo> {
        self.entries.iter().map(|(&producer_id, entry)| ProducerInfo {
            producer_id,
            epoch: entry.epoch,
            last_sequence: entry.batches.back().map_or(-1, |seen| seen.last_sequence),
            last_timestamp: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            transaction_start: entry.transaction_start,
        })
    }

    /// Puts back an entry that was saved.
    pub(crate) fn restore(&mut self, producer_id: i64, entry: Entry) {
        if let Some(start) = entry.transaction_start {
            self.open.insert(start, producer_id);
        }
        self.entries.insert(producer_id, entry);
    }
}

impl Entry {
    fn new(epoch: i16) -> Self {
        Self {
            epoch,
            coordinator_epoch: -1,
            last_timestamp: -1,
            transaction_start: None,
            batches: VecDeque::with_capacity(WINDOW),
        }
    }

    fn find(&self, header: &BatchHeader) -> Option<Seen> {
        let same = |seen: &&Seen| {
            seen.first_sequence == header.base_sequence
                && seen.last_sequence == last_sequence(header)
        };
        self.batches.iter().find(same).filter(|_| self.epoch == header.producer_epoch).copied()
    }
}

fn seen(header: &BatchHeader) -> Seen {
    Seen {
        first_sequence: header.base_sequence,
        last_sequence: last_sequence(header),
        base_offset: header.base_offset,
        last_offset: header.base_offset + i64::from(header.last_offset_delta),
        timestamp: header.max_timestamp,
    }
}

/// Sequence numbers go back to 0 behind the largest `i32`.
fn next_sequence(last: i32) -> i32 {
    last.checked_add(1).unwrap_or(0)
}

fn last_sequence(header: &BatchHeader) -> i32 {
    let last = i64::from(header.base_sequence) + i64::from(header.last_offset_delta);
    i32::try_from(last & i64::from(i32::MAX)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_protocol::record_batch::Attributes;

    fn batch(sequence: i32, count: i32, offset: i64) -> BatchHeader {
        BatchHeader {
            producer_id: 7,
            producer_epoch: 3,
            base_sequence: sequence,
            last_offset_delta: count - 1,
            records_count: count,
            base_offset: offset,
            ..BatchHeader::default()
        }
    }

    fn transactional(mut header: BatchHeader) -> BatchHeader {
        header.attributes = Attributes::default().transactional();
        header
    }

    fn written(batches: &[BatchHeader]) -> Producers {
        let mut producers = Producers::default();
        for header in batches {
            assert_eq!(producers.check(header), Ok(()), "{header:?}");
            producers.append(header);
        }
        producers
    }

    #[test]
    fn duplicate_returns_original_offset_for_each_of_the_last_five() {
        let batches: Vec<_> = (0..6).map(|n| batch(n * 2, 2, 100 + i64::from(n) * 2)).collect();
        let producers = written(&batches);
        for header in &batches[1..] {
            let base_offset = header.base_offset;
            let again = producers.check(&BatchHeader { base_offset: 0, ..*header });
            let expected = SequenceError::Duplicate {
                base_offset,
                last_offset: base_offset + 1,
                timestamp: 0,
            };
            assert_eq!(again, Err(expected));
        }
        let sixth = producers.check(&batches[0]);
        assert_eq!(sixth, Err(SequenceError::OutOfOrder { got: 0, last: 11 }));
    }

    #[test]
    fn sequences_follow_each_other_and_wrap() {
        let producers = written(&[batch(i32::MAX - 1, 3, 0)]);
        assert_eq!(producers.check(&batch(1, 1, 3)), Ok(()), "MAX - 1, MAX, 0, then 1");
        assert!(producers.check(&batch(2, 1, 3)).is_err());
        assert!(
            written(&[batch(40, 1, 0)]).check(&batch(40, 2, 1)).is_err(),
            "no retry: another length"
        );
    }

    #[test]
    fn epochs_fence_and_begin_at_zero() {
        let producers = written(&[batch(0, 1, 0)]);
        let epoch =
            |producer_epoch, sequence| BatchHeader { producer_epoch, ..batch(sequence, 1, 1) };
        let stale = producers.check(&epoch(2, 1));
        assert_eq!(stale, Err(SequenceError::StaleEpoch { got: 2, current: 3 }));
        assert_eq!(producers.check(&epoch(4, 0)), Ok(()));
        assert!(producers.check(&epoch(4, 1)).is_err());
    }

    #[test]
    fn a_marker_of_the_second_protocol_ends_no_later_transaction() {
        let open = written(&[transactional(batch(0, 1, 0))]);
        let mut ended = open.clone();
        let marker = |producer_epoch| BatchHeader { producer_epoch, ..batch(-1, 1, 1) };
        ended.end_transaction(&marker(4), ControlType::Commit, 0);
        let mut next = ended.clone();
        next.append(&BatchHeader { producer_epoch: 4, ..transactional(batch(0, 1, 2)) });
        let mut last = Producers::default();
        last.append(&BatchHeader { producer_epoch: i16::MAX, ..transactional(batch(0, 1, 0)) });
        for (producers, epoch, first, second) in [
            (&open, 2, false, false),
            // The epoch of the records is no end of theirs, and one above it is.
            (&open, 3, true, false),
            (&open, 4, true, true),
            (&ended, 3, false, false),
            // The same marker again, after an answer that was lost.
            (&ended, 4, true, true),
            (&ended, 5, true, true),
            // And again when the transaction after it is open.
            (&next, 4, true, false),
            (&next, 5, true, true),
            // There is no higher one.
            (&last, i16::MAX, true, true),
        ] {
            for (tv2, fits) in [(false, first), (true, second)] {
                let found = producers.check_marker(&marker(epoch), 0, tv2).is_ok();
                assert_eq!(found, fits, "{epoch}, tv2: {tv2}, {producers:?}");
            }
        }
    }

    #[test]
    fn transactions_open_and_end() {
        let mut producers = written(&[transactional(batch(0, 2, 10))]);
        assert_eq!(producers.first_open(), Some(10));
        assert_eq!(producers.check(&batch(2, 1, 12)), Err(SequenceError::NotTransactional));
        let marker = BatchHeader { base_sequence: -1, ..batch(0, 1, 12) };
        producers.end_transaction(&marker, ControlType::Abort, 0);
        assert_eq!(producers.first_open(), None);
        let aborted = producers.aborted_between(0, 11);
        assert_eq!((aborted[0].first_offset, aborted[0].last_offset), (10, 12));
        assert!(
            producers.aborted_between(13, 20).is_empty()
                && producers.aborted_between(0, 10).is_empty()
        );
        assert_eq!(producers.check(&transactional(batch(2, 1, 13))), Ok(()), "sequences go on");
        producers.end_transaction(&marker, ControlType::Abort, 0);
        assert_eq!(producers.aborted.len(), 1, "a second marker ends nothing");
    }

    #[test]
    fn idle_producers_are_forgotten_unless_they_have_a_transaction_open() {
        let mut producers = written(&[batch(0, 1, 0)]);
        producers.append(&transactional(BatchHeader { producer_id: 8, ..batch(0, 1, 1) }));
        producers.expire(1000, 1000);
        assert_eq!(producers.describe().map(|p| p.producer_id).collect::<Vec<_>>(), [8]);
        assert_eq!(producers.check(&batch(55, 1, 2)), Ok(()), "nothing is known of it any more");
    }
}
