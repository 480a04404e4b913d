//! Bytes into records: a batch is checked as a whole, then its records are lent out.

use super::header::{
    Attributes, BATCH_HEADER_LEN, BatchHeader, CRC_FROM, LENGTH_FROM, MAGIC, checksum,
};
use crate::compression::{Codec, CodecError, decompress};
use bytes::Bytes;
use thiserror::Error;

/// Smallest record: a length, attributes, two deltas, two null lengths and a header count.
const RECORD_MIN_BYTES: usize = 7;

/// Why bytes are no record batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The checksum does not match: a bit flipped on the way or on a disk.
    #[error("batch at offset {base_offset}: checksum {computed:#010x} instead of {stored:#010x}")]
    Checksum {
        /// Base offset of the batch.
        base_offset: i64,
        /// What the header says.
        stored: u32,
        /// What the bytes say.
        computed: u32,
    },
    /// A format this build cannot read.
    #[error("record format v{0} is not known")]
    Magic(i8),
    /// Lengths or counts contradict each other.
    #[error("malformed batch at offset {base_offset}: {what}")]
    Malformed {
        /// Base offset of the batch.
        base_offset: i64,
        /// What is wrong.
        what: &'static str,
    },
    /// The records could not be decompressed.
    #[error("batch at offset {base_offset}: {error}")]
    Codec {
        /// Base offset of the batch.
        base_offset: i64,
        /// Why.
        error: CodecError,
    },
}

/// One batch in format v2 whose header is consistent with its bytes.
#[derive(Debug, Clone)]
pub struct RecordBatch {
    header: BatchHeader,
    records: Bytes,
}

/// What a control record says about a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlType {
    /// The transaction was aborted.
    Abort,
    /// The transaction was committed.
    Commit,
    /// A kind that concerns brokers only.
    Other(i16),
}

impl RecordBatch {
    /// Checks one whole batch: length, format and checksum.
    ///
    /// # Errors
    /// [`BatchError`] naming the batch's base offset.
    pub fn parse(bytes: Bytes) -> Result<Self, BatchError> {
        let Some(head) = bytes.first_chunk::<BATCH_HEADER_LEN>() else {
            return Err(BatchError::Malformed { base_offset: -1, what: "shorter than its header" });
        };
        let magic = i8::from_be_bytes([head[16]]);
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        let header = BatchHeader::read(head);
        let malformed = |what| Err(BatchError::Malformed { base_offset: header.base_offset, what });
        if usize::try_from(header.batch_length) != Ok(bytes.len() - LENGTH_FROM) {
            return malformed("its length is not that of its bytes");
        }
        let computed = checksum(&bytes[CRC_FROM..]);
        if computed != header.crc && !cfg!(fuzzing) {
            let (base_offset, stored) = (header.base_offset, header.crc);
            return Err(BatchError::Checksum { base_offset, stored, computed });
        }
        if header.records_count < 0 || header.last_offset_delta < 0 {
            return malformed("negative count");
        }
        let records = bytes.slice(BATCH_HEADER_LEN..);
        let fits = header.records_count as usize <= records.len() / RECORD_MIN_BYTES;
        if header.attributes.codec() == Some(Codec::None) && !fits {
            return malformed("more records than its bytes can hold");
        }
        Ok(Self { header, records })
    }

    /// The header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Its attributes.
    pub fn attributes(&self) -> Attributes {
        self.header.attributes
    }

    /// The offset after the last one of the batch; compaction may have removed the record itself.
    pub fn next_offset(&self) -> i64 {
        self.header
            .base_offset
            .saturating_add(i64::from(self.header.last_offset_delta))
            .saturating_add(1)
    }

    /// The record bytes as stored.
    pub fn raw_records(&self) -> &Bytes {
        &self.records
    }

    /// The same batch with its records decompressed, at most `cap` bytes of them.
    ///
    /// # Errors
    /// [`BatchError::Codec`]; [`BatchError::Malformed`] when the bytes cannot hold the claimed count.
    pub fn decompressed(&self, cap: usize) -> Result<Self, BatchError> {
        let base_offset = self.header.base_offset;
        let wrap = |error| BatchError::Codec { base_offset, error };
        let codec = self.attributes().codec().ok_or(wrap(CodecError::Unknown))?;
        let records = decompress(codec, &self.records, cap).map_err(wrap)?;
        if self.header.records_count as usize > records.len() / RECORD_MIN_BYTES {
            let what = "more records than its bytes can hold";
            return Err(BatchError::Malformed { base_offset, what });
        }
        let mut header = self.header;
        header.attributes = Attributes(header.attributes.0 & !0b111);
        Ok(Self { header, records })
    }

    /// Lends out the records in order; the batch must not be compressed any more.
    pub fn records(&self) -> RecordIter<'_> {
        RecordIter { header: self.header, rest: &self.records, left: self.header.records_count }
    }

    /// What a control batch says; `None` for a batch of data.
    pub fn control_type(&self) -> Option<ControlType> {
        if !self.attributes().is_control() {
            return None;
        }
        let key = self.records().next()?.ok()?.key?;
        let kind = i16::from_be_bytes(*key.get(2..)?.first_chunk::<2>()?);
        Some(match kind {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            other => ControlType::Other(other),
        })
    }
}

/// A record lent out by its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Create or append time, in ms since the epoch.
    pub timestamp: i64,
    /// Its key; null is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// Its value; null is not the same as empty.
    pub value: Option<&'a [u8]>,
    header_count: i32,
    headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// Its headers in order, duplicates and null values included.
    pub fn headers(&self) -> HeaderIter<'a> {
        HeaderIter { rest: self.headers, left: self.header_count }
    }
}

/// Iterates over the records of a batch; ends after the first malformed one.
#[derive(Debug, Clone)]
pub struct RecordIter<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    left: i32,
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let base_offset = self.header.base_offset;
        if self.left <= 0 {
            let trailing = !self.rest.is_empty();
            self.rest = &[];
            let what = "bytes after the last record";
            return trailing.then_some(Err(BatchError::Malformed { base_offset, what }));
        }
        self.left -= 1;
        match read_record(&self.header, &mut self.rest) {
            Some(record) => Some(Ok(record)),
            None => {
                (self.left, self.rest) = (0, &[]);
                Some(Err(BatchError::Malformed { base_offset, what: "malformed record" }))
            }
        }
    }
}

#[inline]
fn read_record<'a>(header: &BatchHeader, rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let len = usize::try_from(varint(rest)?).ok()?;
    let mut body = take(rest, len)?;
    take(&mut body, 1)?;
    let timestamp_delta = varlong(&mut body)?;
    let offset_delta = varint(&mut body)?;
    let key = field(&mut body)?;
    let value = field(&mut body)?;
    let header_count = varint(&mut body)?;
    if header_count != 0 {
        check_headers(header_count, body)?;
    } else if !body.is_empty() {
        return None;
    }
    let timestamp = if header.attributes.is_log_append_time() {
        header.max_timestamp
    } else {
        header.base_timestamp.wrapping_add(timestamp_delta)
    };
    let offset = header.base_offset.wrapping_add(i64::from(offset_delta));
    Some(Record { offset, timestamp, key, value, header_count, headers: body })
}

/// Walks over headers once, so that handing them out later cannot fail.
fn check_headers(count: i32, mut body: &[u8]) -> Option<()> {
    if count < 0 {
        return None;
    }
    for _ in 0..count {
        std::str::from_utf8(field(&mut body)??).ok()?;
        field(&mut body)?;
    }
    body.is_empty().then_some(())
}

/// Iterates over the headers of a record.
#[derive(Debug, Clone)]
pub struct HeaderIter<'a> {
    rest: &'a [u8],
    left: i32,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let key = std::str::from_utf8(field(&mut self.rest)??).ok()?;
        Some((key, field(&mut self.rest)?))
    }
}

#[inline]
fn take<'a>(from: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = from.split_at_checked(n)?;
    *from = tail;
    Some(head)
}

/// A length and as many bytes; -1 is null.
#[inline]
fn field<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match varint(from)? {
        -1 => Some(None),
        len => take(from, usize::try_from(len).ok()?).map(Some),
    }
}

#[inline]
fn varint(from: &mut &[u8]) -> Option<i32> {
    i32::try_from(varlong(from)?).ok()
}

#[inline]
fn varlong(from: &mut &[u8]) -> Option<i64> {
    let (&first, rest) = from.split_first()?;
    if first < 0x80 {
        *from = rest;
        return Some(unzigzag(u64::from(first)));
    }
    varlong_slow(from)
}

fn varlong_slow(from: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for i in 0..10 {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        if i == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some(unzigzag(value));
        }
    }
    None
}

#[inline]
fn unzigzag(v: u64) -> i64 {
    ((v >> 1) as i64) ^ -((v & 1) as i64)
}

/// Cuts the records field of a fetch response into batches.
///
/// A broker may send only the start of its last batch; that piece is left out, and [`Self::truncated`]
/// says so.
#[derive(Debug, Clone)]
pub struct RecordBatches {
    rest: Bytes,
}

impl RecordBatches {
    /// Starts at the first batch.
    pub fn new(records: Bytes) -> Self {
        Self { rest: records }
    }

    /// Whether the bytes that are left are a batch that was cut off.
    pub fn truncated(&self) -> bool {
        !self.rest.is_empty()
    }
}

impl Iterator for RecordBatches {
    type Item = Result<RecordBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.rest.first_chunk::<{ LENGTH_FROM + 5 }>()?;
        let length = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        let Some(len) = usize::try_from(length).ok().and_then(|l| l.checked_add(LENGTH_FROM))
        else {
            self.rest.clear();
            return Some(Err(BatchError::Malformed { base_offset: -1, what: "negative length" }));
        };
        if len > self.rest.len() {
            return None;
        }
        Some(RecordBatch::parse(self.rest.split_to(len)))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
