//! Every record that is read is checked against the ledger, by whichever reader it comes to.

use super::handover::{Handover, Orphans};
use super::outcome::ReadAgain;
use super::readings::Readings;
use super::view::Faults;
use crate::verify::{Carrier, Ledger, Sent, Sighting, Verdict};
use klamm::Batch;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The ledger of one reader, or of a group that shares the partitions.
#[derive(Debug)]
pub(super) struct Checker {
    readings: Arc<Readings>,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    ledger: Ledger,
    handover: Handover,
    faults: Faults,
    /// When the records of the batch in hand were due; kept for its memory.
    due: Vec<u64>,
    /// The bytes of their values.
    bytes: u64,
}

impl Checker {
    pub(super) fn new(run: u32, readings: &Arc<Readings>) -> Self {
        let book = Book {
            ledger: Ledger::new(run),
            handover: Handover::default(),
            faults: Faults::default(),
            due: Vec::new(),
            bytes: 0,
        };
        Self { readings: Arc::clone(readings), book: Mutex::new(book) }
    }

    /// Checks what a member was handed just now.
    pub(super) fn check(&self, member: usize, batch: &Batch) {
        let now = Instant::now();
        self.with(|book| {
            book.due.clear();
            book.bytes = 0;
            for record in batch {
                let carrier = Carrier { key: record.key(), value: record.value(), header: None };
                book.note(batch.partition(), record.offset(), carrier);
            }
            let (next, end) = (batch.next_offset(), batch.high_watermark());
            let late = book.handover.read(member, batch.partition(), next, next >= end);
            self.readings.count(now, &book.due, book.bytes, late);
        });
    }

    /// A member was killed.
    pub(super) fn killed(&self, member: usize) {
        self.with(|book| book.handover.killed(member));
    }

    /// Nobody has these partitions since.
    pub(super) fn orphaned(&self, partitions: impl IntoIterator<Item = i32>) {
        self.with(|book| book.handover.orphaned(partitions));
    }

    /// What the group had committed of a partition when its member was killed.
    pub(super) fn committed(&self, partition: i32, offset: i64) {
        self.with(|book| book.handover.committed(partition, offset));
    }

    /// Members have these partitions.
    pub(super) fn assigned(&self, partitions: &[i32]) {
        self.with(|book| book.handover.assigned(partitions));
    }

    /// Where the logs ended when all were taken over.
    pub(super) fn ended_at(&self, ends: &BTreeMap<i32, i64>) {
        self.with(|book| book.handover.ended_at(ends));
    }

    /// The killed member's partitions, what was counted against the readers, and what was read again.
    pub(super) fn state(&self) -> (Orphans, Faults, ReadAgain) {
        self.with(|book| (book.handover.orphans(), book.faults, book.handover.counts()))
    }

    /// Whether everything that was acknowledged has been read, and every partition to its end.
    pub(super) fn has_all(&self, sent: &Sent, ends: &BTreeMap<i32, i64>) -> bool {
        self.with(|book| book.ledger.has_all(sent) && book.handover.has_reached(ends))
    }

    /// What it comes to.
    pub(super) fn verdict(&self, sent: &Sent) -> Verdict {
        self.with(|book| book.ledger.verdict(sent))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Book) -> R) -> R {
        f(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Book {
    fn note(&mut self, partition: i32, offset: i64, record: Carrier<'_>) {
        let sighting = self.ledger.saw(partition, offset, record);
        if let Sighting::First(stamp) | Sighting::Reordered(stamp) = sighting {
            self.due.push(stamp.sent);
            self.bytes += record.value.map_or(0, <[u8]>::len) as u64;
        }
        match sighting {
            Sighting::First(_) => {}
            Sighting::Reordered(_) => self.faults.reordered += 1,
            Sighting::Duplicate(_) => self.faults.duplicated += 1,
            Sighting::Again => {
                self.handover.again(partition, offset);
                self.faults.read_again += 1;
            }
            // The topic is this run's own: nobody else writes into it.
            Sighting::Corrupt | Sighting::Foreign => self.faults.corrupted += 1,
        }
    }
}
