//! Pure: a partition's part of an answer, into batches of records to hand out.
//!
//! Everything is checked before anything is handed out, and what is wrong stops the partition at its
//! place: nothing is skipped unless the application says so.

use super::aborted::AbortedTransactions;
use super::batch::Batch;
use super::budget::{Budget, Charge};
use super::chunk::ChunkBuilder;
use bytes::{Buf, Bytes};
use klamm_protocol::compression::{Codec, CodecError, DECOMPRESSED_MAX_BYTES};
use klamm_protocol::record_batch::{BatchError, RecordBatch, RecordBatches};
use std::sync::Arc;
use thiserror::Error;

/// Base offset, length, leader epoch and magic: what every format begins with.
const HEAD_LEN: usize = 17;
/// Bytes that a batch's length does not count.
const LENGTH_FROM: usize = 12;
/// Where format v2 has the offset of the last record, less the base offset.
const LAST_OFFSET_DELTA_AT: usize = 23;
/// Where format v2 has the low byte of the attributes; before, it follows the head.
const ATTRIBUTES_AT: usize = 22;
/// Of the attributes.
const CODEC_BITS: u8 = 7;
/// What compressed records are taken to come to at first, as a multiple and at least.
const EXPANSION: usize = 8;
const EXPANSION_MIN: usize = 16 * 1024;
/// By how much more is tried after that.
const EXPANSION_STEP: usize = 4;

/// What is wrong with the data a broker sent. The partition stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FetchDataError {
    /// A checksum does not match, or lengths and counts contradict each other.
    #[error("{at} is corrupt, skip_to({}) passes over it: {cause}", at.next_offset)]
    Corrupt {
        /// Where.
        at: DataRange,
        /// What does not match.
        cause: BatchError,
    },
    /// A record format or codec from after this build.
    #[error("{at} cannot be read by this version: {cause}")]
    Unsupported {
        /// Where.
        at: DataRange,
        /// What is not known.
        cause: BatchError,
    },
    /// The records come to more than a batch may take in memory.
    #[error("{at} decompresses to more than {cap} bytes")]
    DecompressedTooLarge {
        /// Where.
        at: DataRange,
        /// The most that is allowed.
        cap: usize,
    },
    /// The broker sent the start of a batch that is larger than it was asked for.
    #[error(
        "{topic}-{partition}: the batch at offset {offset} has {needed} bytes, more than max.partition.fetch.bytes or fetch.max.bytes"
    )]
    RecordTooLarge {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// The offset that was asked for.
        offset: i64,
        /// Bytes that have to be asked for.
        needed: usize,
    },
}

/// A batch that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{topic}-{partition}: the batch at offsets {first_offset} to {}", next_offset - 1)]
pub struct DataRange {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The first offset that is not readable.
    pub first_offset: i64,
    /// The offset behind the batch by its own account, which may be wrong as well; at least one more
    /// than the first.
    pub next_offset: i64,
}

/// A partition's part of an answer.
#[derive(Debug)]
pub(crate) struct FetchedData {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// The offset that was asked for.
    pub(crate) offset: i64,
    /// Leader epoch of what stands before it; -1 if unknown.
    pub(crate) leader_epoch: i32,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    /// Producer id and first offset of aborted transactions.
    pub(crate) aborted: Vec<(i64, i64)>,
    pub(crate) records: Bytes,
    /// What the answer that the records are a slice of is charged with.
    pub(crate) charge: Arc<Charge>,
}

/// How answers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecodeSettings {
    /// Whether checksums are checked.
    pub(crate) check_crcs: bool,
    /// Whether aborted transactions are left out.
    pub(crate) read_committed: bool,
    /// Most records of a batch that is handed out; at least 1.
    pub(crate) max_records: usize,
    /// Most bytes that one batch may decompress to, below 2 GiB.
    pub(crate) decompressed_max_bytes: usize,
}

/// How far a decoder came.
#[derive(Debug)]
pub(crate) enum Step {
    /// Batches to hand out, in order; there may be more.
    Batches(Vec<Batch>),
    /// The budget has no room for the next batch: try again when memory was given back.
    Blocked,
    /// That was all.
    Done,
}

/// Reads one partition's part of an answer, as far at a time as memory allows.
#[derive(Debug)]
pub(crate) struct Decoder {
    topic: Arc<str>,
    partition: i32,
    high_watermark: i64,
    last_stable_offset: i64,
    settings: DecodeSettings,
    aborted: AbortedTransactions,
    rest: Bytes,
    charge: Arc<Charge>,
    /// Read, not decompressed yet, for want of memory.
    waiting: Option<RecordBatch>,
    /// To be reported when what came before it is handed out.
    failed: Option<FetchDataError>,
    /// Whether a whole batch was among the bytes.
    any: bool,
    position: i64,
    epoch: i32,
}

/// The next batch, as far as it could be made ready.
enum Ready {
    Plain(RecordBatch, Option<Charge>),
    Blocked,
    End,
}

impl Decoder {
    /// Starts with the first batch.
    pub(crate) fn new(data: FetchedData, settings: DecodeSettings) -> Self {
        let aborted = if settings.read_committed { data.aborted } else { Vec::new() };
        Self {
            topic: data.topic,
            partition: data.partition,
            high_watermark: data.high_watermark,
            last_stable_offset: data.last_stable_offset,
            settings,
            aborted: AbortedTransactions::new(aborted),
            rest: data.records,
            charge: data.charge,
            waiting: None,
            failed: None,
            any: false,
            position: data.offset,
            epoch: data.leader_epoch,
        }
    }

    /// The offset to fetch from when all that was given out is handed out, and the leader epoch of what
    /// stands before it. Moves over markers and records that compaction or an abort took out.
    pub(crate) fn position(&self) -> (i64, i32) {
        (self.position, self.epoch)
    }

    /// Bytes that are not decoded yet.
    pub(crate) fn undecoded(&self) -> usize {
        self.rest.len() + self.waiting.as_ref().map_or(0, |batch| batch.raw_records().len())
    }

    /// Whether what comes next has to be decompressed, which takes its time.
    pub(crate) fn is_compressed(&self) -> bool {
        let Some(magic) = self.rest.get(HEAD_LEN - 1) else { return self.waiting.is_some() };
        let at = if *magic == 2 { ATTRIBUTES_AT } else { HEAD_LEN };
        self.waiting.is_some() || self.rest.get(at).is_some_and(|byte| byte & CODEC_BITS != 0)
    }

    /// Decodes as much as the budget has room for.
    ///
    /// With `urgent` one batch is decompressed even if that goes over the budget, unless something is
    /// over it already: for a partition that the application waits for.
    ///
    /// # Errors
    /// [`FetchDataError`], once everything before it was given out; after that there is nothing more.
    pub(crate) fn next(&mut self, budget: &Budget, urgent: bool) -> Result<Step, FetchDataError> {
        let mut chunk = ChunkBuilder::new(self.settings.max_records);
        let mut blocked = false;
        while self.failed.is_none() {
            let urgent = urgent && chunk.is_empty();
            match self.ready(budget, urgent).and_then(|ready| self.take(ready, &mut chunk)) {
                Ok(Some(())) => {}
                Ok(None) => {
                    blocked = self.waiting.is_some();
                    break;
                }
                Err(error) => self.fail(error),
            }
        }
        if !chunk.is_empty() {
            return Ok(Step::Batches(self.finish(chunk)));
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None if blocked => Ok(Step::Blocked),
            None => Ok(Step::Done),
        }
    }

    fn fail(&mut self, error: FetchDataError) {
        self.failed = Some(error);
        // What follows is of no use before somebody has decided about this.
        (self.rest, self.waiting, self.any) = (Bytes::new(), None, true);
    }

    fn finish(&self, mut chunk: ChunkBuilder) -> Vec<Batch> {
        chunk.advance(self.position, self.epoch);
        chunk.finish(
            (Arc::clone(&self.topic), self.partition),
            (self.high_watermark, self.last_stable_offset),
            &self.charge,
        )
    }

    /// Puts a batch into the chunk; `None` when there is none to be had now.
    fn take(
        &mut self,
        ready: Ready,
        chunk: &mut ChunkBuilder,
    ) -> Result<Option<()>, FetchDataError> {
        let Ready::Plain(batch, charge) = ready else { return Ok(None) };
        let (next, epoch) = (batch.next_offset(), batch.header().partition_leader_epoch);
        let range = self.range(next);
        chunk.push(batch, charge, self.position).map_err(|cause| range.failed(cause))?;
        (self.position, self.epoch) = (next.max(self.position), epoch);
        Ok(Some(()))
    }

    /// The next batch that has records to give out, decompressed.
    fn ready(&mut self, budget: &Budget, urgent: bool) -> Result<Ready, FetchDataError> {
        if self.waiting.is_none() {
            self.waiting = self.next_of_data()?;
        }
        let Some(batch) = self.waiting.take() else { return Ok(Ready::End) };
        let range = self.range(batch.next_offset());
        let cap = self.settings.decompressed_max_bytes;
        match plain(&batch, budget, urgent, cap).map_err(|cause| range.failed(cause))? {
            Some((plain, charge)) => Ok(Ready::Plain(plain, charge)),
            None => {
                self.waiting = Some(batch);
                Ok(Ready::Blocked)
            }
        }
    }

    /// The next batch that is neither a marker nor aborted nor before the position.
    fn next_of_data(&mut self) -> Result<Option<RecordBatch>, FetchDataError> {
        while let Some(batch) = self.next_batch()? {
            let next = batch.next_offset();
            let range = self.range(next);
            let aborted = self.settings.read_committed
                && self.aborted.hide(&batch).map_err(|cause| range.failed(cause))?;
            if next <= self.position {
                continue;
            }
            let header = batch.header();
            // Of compressed batches before format v2 the count is not known: 0.
            let empty = header.records_count == 0 && batch.raw_records().is_empty();
            if !aborted && !header.attributes.is_control() && !empty {
                return Ok(Some(batch));
            }
            (self.position, self.epoch) = (next, header.partition_leader_epoch);
        }
        Ok(None)
    }

    /// Cuts off the next whole batch and reads its header.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, FetchDataError> {
        let Some(len) = self.next_len()? else {
            return if self.any || self.rest.is_empty() { Ok(None) } else { Err(self.too_large()) };
        };
        let bytes = self.rest.split_to(len);
        self.any = true;
        let range = self.range(claimed_next_offset(&bytes));
        let read = RecordBatches::new(bytes).check_crcs(self.settings.check_crcs).next();
        read.transpose().map_err(|cause| range.failed(cause))
    }

    /// The length of the next batch if all of it is there.
    fn next_len(&self) -> Result<Option<usize>, FetchDataError> {
        let Some(mut head) = self.rest.get(..HEAD_LEN) else { return Ok(None) };
        let (base_offset, length) = (head.get_i64(), head.get_i32());
        let len = usize::try_from(length).map(|len| len.saturating_add(LENGTH_FROM));
        match len {
            Ok(len) if len >= HEAD_LEN => Ok(Some(len).filter(|len| *len <= self.rest.len())),
            _ => {
                let cause = BatchError::Malformed { base_offset, what: "length out of range" };
                Err(self.range(self.position).failed(cause))
            }
        }
    }

    fn too_large(&self) -> FetchDataError {
        let length = self.rest.get(8..LENGTH_FROM).map_or(0, |mut bytes| bytes.get_i32());
        let needed = usize::try_from(length).unwrap_or(0).saturating_add(LENGTH_FROM);
        let (topic, partition) = (Arc::clone(&self.topic), self.partition);
        let needed = needed.max(self.rest.len() + 1);
        FetchDataError::RecordTooLarge { topic, partition, offset: self.position, needed }
    }

    /// From the position to `next_offset`, but at least one offset.
    fn range(&self, next_offset: i64) -> DataRange {
        let first_offset = self.position;
        DataRange {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
            first_offset,
            next_offset: next_offset.max(first_offset.saturating_add(1)),
        }
    }
}

impl Batch {
    /// Reads batches as brokers send and store them: what a poll would hand out for these bytes, in
    /// pieces of at most `max_records`.
    ///
    /// For tests of what handles batches, and for segments of a log.
    ///
    /// # Errors
    /// [`FetchDataError`] if any of it cannot be read.
    pub fn read(
        topic: &str,
        partition: i32,
        records: Bytes,
        max_records: usize,
    ) -> Result<Vec<Batch>, FetchDataError> {
        let budget = Budget::new(usize::MAX, |_| {});
        // It never is full.
        let Some(charge) = budget.reserve(records.len()) else { return Ok(Vec::new()) };
        let data = FetchedData {
            topic: topic.into(),
            partition,
            offset: 0,
            leader_epoch: -1,
            high_watermark: -1,
            last_stable_offset: -1,
            aborted: Vec::new(),
            records,
            charge: Arc::new(charge),
        };
        let settings = DecodeSettings {
            check_crcs: true,
            read_committed: false,
            max_records,
            decompressed_max_bytes: DECOMPRESSED_MAX_BYTES,
        };
        let mut decoder = Decoder::new(data, settings);
        let mut all = Vec::new();
        while let Step::Batches(batches) = decoder.next(&budget, true)? {
            all.extend(batches);
        }
        Ok(all)
    }
}

impl FetchDataError {
    /// The topic and the partition.
    pub(crate) fn place(&self) -> (&Arc<str>, i32) {
        match self {
            FetchDataError::Corrupt { at, .. }
            | FetchDataError::Unsupported { at, .. }
            | FetchDataError::DecompressedTooLarge { at, .. } => (&at.topic, at.partition),
            FetchDataError::RecordTooLarge { topic, partition, .. } => (topic, *partition),
        }
    }
}

impl DataRange {
    fn failed(self, cause: BatchError) -> FetchDataError {
        match cause {
            BatchError::Magic(_) | BatchError::Codec { error: CodecError::Unknown, .. } => {
                FetchDataError::Unsupported { at: self, cause }
            }
            BatchError::Codec { error: CodecError::TooLarge(cap), .. } => {
                FetchDataError::DecompressedTooLarge { at: self, cap }
            }
            _ => FetchDataError::Corrupt { at: self, cause },
        }
    }
}

/// The offset behind a batch that may be damaged, as it says itself.
fn claimed_next_offset(batch: &[u8]) -> i64 {
    let base = batch.first_chunk().map_or(-1, |bytes| i64::from_be_bytes(*bytes));
    let is_v2 = batch.get(HEAD_LEN - 1) == Some(&2);
    let delta = batch.get(LAST_OFFSET_DELTA_AT..).and_then(<[u8]>::first_chunk);
    let delta = delta.filter(|_| is_v2).map_or(0, |bytes| i32::from_be_bytes(*bytes));
    base.saturating_add(i64::from(delta.max(0))).saturating_add(1)
}

/// The batch with its records decompressed and what they are charged with; `None` without room.
///
/// How much comes out is not known before, so more and more is charged and tried.
fn plain(
    batch: &RecordBatch,
    budget: &Budget,
    urgent: bool,
    cap: usize,
) -> Result<Option<(RecordBatch, Option<Charge>)>, BatchError> {
    if batch.attributes().codec() == Some(Codec::None) {
        return Ok(Some((batch.clone(), None)));
    }
    let compressed = batch.raw_records().len();
    let mut room = compressed.saturating_mul(EXPANSION).max(EXPANSION_MIN).min(cap);
    loop {
        let over = || urgent.then(|| budget.reserve_over(room)).flatten();
        let Some(mut charge) = budget.reserve(room).or_else(over) else { return Ok(None) };
        match batch.decompressed_to(budget.buffers(), room) {
            Err(BatchError::Codec { error: CodecError::TooLarge(_), .. }) if room < cap => {
                room = room.saturating_mul(EXPANSION_STEP).min(cap);
            }
            Err(error) => return Err(error),
            Ok(plain) => {
                charge.shrink(plain.raw_records().len());
                return Ok(Some((plain, Some(charge))));
            }
        }
    }
}
