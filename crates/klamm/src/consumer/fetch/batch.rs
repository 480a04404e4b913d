//! Pure: what a poll hands out - records of one partition, lent or owned, over the bytes they came in.

use super::budget::Charge;
use klamm_protocol::record_batch::{HeaderIter, Record, RecordBatch, RecordIter, RecordPosition};
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

/// Records of one partition, in the order of their offsets.
///
/// They lie in the bytes of one answer of a broker, decompressed where they were not plain, and were
/// checked before: reading them cannot fail. A clone shares the bytes, which count against the
/// consumer's memory until the last clone and the last record made of it are dropped.
#[derive(Clone)]
pub struct Batch {
    chunk: Arc<Chunk>,
    start: Place,
    len: usize,
    bytes: usize,
    first_offset: i64,
    last_offset: i64,
    next_offset: i64,
    next_epoch: i32,
    /// The assignment under which it was handed out; 0 without a group.
    lease: u64,
}

/// The data that batches of one answer share.
pub(super) struct Chunk {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    /// Plain batches of data with at least one record each, every record checked.
    pub(super) parts: Vec<RecordBatch>,
    /// What the parts' bytes are charged with.
    #[expect(dead_code, reason = "what counts is when it is dropped")]
    pub(super) charges: Vec<Arc<Charge>>,
}

/// A record's place in a chunk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) part: usize,
    pub(super) at: RecordPosition,
}

/// What a batch covers of its chunk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    pub(super) start: Place,
    /// Records from there on.
    pub(super) len: usize,
    /// Their keys, values and headers, in bytes.
    pub(super) bytes: usize,
    pub(super) first_offset: i64,
    pub(super) last_offset: i64,
    /// What to go on with, and the epoch of what was before it.
    pub(super) next_offset: i64,
    pub(super) next_epoch: i32,
}

/// Whose clock a record's timestamp is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampType {
    /// The producer's, when it made the record.
    CreateTime,
    /// The broker's, when it appended the record.
    LogAppendTime,
}

impl Batch {
    pub(super) fn new(chunk: Arc<Chunk>, extent: Extent) -> Self {
        let Extent { start, len, bytes, first_offset, last_offset, next_offset, next_epoch } =
            extent;
        let lease = 0;
        Self { chunk, start, len, bytes, first_offset, last_offset, next_offset, next_epoch, lease }
    }

    /// The lease of its partition when it was handed out.
    pub(crate) fn lease(&self) -> u64 {
        self.lease
    }

    pub(crate) fn set_lease(&mut self, lease: u64) {
        self.lease = lease;
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.chunk.topic
    }

    /// The topic, to keep.
    pub(crate) fn topic_shared(&self) -> &Arc<str> {
        &self.chunk.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.chunk.partition
    }

    /// Offset of the first record.
    pub fn first_offset(&self) -> i64 {
        self.first_offset
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.last_offset
    }

    /// What to commit when the batch is done with: the offset to go on from, which is behind markers
    /// and removed records that followed the last record.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Leader epoch of what stands before [`Batch::next_offset`]; `None` from before there were epochs.
    pub fn next_leader_epoch(&self) -> Option<i32> {
        Some(self.next_epoch).filter(|epoch| *epoch >= 0)
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none; a poll hands out no such batch.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of its records, uncompressed, with what the format adds to each.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The offset behind the last record that all in-sync replicas had when the broker answered.
    pub fn high_watermark(&self) -> i64 {
        self.chunk.high_watermark
    }

    /// The offset of the first record whose transaction was open when the broker answered, or the high
    /// watermark if none was; -1 from brokers that do not tell.
    pub fn last_stable_offset(&self) -> i64 {
        self.chunk.last_stable_offset
    }

    /// What is left after the first `count` records; `None` if nothing is.
    pub(crate) fn after(&self, count: usize) -> Option<Batch> {
        let mut records = self.clone().into_records();
        let mut bytes = self.bytes;
        for _ in 0..count {
            let before = records.place;
            records.next()?;
            let same_part = before.part == records.place.part;
            let from = if same_part { before.at.bytes_before() } else { 0 };
            bytes = bytes.saturating_sub(records.place.at.bytes_before() - from);
        }
        let (start, len) = (records.place, records.left);
        let first_offset = records.next()?.offset;
        Some(Batch { start, len, bytes, first_offset, ..self.clone() })
    }

    /// Lends out the records.
    pub fn iter(&self) -> BatchRecords<'_> {
        let part = self.chunk.parts.get(self.start.part);
        let records = part.map(|part| part.records_from(self.start.at));
        BatchRecords { chunk: &self.chunk, part: self.start.part, records, left: self.len }
    }

    /// Gives out the records, each of which keeps the bytes of the whole alive.
    pub fn into_records(self) -> IntoRecords {
        IntoRecords { place: self.start, left: self.len, chunk: self.chunk }
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = RecordRef<'a>;
    type IntoIter = BatchRecords<'a>;

    fn into_iter(self) -> BatchRecords<'a> {
        self.iter()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offsets", &(self.first_offset..=self.last_offset))
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// A record lent out by its batch.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    record: Record<'a>,
    chunk: &'a Chunk,
    part: &'a RecordBatch,
}

impl<'a> RecordRef<'a> {
    /// The topic.
    pub fn topic(&self) -> &'a str {
        &self.chunk.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.chunk.partition
    }

    /// Its offset in the partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.record.offset
    }

    /// Milliseconds since 1970 by the clock of [`RecordRef::timestamp_type`]; -1 if it has none.
    #[inline]
    pub fn timestamp(&self) -> i64 {
        self.record.timestamp
    }

    /// Whose clock the timestamp is of.
    pub fn timestamp_type(&self) -> TimestampType {
        timestamp_type(self.part)
    }

    /// Its key; null is not the same as empty.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.record.key
    }

    /// Its value; null is not the same as empty.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.record.value
    }

    /// Its headers in order, duplicates included.
    pub fn headers(&self) -> RecordHeaders<'a> {
        RecordHeaders(Some(self.record.headers()))
    }

    /// Epoch of the leader that appended it; `None` from before there were epochs.
    pub fn leader_epoch(&self) -> Option<i32> {
        leader_epoch(self.part)
    }

    /// Id of the idempotent or transactional producer that wrote it; `None` of others.
    pub fn producer_id(&self) -> Option<i64> {
        Some(self.part.header().producer_id).filter(|id| *id >= 0)
    }

    /// Epoch of that producer; `None` where there is no id.
    pub fn producer_epoch(&self) -> Option<i16> {
        Some(self.part.header().producer_epoch).filter(|epoch| *epoch >= 0)
    }

    /// Whether it is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.part.attributes().is_transactional()
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordRef")
            .field("offset", &self.offset())
            .field("timestamp", &self.timestamp())
            .field("key", &self.key())
            .field("value", &self.value())
            .finish_non_exhaustive()
    }
}

fn leader_epoch(part: &RecordBatch) -> Option<i32> {
    Some(part.header().partition_leader_epoch).filter(|epoch| *epoch >= 0)
}

fn timestamp_type(part: &RecordBatch) -> TimestampType {
    if part.attributes().is_log_append_time() {
        TimestampType::LogAppendTime
    } else {
        TimestampType::CreateTime
    }
}

/// Iterates over the records of a [`Batch`], lending them out.
#[derive(Clone)]
pub struct BatchRecords<'a> {
    chunk: &'a Chunk,
    part: usize,
    records: Option<RecordIter<'a>>,
    left: usize,
}

impl<'a> BatchRecords<'a> {
    #[cold]
    fn next_part(&mut self) -> Option<()> {
        self.part += 1;
        self.records = Some(self.chunk.parts.get(self.part)?.records());
        Some(())
    }
}

impl<'a> Iterator for BatchRecords<'a> {
    type Item = RecordRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<RecordRef<'a>> {
        if self.left == 0 {
            return None;
        }
        loop {
            // An error cannot be: every record was walked over before the batch was made.
            if let Some(Ok(record)) = self.records.as_mut()?.next() {
                self.left -= 1;
                let part = self.chunk.parts.get(self.part)?;
                return Some(RecordRef { record, chunk: self.chunk, part });
            }
            self.next_part()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for BatchRecords<'_> {}
impl FusedIterator for BatchRecords<'_> {}

impl fmt::Debug for BatchRecords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchRecords({} left)", self.left)
    }
}

/// Iterates over the headers of a record: name and value, which may be null.
///
/// A name that is not UTF-8 reads as U+FFFD.
#[derive(Debug, Clone)]
pub struct RecordHeaders<'a>(Option<HeaderIter<'a>>);

impl<'a> Iterator for RecordHeaders<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.as_ref().map_or((0, Some(0)), HeaderIter::size_hint)
    }
}

/// A record that keeps the bytes it lies in alive, and so may go to another task or thread.
#[derive(Clone)]
pub struct ConsumedRecord {
    chunk: Arc<Chunk>,
    place: Place,
    offset: i64,
    timestamp: i64,
    key: Span,
    value: Span,
}

/// A field's place in the bytes of its part; null where the end is before the start.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    const NULL: Span = Span { start: 1, end: 0 };

    #[inline]
    fn of(field: Option<&[u8]>, whole: &[u8]) -> Self {
        let Some(field) = field else { return Self::NULL };
        // A part has less than 2 GiB: the format counts its bytes with 31 bits, and the cap on what is
        // decompressed is no higher.
        let start = (field.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize) as u32;
        Self { start, end: start.wrapping_add(field.len() as u32) }
    }

    #[inline]
    fn get(self, whole: &[u8]) -> Option<&[u8]> {
        whole.get(self.start as usize..self.end as usize)
    }
}

impl ConsumedRecord {
    fn part(&self) -> &RecordBatch {
        // The place was taken from an iteration over this part.
        &self.chunk.parts[self.place.part]
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.chunk.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.chunk.partition
    }

    /// Its offset in the partition.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since 1970 by the clock of [`ConsumedRecord::timestamp_type`]; -1 if it has none.
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Whose clock the timestamp is of.
    pub fn timestamp_type(&self) -> TimestampType {
        timestamp_type(self.part())
    }

    /// Its key; null is not the same as empty.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        self.key.get(self.part().raw_records())
    }

    /// Its value; null is not the same as empty.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.get(self.part().raw_records())
    }

    /// Its headers in order, duplicates included.
    pub fn headers(&self) -> RecordHeaders<'_> {
        let record = self.part().records_from(self.place.at).next();
        RecordHeaders(record.and_then(Result::ok).map(|record| record.headers()))
    }

    /// Epoch of the leader that appended it; `None` from before there were epochs.
    pub fn leader_epoch(&self) -> Option<i32> {
        leader_epoch(self.part())
    }
}

impl fmt::Debug for ConsumedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumedRecord")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset)
            .field("timestamp", &self.timestamp)
            .field("key", &self.key())
            .field("value", &self.value())
            .finish_non_exhaustive()
    }
}

/// Iterates over the records of a [`Batch`], giving them out.
pub struct IntoRecords {
    chunk: Arc<Chunk>,
    place: Place,
    left: usize,
}

impl Iterator for IntoRecords {
    type Item = ConsumedRecord;

    #[inline]
    fn next(&mut self) -> Option<ConsumedRecord> {
        if self.left == 0 {
            return None;
        }
        loop {
            let part = self.chunk.parts.get(self.place.part)?;
            let mut records = part.records_from(self.place.at);
            let Some(Ok(record)) = records.next() else {
                self.place = Place { part: self.place.part + 1, at: RecordPosition::default() };
                continue;
            };
            let at = records.position();
            let place = std::mem::replace(&mut self.place.at, at);
            let place = Place { part: self.place.part, at: place };
            self.left -= 1;
            let whole = part.raw_records();
            return Some(ConsumedRecord {
                chunk: Arc::clone(&self.chunk),
                place,
                offset: record.offset,
                timestamp: record.timestamp,
                key: Span::of(record.key, whole),
                value: Span::of(record.value, whole),
            });
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for IntoRecords {}
impl FusedIterator for IntoRecords {}

impl fmt::Debug for IntoRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IntoRecords({} left)", self.left)
    }
}
