//! Batches: open while records are appended, closed once they may be sent.
//!
//! Records are encoded once, by the caller, into the bytes that go over the wire. A batch is a list
//! of pieces: filled chunks, and large values by reference between them. Only its header waits,
//! because the sequence is not known before the batch is sent; see [`Batch::seal`].

use super::buffer_pool::{BufferPool, CHUNK_BYTES, Chunk, Lease};
use super::delivery::BatchState;
use super::error::Cause;
use super::idempotence::{Sequenced, Stamp};
use crate::record::{Payload, RecordView};
use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression};
use klamm_protocol::primitives::Records;
use klamm_protocol::record_batch::{
    Attributes, BATCH_HEADER_LEN, BatchHeader, Header, RecordParts, encode_record,
    encode_record_head, encode_record_tail, encoded_record_len,
};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::time::Instant;

/// Values from this size on are sent from where they are; smaller ones are cheaper to copy.
const REFERENCE_FROM_BYTES: usize = 4 * 1024;

/// So many headers are laid out without memory of their own.
const HEADERS_IN_PLACE: usize = 4;

/// Size of the staging block: small enough that those of fifty partitions stay in the core's cache.
const STAGE_BYTES: usize = 2 * 1024;

/// Where the records of a batch are written first when many batches are open at once.
///
/// Records that go round many partitions would each wait for a cache line of a chunk that the other
/// core has just read; a block that stays in the cache takes them up, and is copied over when full.
pub(crate) type Stage = Box<[u8]>;

/// A fresh staging block.
pub(crate) fn stage() -> Stage {
    vec![0; STAGE_BYTES].into_boxed_slice()
}

/// A batch that records are appended to.
#[derive(Debug)]
pub(crate) struct OpenBatch {
    pub(crate) state: Arc<BatchState>,
    pub(crate) opened: Instant,
    /// Send it whatever its size and age: a flush, or memory is short.
    pub(crate) forced: bool,
    chunk: Chunk,
    used: usize,
    stage: Option<Stage>,
    staged: usize,
    /// Values that belong between the bytes of `chunk`, with their positions.
    references: Vec<(usize, Bytes)>,
    parts: Vec<Bytes>,
    leases: Vec<Lease>,
    body_len: usize,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

/// A record was not appended, and the batch is as before: this many bytes of budget come first, and
/// they are enough.
#[derive(Debug)]
pub(crate) struct NeedsMemory(pub(crate) usize);

/// Some budget was not there; how much is needed in all is [`NeedsMemory`]'s to say.
struct OutOfMemory;

/// The budget for a record that opens a batch.
pub(crate) fn needs_in_new_batch(record: &RecordView<'_>) -> NeedsMemory {
    NeedsMemory(CHUNK_BYTES + Shares::of(record).own)
}

/// Bytes a record takes on the wire, at most.
#[inline]
pub(crate) fn record_upper_bound(record: &RecordView<'_>) -> usize {
    // Length, attributes, timestamp and offset deltas, key and value lengths, header count: 36 bytes
    // at most; each header brings two lengths.
    record.payload_len + 36 + 10 * record.record.headers.len()
}

/// How a record's bytes are divided, rounded up: those in a chunk, and those with a budget of their own.
struct Shares {
    in_chunk: usize,
    own: usize,
}

impl Shares {
    fn of(record: &RecordView<'_>) -> Self {
        let all = record_upper_bound(record);
        let referenced = record.value.map_or(0, <[u8]>::len);
        let referenced = if referenced < REFERENCE_FROM_BYTES { 0 } else { referenced };
        match all - referenced {
            in_chunk @ ..=CHUNK_BYTES => Self { in_chunk, own: referenced },
            _ => Self { in_chunk: 0, own: all },
        }
    }
}

impl OpenBatch {
    /// Opens a batch in `chunk`, behind a staging block if there is one.
    pub(crate) fn new(
        state: Arc<BatchState>,
        chunk: Chunk,
        stage: Option<Stage>,
        opened: Instant,
    ) -> Self {
        Self {
            state,
            opened,
            forced: false,
            chunk,
            used: 0,
            stage,
            staged: 0,
            references: Vec::new(),
            parts: Vec::new(),
            leases: Vec::new(),
            body_len: 0,
            count: 0,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
        }
    }

    /// Bytes it takes on the wire so far, before compression.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        BATCH_HEADER_LEN + self.body_len
    }

    /// Appends a record and returns its index; `lease` is budget the caller has waited for.
    #[inline]
    pub(crate) fn append(
        &mut self,
        record: &RecordView<'_>,
        timestamp_ms: i64,
        pool: &Arc<BufferPool>,
        lease: &mut Option<Lease>,
    ) -> Result<u32, NeedsMemory> {
        if self.count == 0 {
            self.base_timestamp = timestamp_ms;
        }
        let small = record.value.is_none_or(|v| v.len() < REFERENCE_FROM_BYTES);
        let appended = match record.record.headers.len() {
            0 if small => self.append_in_place(record, &[], timestamp_ms),
            1..=HEADERS_IN_PLACE if small => self.append_with_headers(record, timestamp_ms),
            _ => None,
        };
        match appended {
            Some(index) => Ok(index),
            None => self.append_slowly(record, timestamp_ms, pool, lease),
        }
    }

    /// Appends a record to what is there, if it fits.
    #[inline]
    fn append_in_place(
        &mut self,
        record: &RecordView<'_>,
        headers: &[Header<'_>],
        timestamp_ms: i64,
    ) -> Option<u32> {
        let parts = RecordParts {
            timestamp_delta: timestamp_ms - self.base_timestamp,
            offset_delta: self.count,
            key: record.key,
            value: record.value,
            headers,
        };
        let (out, at) = match &mut self.stage {
            Some(stage) => (&mut stage[..], &mut self.staged),
            None => (&mut self.chunk.buf[..], &mut self.used),
        };
        let n = encode_record(&mut out[*at..], &parts)?;
        *at += n;
        Some(self.appended(n, timestamp_ms))
    }

    /// The same for one with a few headers, without memory for them.
    #[inline(never)]
    fn append_with_headers(&mut self, record: &RecordView<'_>, timestamp_ms: i64) -> Option<u32> {
        let mut headers = [Header { key: "", value: None }; HEADERS_IN_PLACE];
        for (to, from) in headers.iter_mut().zip(record.record.headers.iter()) {
            *to = Header { key: from.key, value: from.value.as_ref().map(Payload::as_slice) };
        }
        let headers = &headers[..record.record.headers.len()];
        self.append_in_place(record, headers, timestamp_ms)
    }

    #[inline]
    fn appended(&mut self, encoded: usize, timestamp_ms: i64) -> u32 {
        let index = self.count as u32;
        self.body_len += encoded;
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(timestamp_ms);
        index
    }

    /// Everything that is not "fits into the chunk as it is".
    #[cold]
    fn append_slowly(
        &mut self,
        record: &RecordView<'_>,
        timestamp_ms: i64,
        pool: &Arc<BufferPool>,
        lease: &mut Option<Lease>,
    ) -> Result<u32, NeedsMemory> {
        let needs = self.needs(record);
        self.append_any(record, timestamp_ms, pool, lease).map_err(|OutOfMemory| needs)
    }

    /// The budget for appending a record here.
    fn needs(&self, record: &RecordView<'_>) -> NeedsMemory {
        let shares = Shares::of(record);
        let room = self.chunk.buf.len() - self.used;
        let chunks = if self.staged + shares.in_chunk <= room {
            0
        } else if self.staged <= room || self.staged + shares.in_chunk <= CHUNK_BYTES {
            1
        } else {
            2
        };
        NeedsMemory(chunks * CHUNK_BYTES + shares.own)
    }

    fn append_any(
        &mut self,
        record: &RecordView<'_>,
        timestamp_ms: i64,
        pool: &Arc<BufferPool>,
        lease: &mut Option<Lease>,
    ) -> Result<u32, OutOfMemory> {
        self.unstage(pool, lease)?;
        let headers: Vec<Header<'_>> = record
            .record
            .headers
            .iter()
            .map(|h| Header { key: h.key, value: h.value.as_ref().map(Payload::as_slice) })
            .collect();
        let parts = RecordParts {
            timestamp_delta: timestamp_ms - self.base_timestamp,
            offset_delta: self.count,
            key: record.key,
            value: record.value,
            headers: &headers,
        };
        match &record.record.value {
            Some(value) if value.as_slice().len() >= REFERENCE_FROM_BYTES => {
                self.append_reference(&parts, value, timestamp_ms, pool, lease)
            }
            _ => self.append_copy(&parts, timestamp_ms, pool, lease),
        }
    }

    /// Copies a record whole, into the next chunk if need be, or into a buffer of its own.
    fn append_copy(
        &mut self,
        parts: &RecordParts<'_>,
        timestamp_ms: i64,
        pool: &Arc<BufferPool>,
        lease: &mut Option<Lease>,
    ) -> Result<u32, OutOfMemory> {
        let len = encoded_record_len(parts);
        if len > self.chunk.buf.len() {
            // Long keys or headers: rare enough for a buffer made to measure.
            self.reserve(len, pool, lease)?;
            let mut own = vec![0; len];
            if encode_record(&mut own, parts).is_some() {
                self.references.push((self.used, own.into()));
            }
            return Ok(self.appended(len, timestamp_ms));
        }
        self.make_room(len, pool, lease)?;
        if let Some(n) = encode_record(&mut self.chunk.buf[self.used..], parts) {
            self.used += n;
        }
        Ok(self.appended(len, timestamp_ms))
    }

    /// Writes what surrounds a large value and keeps the value by reference.
    fn append_reference(
        &mut self,
        parts: &RecordParts<'_>,
        value: &Payload<'_>,
        timestamp_ms: i64,
        pool: &Arc<BufferPool>,
        lease: &mut Option<Lease>,
    ) -> Result<u32, OutOfMemory> {
        let value_len = value.as_slice().len();
        let len = encoded_record_len(parts);
        let around = len - value_len;
        if around > self.chunk.buf.len() {
            return self.append_copy(parts, timestamp_ms, pool, lease);
        }
        let own = pool_lease(value_len, pool, lease)?;
        self.make_room(around, pool, lease)?;
        self.leases.push(own);
        let shared = match value {
            Payload::Shared(bytes) => bytes.clone(),
            Payload::Borrowed(slice) => Bytes::copy_from_slice(slice),
        };
        self.used += encode_record_head(&mut self.chunk.buf[self.used..], parts).unwrap_or(0);
        self.references.push((self.used, shared));
        self.used +=
            encode_record_tail(&mut self.chunk.buf[self.used..], parts.headers).unwrap_or(0);
        Ok(self.appended(len, timestamp_ms))
    }

    /// Moves what is staged into the chunk.
    fn unstage(
        &mut self,
        pool: &Arc<BufferPool>,
        lease: &mut Option<Lease>,
    ) -> Result<(), OutOfMemory> {
        if self.staged == 0 {
            return Ok(());
        }
        self.make_room(self.staged, pool, lease)?;
        self.take_staged();
        Ok(())
    }

    fn take_staged(&mut self) {
        if let Some(stage) = &self.stage {
            let to = self.used + self.staged;
            self.chunk.buf[self.used..to].copy_from_slice(&stage[..self.staged]);
            (self.used, self.staged) = (to, 0);
        }
    }

    fn reserve(
        &mut self,
        bytes: usize,
        pool: &Arc<BufferPool>,
        lease: &mut Option<Lease>,
    ) -> Result<(), OutOfMemory> {
        self.leases.push(pool_lease(bytes, pool, lease)?);
        Ok(())
    }

    /// Makes sure that `len` bytes fit behind `used`, in a fresh chunk if they do not.
    fn make_room(
        &mut self,
        len: usize,
        pool: &Arc<BufferPool>,
        lease: &mut Option<Lease>,
    ) -> Result<(), OutOfMemory> {
        if self.chunk.buf.len() - self.used >= len {
            return Ok(());
        }
        let next = pool.try_chunk(lease).ok_or(OutOfMemory)?;
        let full = std::mem::replace(&mut self.chunk, next);
        self.take_parts(full);
        Ok(())
    }

    /// Cuts a chunk at the values that belong between its bytes.
    fn take_parts(&mut self, chunk: Chunk) {
        let mut rest = chunk.freeze(self.used);
        let mut taken = 0;
        for (at, value) in self.references.drain(..) {
            self.parts.push(rest.split_to(at - taken));
            self.parts.push(value);
            taken = at;
        }
        self.parts.push(rest);
        self.used = 0;
    }

    /// Ends appending and gives the staging block back.
    pub(crate) fn close(mut self) -> (Batch, Option<Stage>) {
        let mut own = None;
        if self.chunk.buf.len() - self.used >= self.staged {
            self.take_staged();
        } else if let Some(stage) = &self.stage {
            // The last few records get a buffer made to measure: closing must not need memory.
            own = Some(Bytes::copy_from_slice(&stage[..self.staged]));
        }
        let mut parts = std::mem::take(&mut self.parts);
        let mut rest = self.chunk.freeze(self.used);
        let mut taken = 0;
        for (at, value) in self.references {
            parts.push(rest.split_to(at - taken));
            parts.push(value);
            taken = at;
        }
        parts.push(rest);
        parts.extend(own);
        parts.retain(|p| !p.is_empty());
        let batch = Batch {
            state: self.state,
            opened: self.opened,
            body: parts,
            leases: self.leases,
            count: self.count,
            codec: Codec::None,
            uncompressed_len: self.body_len,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            attempts: Mutex::new(Attempts::default()),
        };
        (batch, self.stage)
    }
}

fn pool_lease(
    bytes: usize,
    pool: &Arc<BufferPool>,
    lease: &mut Option<Lease>,
) -> Result<Lease, OutOfMemory> {
    if let Some(own) = lease.as_mut().and_then(|l| l.split(bytes)) {
        return Ok(own);
    }
    pool.try_lease(bytes).ok_or(OutOfMemory)
}

/// A closed batch: records, order and bytes are final.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) state: Arc<BatchState>,
    pub(crate) opened: Instant,
    body: Vec<Bytes>,
    #[allow(dead_code, reason = "held for its Drop: the budget of the referenced values")]
    leases: Vec<Lease>,
    count: i32,
    codec: Codec,
    uncompressed_len: usize,
    base_timestamp: i64,
    max_timestamp: i64,
    attempts: Mutex<Attempts>,
}

/// What the tries so far have come to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Attempts {
    pub(crate) failed: u32,
    pub(crate) last: Option<Arc<Cause>>,
}

impl Sequenced for Arc<Batch> {
    fn record_count(&self) -> i32 {
        self.count
    }
}

impl Batch {
    /// Records in it.
    pub(crate) fn count(&self) -> i32 {
        self.count
    }

    /// Bytes it takes on the wire.
    pub(crate) fn len(&self) -> usize {
        BATCH_HEADER_LEN + self.body.iter().map(Bytes::len).sum::<usize>()
    }

    /// Bytes of its records before compression.
    pub(crate) fn uncompressed_len(&self) -> usize {
        self.uncompressed_len
    }

    /// The tries so far.
    pub(crate) fn attempts(&self) -> Attempts {
        self.attempts.lock().clone()
    }

    /// Notes a failed try; returns how many there were.
    pub(crate) fn note_failure(&self, cause: Cause) -> u32 {
        let mut attempts = self.attempts.lock();
        attempts.failed += 1;
        attempts.last = Some(Arc::new(cause));
        attempts.failed
    }

    /// Compresses the records; the buffers they were in are free afterwards.
    pub(crate) fn compress(mut self, compression: Compression) -> Result<Self, Box<(Self, Cause)>> {
        let mut out = Vec::with_capacity(self.uncompressed_len / 2 + 64);
        if let Err(e) = compression.compress(&self.body, &mut out) {
            let cause = Cause::Compression(e.to_string().into());
            return Err(Box::new((self, cause)));
        }
        self.body = vec![out.into()];
        self.leases.clear();
        self.codec = compression.codec();
        Ok(self)
    }

    /// Puts the header before the records: the same stamp always gives the same bytes.
    pub(crate) fn seal(&self, stamp: Stamp) -> Records {
        let mut header = BatchHeader {
            base_offset: 0,
            partition_leader_epoch: -1,
            attributes: Attributes::new(self.codec),
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: stamp.producer_id,
            producer_epoch: stamp.producer_epoch,
            base_sequence: stamp.base_sequence,
            records_count: self.count,
            ..BatchHeader::default()
        };
        let sealed = header.seal(&self.body);
        let head = Bytes::copy_from_slice(&sealed);
        Records::from_parts(std::iter::once(head).chain(self.body.iter().cloned()))
    }

    /// Divides the records into two batches of about half the size, or hands the batch back when
    /// it has only one.
    pub(crate) fn split(self: Arc<Self>) -> Result<[Arc<Batch>; 2], Arc<Batch>> {
        super::split::split(&self).ok_or(self)
    }

    pub(super) fn body(&self) -> &[Bytes] {
        &self.body
    }

    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    pub(super) fn base_timestamp(&self) -> i64 {
        self.base_timestamp
    }

    /// A part of a divided batch; its records were encoded anew.
    pub(super) fn part_of(
        parent: &Batch,
        state: Arc<BatchState>,
        body: Vec<u8>,
        uncompressed_len: usize,
        count: i32,
        timestamps: (i64, i64),
    ) -> Self {
        Self {
            state,
            opened: parent.opened,
            body: vec![body.into()],
            leases: Vec::new(),
            count,
            codec: parent.codec,
            uncompressed_len,
            base_timestamp: timestamps.0,
            max_timestamp: timestamps.1,
            attempts: Mutex::new(parent.attempts()),
        }
    }
}
