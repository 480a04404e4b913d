//! Pure: what stays of a batch.
//!
//! A tombstone, and the marker of a transaction of which nothing else is left, get a horizon when compaction meets them
//! first, and go when that is past: readers that are underway see them until then. The horizon stands in the base timestamp
//! of their batch.

use super::latest::{Latest, plain};
use super::work::invalid;
use crate::config::LogConfig;
use crate::producers::Producers;
use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression};
use klamm_protocol::record_batch::{
    Attributes, BatchHeader, Header, Record, RecordBatch, RecordParts, encode_record,
    encoded_record_len,
};
use std::collections::BTreeSet;
use std::io;

/// Set in the attributes when the base timestamp is a horizon.
const DELETE_HORIZON: i16 = 1 << 6;

/// What stays of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// All of it, as it is.
    Whole,
    /// This in its place.
    Part(Bytes),
    Nothing,
}

/// Decides about one batch after the other, in order of offsets.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) latest: Latest,
    /// Batches that keep the state of a producer: the last of each, by offset.
    last_batches: BTreeSet<i64>,
    /// Producers without a batch, whose last marker keeps their epoch.
    last_epochs: BTreeSet<(i64, i16)>,
    /// Producers of whose open transaction a batch was seen.
    in_transaction: BTreeSet<i64>,
    upto: i64,
    now_ms: i64,
    delete_retention_ms: i64,
    removed: u64,
    removed_markers: BTreeSet<i64>,
}

impl Filter {
    pub(super) fn new(
        latest: Latest,
        producers: &Producers,
        upto: i64,
        now_ms: i64,
        config: &LogConfig,
    ) -> Self {
        let (mut last_batches, mut last_epochs) = (BTreeSet::new(), BTreeSet::new());
        for (&id, entry) in &producers.entries {
            match entry.batches.back() {
                Some(seen) => last_batches.insert(seen.last_offset),
                None => last_epochs.insert((id, entry.epoch)),
            };
        }
        Self {
            latest,
            last_batches,
            last_epochs,
            in_transaction: BTreeSet::new(),
            upto,
            now_ms,
            delete_retention_ms: config.delete_retention_ms,
            removed: 0,
            removed_markers: BTreeSet::new(),
        }
    }

    pub(super) fn removed(&self) -> u64 {
        self.removed
    }

    /// Offsets of markers that are gone, and with them their transactions.
    pub(super) fn removed_markers(&self) -> &BTreeSet<i64> {
        &self.removed_markers
    }

    /// What stays of the next batch.
    pub(super) fn keep(&mut self, batch: &RecordBatch) -> io::Result<Kept> {
        let header = *batch.header();
        let horizon = header.attributes.has_delete_horizon().then_some(header.base_timestamp);
        let past = horizon.is_some_and(|horizon| horizon <= self.now_ms);
        if header.attributes.is_control() {
            return self.keep_marker(batch, horizon, past);
        }
        if header.attributes.is_transactional() {
            self.in_transaction.insert(header.producer_id);
        }
        let (aborted, plain) = (self.latest.is_aborted(batch), plain(batch)?);
        let mut records = Vec::new();
        for record in plain.records() {
            let record = record.map_err(invalid)?;
            if !aborted && self.stays(&record, past) {
                records.push(record);
            }
        }
        self.removed += removed(&header, records.len());
        if records.is_empty() {
            return Ok(self.emptied(&header));
        }
        let tombstones = records.iter().any(|record| record.value.is_none());
        let new_horizon = horizon.is_none() && tombstones;
        if !new_horizon && removed(&header, records.len()) == 0 {
            return Ok(Kept::Whole);
        }
        let horizon = if new_horizon { self.horizon() } else { horizon };
        rewritten(&header, horizon, &records).map(Kept::Part)
    }

    fn horizon(&self) -> Option<i64> {
        Some(self.now_ms.saturating_add(self.delete_retention_ms))
    }

    /// A marker stays while batches of its transaction do, and then until its horizon.
    fn keep_marker(
        &mut self,
        batch: &RecordBatch,
        horizon: Option<i64>,
        past: bool,
    ) -> io::Result<Kept> {
        let header = *batch.header();
        let alone = !self.in_transaction.remove(&header.producer_id);
        let empty = header.records_count == 0;
        if empty || (alone && past) {
            self.removed += removed(&header, 0);
            self.removed_markers.insert(header.base_offset);
            return Ok(self.emptied(&header));
        }
        if !alone || horizon.is_some() {
            return Ok(Kept::Whole);
        }
        let records: Vec<_> = batch.records().collect::<Result<_, _>>().map_err(invalid)?;
        rewritten(&header, self.horizon(), &records).map(Kept::Part)
    }

    fn stays(&self, record: &Record<'_>, past: bool) -> bool {
        if self.latest.is_unknown(record.offset) {
            return true;
        }
        // A record without a key has no place in a compacted log.
        let Some(key) = record.key else { return false };
        !self.latest.is_superseded(key, record.offset) && (record.value.is_some() || !past)
    }

    /// A batch of which no record is left: it stays, empty, when it is the last that a producer wrote, or the last that was
    /// compacted, so that sequence and offsets go on where they were.
    fn emptied(&self, header: &BatchHeader) -> Kept {
        let last_offset = header.base_offset + i64::from(header.last_offset_delta);
        let by_epoch = header.attributes.is_control()
            && self.last_epochs.contains(&(header.producer_id, header.producer_epoch));
        let of_producer =
            header.producer_id >= 0 && (self.last_batches.contains(&last_offset) || by_epoch);
        if !of_producer && last_offset + 1 != self.upto {
            return Kept::Nothing;
        }
        if header.records_count == 0 {
            return Kept::Whole;
        }
        let attributes = header.attributes.with_codec(Codec::None).0 & !DELETE_HORIZON;
        let mut header = BatchHeader {
            attributes: Attributes(attributes),
            base_timestamp: header.max_timestamp,
            records_count: 0,
            ..*header
        };
        Kept::Part(Bytes::copy_from_slice(&header.seal(&[])))
    }
}

fn removed(header: &BatchHeader, kept: usize) -> u64 {
    u64::try_from(header.records_count).unwrap_or(0).saturating_sub(kept as u64)
}

/// The batch with these records alone, compressed as before, and with a horizon when there is one.
fn rewritten(
    original: &BatchHeader,
    horizon: Option<i64>,
    records: &[Record<'_>],
) -> io::Result<Bytes> {
    let mut header = *original;
    if let Some(horizon) = horizon {
        header.attributes = Attributes(header.attributes.0 | DELETE_HORIZON);
        header.base_timestamp = horizon;
    }
    header.records_count = i32::try_from(records.len()).map_err(invalid)?;
    if !header.attributes.is_log_append_time() {
        let newest = records.iter().map(|record| record.timestamp).max();
        header.max_timestamp = newest.unwrap_or(header.max_timestamp);
    }
    let mut body = Vec::new();
    for record in records {
        encode(&header, record, &mut body)?;
    }
    let codec = header.attributes.codec().unwrap_or(Codec::None);
    let mut body = Bytes::from(body);
    if codec != Codec::None {
        let mut out = Vec::new();
        Compression::from(codec).compress(&[body], &mut out).map_err(invalid)?;
        body = out.into();
    }
    let head = header.seal(std::slice::from_ref(&body));
    Ok([&head[..], &body].concat().into())
}

fn encode(header: &BatchHeader, record: &Record<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    let headers: Vec<_> = record.raw_headers().collect();
    // Names that are no UTF-8 cannot be written again by the encoder.
    let headers = headers.iter().map(|(name, value)| {
        std::str::from_utf8(name).map(|key| Header { key, value: *value }).map_err(invalid)
    });
    let headers: Vec<_> = headers.collect::<Result<_, _>>()?;
    let parts = RecordParts {
        timestamp_delta: record.timestamp.wrapping_sub(header.base_timestamp),
        offset_delta: i32::try_from(record.offset - header.base_offset).map_err(invalid)?,
        key: record.key,
        value: record.value,
        headers: &headers,
    };
    let start = out.len();
    out.resize(start + encoded_record_len(&parts), 0);
    encode_record(&mut out[start..], &parts).map(drop).ok_or_else(|| invalid("record too large"))
}
