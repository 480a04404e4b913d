//! Pure: one batch, checked as a whole before its records are lent out.

use super::header::{
    Attributes, BATCH_HEADER_LEN, BatchHeader, CRC_FROM, LENGTH_FROM, MAGIC, MAGIC_AT, checksum,
};
use super::legacy::Wrapper;
use super::{BatchError, RecordIter, RecordPosition};
use crate::compression::{Buffers, Codec, CodecError, Fresh, decompress_to};
use bytes::Bytes;

/// Smallest record: a length, attributes, two deltas, two null lengths and a header count.
const RECORD_MIN_BYTES: usize = 7;

/// One batch whose header is consistent with its bytes.
///
/// Batches of the formats before v2 look the same: their records are translated when they are read
/// (`LegacyRecord` in Kafka). Of a compressed one only the last offset is known before
/// [`RecordBatch::decompressed`], which finds count and base offset.
#[derive(Debug, Clone)]
pub struct RecordBatch {
    pub(super) header: BatchHeader,
    pub(super) records: Bytes,
    /// Set for a compressed batch of an older format.
    pub(super) wrapper: Option<Wrapper>,
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
    /// Checks one whole batch in format v2: length, format, checksum and counts.
    ///
    /// # Errors
    /// [`BatchError`] naming the batch's base offset.
    pub fn parse(bytes: Bytes) -> Result<Self, BatchError> {
        let batch = Self::parse_without_checksum(bytes.clone())?;
        let (stored, computed) = (batch.header.crc, checksum(&bytes[CRC_FROM..]));
        // A fuzzer would spend its time on guessing checksums.
        if computed != stored && !cfg!(fuzzing) {
            let base_offset = batch.header.base_offset;
            return Err(BatchError::Checksum { base_offset, stored, computed });
        }
        Ok(batch)
    }

    /// The same, but trusts the bytes to be those that were written (`check.crcs=false`).
    ///
    /// # Errors
    /// As for [`RecordBatch::parse`], except [`BatchError::Checksum`].
    pub fn parse_without_checksum(bytes: Bytes) -> Result<Self, BatchError> {
        let Some(head) = bytes.first_chunk::<BATCH_HEADER_LEN>() else {
            return Err(BatchError::Malformed { base_offset: -1, what: "shorter than its header" });
        };
        let magic = i8::from_be_bytes([head[MAGIC_AT]]);
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        let header = BatchHeader::read(head);
        let batch = Self { header, records: bytes.slice(BATCH_HEADER_LEN..), wrapper: None };
        if usize::try_from(header.batch_length) != Ok(bytes.len() - LENGTH_FROM) {
            return Err(batch.malformed("its length is not that of its bytes"));
        }
        if header.records_count < 0 || header.last_offset_delta < 0 {
            return Err(batch.malformed("negative count"));
        }
        if header.base_offset < 0
            || header.base_offset.checked_add(i64::from(header.last_offset_delta)).is_none()
        {
            return Err(batch.malformed("offsets out of range"));
        }
        match batch.codec()? {
            Codec::None => batch.with_bytes_for_its_count(),
            _ => Ok(batch),
        }
    }

    fn with_bytes_for_its_count(self) -> Result<Self, BatchError> {
        if self.header.records_count as usize > self.records.len() / RECORD_MIN_BYTES {
            return Err(self.malformed("more records than its bytes can hold"));
        }
        Ok(self)
    }

    pub(super) fn malformed(&self, what: &'static str) -> BatchError {
        BatchError::Malformed { base_offset: self.header.base_offset, what }
    }

    fn codec(&self) -> Result<Codec, BatchError> {
        let unknown =
            BatchError::Codec { base_offset: self.header.base_offset, error: CodecError::Unknown };
        self.header.attributes.codec().ok_or(unknown)
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
        let last = self.header.base_offset.saturating_add(self.header.last_offset_delta.into());
        last.saturating_add(1)
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
        self.decompressed_to(&Fresh, cap)
    }

    /// The same with the memory of `buffers`; what compressed messages before format v2 come to is the allocator's.
    ///
    /// # Errors
    /// Those of [`RecordBatch::decompressed`].
    pub fn decompressed_to(&self, buffers: &dyn Buffers, cap: usize) -> Result<Self, BatchError> {
        if let Some(wrapper) = &self.wrapper {
            return wrapper.unwrap(&self.header, &self.records, cap);
        }
        let base_offset = self.header.base_offset;
        let records = decompress_to(buffers, self.codec()?, &self.records, cap)
            .map_err(|error| BatchError::Codec { base_offset, error })?;
        let mut header = self.header;
        header.attributes = header.attributes.with_codec(Codec::None);
        Self { header, records, wrapper: None }.with_bytes_for_its_count()
    }

    /// Lends out the records in order.
    ///
    /// Of a batch that is still compressed only an error comes: call [`RecordBatch::decompressed`]
    /// first.
    pub fn records(&self) -> RecordIter<'_> {
        match self.header.attributes.codec() {
            Some(Codec::None) => RecordIter::new(&self.header, &self.records),
            _ => RecordIter::refused(&self.header, "its records are compressed"),
        }
    }

    /// Lends out the records from a place on that an earlier iteration over this batch named.
    ///
    /// A place of another batch gives errors or foreign records, never a panic.
    #[inline]
    pub fn records_from(&self, position: RecordPosition) -> RecordIter<'_> {
        match self.header.attributes.codec() {
            Some(Codec::None) => RecordIter::from_position(&self.header, &self.records, position),
            _ => self.records(),
        }
    }

    /// Walks over all records once: afterwards [`RecordBatch::records`] has no errors to report.
    ///
    /// # Errors
    /// The first that an iteration meets.
    pub fn check_records(&self) -> Result<(), BatchError> {
        self.records().try_for_each(|r| r.map(drop))
    }

    /// What a control batch says; `None` for a batch of data.
    ///
    /// # Errors
    /// [`BatchError`] when its first record is no control record.
    pub fn control_type(&self) -> Result<Option<ControlType>, BatchError> {
        if !self.attributes().is_control() {
            return Ok(None);
        }
        let first = self.records().next().transpose()?;
        let kind = first.and_then(|r| r.key?.get(2..)?.first_chunk().copied());
        let kind = kind.ok_or_else(|| self.malformed("no control record in a control batch"))?;
        Ok(Some(match i16::from_be_bytes(kind) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            other => ControlType::Other(other),
        }))
    }
}
