//! Pure: where the last record of every key is.

use super::work::invalid;
use crate::producers::AbortedTransaction;
use klamm_protocol::compression::Codec;
use klamm_protocol::record_batch::RecordBatch;
use std::collections::{BTreeMap, HashMap};
use std::io;

/// Bytes of keys that are remembered in one compaction; what comes behind them waits for the next.
const MAX_KEY_BYTES: usize = 128 * 1024 * 1024;
/// What an entry costs beside its key.
const ENTRY_BYTES: usize = 64;
/// The most a batch may hold when it is decompressed.
const MAX_DECOMPRESSED_BYTES: usize = 256 * 1024 * 1024;

/// The last offset of every key.
#[derive(Debug)]
pub(super) struct Latest {
    offsets: HashMap<Box<[u8]>, i64>,
    key_bytes: usize,
    /// Records from here on have not been looked at.
    upto: i64,
    full: bool,
    /// First and last offsets of aborted transactions, by producer.
    aborted: BTreeMap<i64, Vec<(i64, i64)>>,
}

impl Latest {
    pub(super) fn new(aborted: &[AbortedTransaction]) -> Self {
        let mut by_producer: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        for transaction in aborted {
            let ranges = by_producer.entry(transaction.producer_id).or_default();
            ranges.push((transaction.first_offset, transaction.last_offset));
        }
        let (offsets, upto) = (HashMap::new(), i64::MIN);
        Self { offsets, key_bytes: 0, upto, full: false, aborted: by_producer }
    }

    /// Takes the keys of a batch that readers see.
    pub(super) fn note(&mut self, batch: &RecordBatch) -> io::Result<()> {
        if self.full {
            return Ok(());
        }
        if !batch.attributes().is_control() && !self.is_aborted(batch) {
            let plain = plain(batch)?;
            for record in plain.records() {
                let record = record.map_err(invalid)?;
                if let Some(key) = record.key {
                    self.insert(key, record.offset);
                }
            }
        }
        self.upto = batch.next_offset();
        // A batch is taken as a whole, so that the limit is passed by one batch at most.
        self.full = self.key_bytes > MAX_KEY_BYTES;
        Ok(())
    }

    fn insert(&mut self, key: &[u8], offset: i64) {
        match self.offsets.get_mut(key) {
            Some(latest) => *latest = offset,
            None => {
                self.key_bytes += key.len() + ENTRY_BYTES;
                self.offsets.insert(key.into(), offset);
            }
        }
    }

    /// Whether the batch belongs to a transaction that was aborted.
    pub(super) fn is_aborted(&self, batch: &RecordBatch) -> bool {
        let header = batch.header();
        let ranges = self.aborted.get(&header.producer_id);
        batch.attributes().is_transactional()
            && ranges.is_some_and(|ranges| {
                ranges.iter().any(|(first, last)| (first..=last).contains(&&header.base_offset))
            })
    }

    /// Whether a newer record with the same key is known.
    pub(super) fn is_superseded(&self, key: &[u8], offset: i64) -> bool {
        self.offsets.get(key).is_some_and(|&latest| latest > offset)
    }

    /// Whether this offset has not been looked at.
    pub(super) fn is_unknown(&self, offset: i64) -> bool {
        offset >= self.upto
    }
}

/// The batch with its records decompressed.
pub(super) fn plain(batch: &RecordBatch) -> io::Result<RecordBatch> {
    match batch.attributes().codec() {
        Some(Codec::None) => Ok(batch.clone()),
        _ => batch.decompressed(MAX_DECOMPRESSED_BYTES).map_err(invalid),
    }
}
