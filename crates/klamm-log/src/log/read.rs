//! Finding batches by offset and by time.

use super::Log;
use crate::error::ReadError;
use crate::producers::AbortedTransaction;
use crate::segment::{Located, Segment};
use crate::storage::StorageFile;
use bytes::Bytes;
use klamm_protocol::record_batch::RecordBatch;
use std::io;
use std::sync::Arc;

/// The most a batch may hold when it is decompressed to look for a timestamp.
const MAX_DECOMPRESSED_BYTES: usize = 256 * 1024 * 1024;
/// What is passed is evicted in pieces of so many bytes, which lie at multiples of it: each takes a system call, which may have
/// to wait for what other processors have to do with the pages. It is less than a system reads ahead.
const EVICT_BYTES: u64 = 4 * 1024 * 1024;

/// Whole batches that stand one after the other in one file; not read yet.
#[derive(Debug, Clone, Default)]
pub struct Slices {
    file: Option<Arc<dyn StorageFile>>,
    position: u64,
    len: usize,
    end_offset: i64,
}

impl Slices {
    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The offset behind the last record.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Reads them. Needs no lock, and still works when their segment was deleted in the meantime: while somebody has these,
    /// nothing writes over the bytes, in whatever way the log goes on.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn load(&self) -> io::Result<Vec<Bytes>> {
        match &self.file {
            Some(file) if self.len > 0 => file.read_at(self.position, self.len),
            _ => Ok(Vec::new()),
        }
    }

    /// The same for who reads a log once, from front to back, and may be far behind its end: what was passed is evicted, so
    /// that the memory it took in the system is at once that of what is read next.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn load_passing(&self) -> io::Result<Vec<Bytes>> {
        let parts = self.load()?;
        if let Some(file) = &self.file {
            let end = self.position + self.len as u64;
            let passed = self.position / EVICT_BYTES * EVICT_BYTES..end / EVICT_BYTES * EVICT_BYTES;
            file.evict(passed);
        }
        Ok(parts)
    }

    /// Whether [`Slices::load`] takes no memory: what it gives is kept there anyway.
    pub fn is_in_memory(&self) -> bool {
        self.file.as_ref().is_none_or(|file| file.is_in_memory())
    }

    /// Fills `buffer` with their bytes from `at` on, under the same promise as [`Slices::load`].
    ///
    /// # Errors
    /// `UnexpectedEof` when there are not as many, and those of the storage.
    pub fn read_into(&self, at: usize, buffer: &mut [u8]) -> io::Result<()> {
        let is_there = at.checked_add(buffer.len()).is_some_and(|end| end <= self.len);
        match &self.file {
            Some(file) if is_there => file.read_into(self.position + at as u64, buffer),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Log {
    /// Whether the storage keeps it in memory: what is read is shared with it.
    pub fn is_in_memory(&self) -> bool {
        self.active().file.is_in_memory()
    }

    /// Finds batches from the one that holds `from` on, all below `upto`, at most `max_bytes` of them - but always one
    /// when `at_least_one`. None when there is nothing between the two.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] when `from` is before the start or behind the end, and those of the storage.
    pub fn locate(
        &self,
        from: i64,
        upto: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Slices, ReadError> {
        let (start, end) = (self.start_offset, self.end_offset());
        if from < start || from > end {
            return Err(ReadError::OutOfRange { offset: from, start, end });
        }
        if from >= upto {
            return Ok(Slices { end_offset: from, ..Slices::default() });
        }
        let first = self.segment_of(from);
        for segment in &self.segments[first..] {
            let Some(batch) = first_with(segment, from)? else { continue };
            if batch.header.base_offset >= upto {
                break;
            }
            return Ok(slices(segment, &batch, upto, max_bytes, at_least_one)?);
        }
        Ok(Slices { end_offset: from, ..Slices::default() })
    }

    /// Index of the last segment that begins at or before an offset.
    pub(super) fn segment_of(&self, offset: i64) -> usize {
        let after = self.segments.partition_point(|segment| segment.base_offset <= offset);
        after.saturating_sub(1)
    }

    /// The aborted transactions that a reader of these offsets has to know.
    pub fn aborted_transactions(&self, from: i64, upto: i64) -> Vec<AbortedTransaction> {
        self.producers.aborted_between(from, upto)
    }

    /// The first record that is not older: its offset and timestamp.
    ///
    /// # Errors
    /// Those of the storage, and [`ReadError::Damaged`].
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<(i64, i64)>, ReadError> {
        for segment in self.segments.iter().filter(|segment| segment.max_timestamp >= timestamp) {
            for batch in segment.batches(segment.floor_of_timestamp(timestamp)) {
                let batch = batch?;
                if batch.header.max_timestamp < timestamp
                    || batch.next_offset() <= self.start_offset
                {
                    continue;
                }
                let wanted = |offset, time| offset >= self.start_offset && time >= timestamp;
                if let Some(found) = first_record(segment, &batch, wanted)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The record with the largest timestamp, the first of several: its offset and timestamp.
    ///
    /// # Errors
    /// Those of the storage, and [`ReadError::Damaged`].
    pub fn offset_of_max_timestamp(&self) -> Result<Option<(i64, i64)>, ReadError> {
        let largest = self.segments.iter().map(|segment| segment.max_timestamp).max();
        match largest {
            Some(timestamp) if timestamp >= 0 => self.offset_for_timestamp(timestamp),
            _ => Ok(None),
        }
    }
}

/// The first batch of a segment that ends behind `offset`.
fn first_with(segment: &Segment, offset: i64) -> io::Result<Option<Located>> {
    for batch in segment.batches(segment.floor_of_offset(offset)) {
        let batch = batch?;
        if batch.next_offset() > offset {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

fn slices(
    segment: &Segment,
    first: &Located,
    upto: i64,
    max_bytes: usize,
    at_least_one: bool,
) -> io::Result<Slices> {
    let limit = first.position.saturating_add(max_bytes as u64);
    let found = |end: u64, end_offset| Slices {
        file: Some(segment.file.clone()),
        position: first.position,
        len: usize::try_from(end - first.position).unwrap_or(usize::MAX),
        end_offset,
    };
    if first.end() > limit {
        let (end, end_offset) = match at_least_one {
            true => (first.end(), first.next_offset()),
            false => (first.position, first.header.base_offset),
        };
        return Ok(found(end, end_offset));
    }
    if segment.len <= limit && segment.next_offset <= upto {
        return Ok(found(segment.len, segment.next_offset));
    }
    // The last batch before both limits: from the nearest mark before them, one by one. A mark before both is behind
    // batches that are, too.
    let near = segment.floor_of_offset(upto).min(segment.floor_of_position(limit));
    let (mut end, mut end_offset) = (first.end(), first.next_offset());
    for batch in segment.batches(near.max(first.position)) {
        let batch = batch?;
        if batch.position > end {
            (end, end_offset) = (batch.position, batch.header.base_offset);
        }
        if batch.end() > limit || batch.header.base_offset >= upto {
            break;
        }
        (end, end_offset) = (batch.end(), batch.next_offset());
    }
    Ok(found(end, end_offset))
}

/// The first record of a batch that is wanted, by offset and timestamp.
fn first_record(
    segment: &Segment,
    batch: &Located,
    wanted: impl Fn(i64, i64) -> bool,
) -> Result<Option<(i64, i64)>, ReadError> {
    let damaged =
        |error: klamm_protocol::record_batch::BatchError| ReadError::Damaged(error.to_string());
    let batch = RecordBatch::parse_without_checksum(segment.bytes(batch)?).map_err(damaged)?;
    let batch = batch.decompressed(MAX_DECOMPRESSED_BYTES).map_err(damaged)?;
    for record in batch.records() {
        let record = record.map_err(damaged)?;
        if wanted(record.offset, record.timestamp) {
            return Ok(Some((record.offset, record.timestamp)));
        }
    }
    Ok(None)
}
