//! Pure: accepted records as a Kafka record batch, and back.
//!
//! A batch is what is written and synced at a time: its checksum makes all of it valid or none of it. In a record, value
//! and headers are the accepted ones, and the key is an envelope with the accepted key behind it:
//!
//! ```text
//! flags: u8 | durable mark: uvarint | length and bytes of the topic | timestamp less the batch's: zigzag uvarint
//!           | partition: i32 | idempotency: 16 bytes | key
//! ```
//!
//! The flags say what is there: the mark is in the first record only, and the topic is left out where it is that of the
//! record before. The sequence of a record is its offset.

use super::varint::{Input, put_uvarint, unzigzag, zigzag};
use crate::accepted::{Accepted, AcceptedHeader};
use bytes::Bytes;
use klamm_protocol::record_batch::{
    BATCH_HEADER_LEN, BatchError, BatchHeader, Header, Record, RecordBatch, RecordParts,
    encode_record, encoded_record_len,
};
use std::sync::Arc;

/// The key is not null.
const KEY: u8 = 1;
/// A durable mark follows.
const MARK: u8 = 1 << 1;
/// A topic follows.
const TOPIC: u8 = 1 << 2;
/// A partition was chosen.
const PARTITION: u8 = 1 << 3;
/// There is an idempotency hash.
const IDEMPOTENCY: u8 = 1 << 4;
/// No record, only a mark.
const SEAL: u8 = 1 << 5;
/// Bits that a later version may use.
const UNKNOWN: u8 = 0b1100_0000;
/// Bytes of a batch, whose length field has 32 bits.
const MAX_BATCH_BYTES: usize = i32::MAX as usize;
/// What a record takes at least: seven bytes in any batch, and two of its envelope.
const RECORD_BYTES_MIN: usize = 9;
/// So many records back a topic's name is looked for.
const TOPICS_KEPT: usize = 8;
/// What a record takes at most beside key, value, headers' bytes and topic.
pub(super) const OVERHEAD_BYTES: usize = 80;
/// What a header takes at most beside its bytes.
pub(super) const HEADER_OVERHEAD_BYTES: usize = 10;

/// Why bytes are no batch of accepted records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// The batch itself is damaged.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// An envelope says something impossible.
    #[error("record {sequence}: {what}")]
    Envelope {
        /// Its sequence.
        sequence: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// There are no records, or more than one batch can hold.
    #[error("{0} cannot be one batch")]
    Size(&'static str),
}

/// What a batch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Everything before this sequence was on the disk when the batch was written.
    pub(super) mark: u64,
    /// The sequence behind the last one.
    pub(super) next: u64,
    /// When the batch was made, in ms since 1970.
    pub(super) taken_ms: i64,
    /// The records and their sequences; none in a seal.
    pub(super) records: Vec<(u64, Accepted)>,
}

/// Makes one batch of all records; `mark` is the sequence before which everything is on the disk. `bytes` is about what they
/// take: with that much at hand nothing is moved while it grows.
pub(super) fn encode<'a>(
    records: impl Iterator<Item = &'a Accepted>,
    mark: u64,
    now_ms: i64,
    bytes: u64,
) -> Result<Bytes, EncodingError> {
    let mut batch = Batch::new(usize::try_from(bytes).unwrap_or(0).min(MAX_BATCH_BYTES));
    let (mut key, mut headers) = (Vec::new(), Vec::new());
    let mut topic: Option<&str> = None;
    for record in records {
        key.clear();
        put_envelope(&mut key, record, (batch.count == 0).then_some(mark), topic, now_ms);
        topic = Some(&record.topic);
        headers.clear();
        headers.extend(record.headers.iter().map(header));
        batch.put(&key, record.value.as_deref(), &headers)?;
    }
    batch.sealed(now_ms)
}

/// Makes a batch that holds nothing but the mark.
pub(super) fn encode_seal(mark: u64, now_ms: i64) -> Result<Bytes, EncodingError> {
    let (mut key, mut batch) = (vec![SEAL | MARK], Batch::new(0));
    put_uvarint(&mut key, mark);
    batch.put(&key, None, &[])?;
    batch.sealed(now_ms)
}

fn header(header: &AcceptedHeader) -> Header<'_> {
    Header { key: &header.name, value: header.value.as_deref() }
}

/// A batch that grows.
struct Batch {
    /// Room for the header, the records up to `end`, and zeros.
    bytes: Vec<u8>,
    end: usize,
    count: i32,
}

impl Batch {
    fn new(bytes: usize) -> Self {
        Self { bytes: vec![0; BATCH_HEADER_LEN + bytes], end: BATCH_HEADER_LEN, count: 0 }
    }

    fn put(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), EncodingError> {
        let (key, offset_delta) = (Some(key), self.count);
        let parts = RecordParts { timestamp_delta: 0, offset_delta, key, value, headers };
        let written = match encode_record(&mut self.bytes[self.end..], &parts) {
            Some(written) => written,
            None => {
                let len = encoded_record_len(&parts);
                if self.end.saturating_add(len) > MAX_BATCH_BYTES {
                    return Err(EncodingError::Size("so many bytes"));
                }
                self.bytes.resize(self.end + len, 0);
                let written = encode_record(&mut self.bytes[self.end..], &parts);
                written.ok_or(EncodingError::Size("so long a record"))?
            }
        };
        self.end += written;
        self.count = self.count.checked_add(1).ok_or(EncodingError::Size("so many records"))?;
        Ok(())
    }

    fn sealed(mut self, now_ms: i64) -> Result<Bytes, EncodingError> {
        if self.count == 0 {
            return Err(EncodingError::Size("no record"));
        }
        let mut header = BatchHeader {
            base_timestamp: now_ms,
            max_timestamp: now_ms,
            last_offset_delta: self.count - 1,
            records_count: self.count,
            ..BatchHeader::default()
        };
        self.bytes.truncate(self.end);
        let batch = Bytes::from(self.bytes);
        let head = header.seal(&[batch.slice(BATCH_HEADER_LEN..)]);
        match batch.try_into_mut() {
            Ok(mut batch) => {
                batch[..BATCH_HEADER_LEN].copy_from_slice(&head);
                Ok(batch.freeze())
            }
            Err(batch) => Ok([&head[..], &batch[BATCH_HEADER_LEN..]].concat().into()),
        }
    }
}

fn put_envelope(
    out: &mut Vec<u8>,
    record: &Accepted,
    mark: Option<u64>,
    topic: Option<&str>,
    now_ms: i64,
) {
    let new_topic = topic != Some(&*record.topic);
    let flag = |there: bool, flag: u8| if there { flag } else { 0 };
    out.push(
        flag(record.key.is_some(), KEY)
            | flag(mark.is_some(), MARK)
            | flag(new_topic, TOPIC)
            | flag(record.partition.is_some(), PARTITION)
            | flag(record.idempotency.is_some(), IDEMPOTENCY),
    );
    if let Some(mark) = mark {
        put_uvarint(out, mark);
    }
    if new_topic {
        put_uvarint(out, record.topic.len() as u64);
        out.extend_from_slice(record.topic.as_bytes());
    }
    put_uvarint(out, zigzag(record.timestamp.wrapping_sub(now_ms)));
    out.extend(record.partition.iter().flat_map(|partition| partition.to_be_bytes()));
    out.extend(record.idempotency.iter().flatten());
    out.extend_from_slice(record.key.as_deref().unwrap_or_default());
}

/// The offset before which everything was on the disk when a batch was written; 0 in one that does not say.
pub(super) fn promised_offset(batch: &RecordBatch) -> i64 {
    let first = batch.records().next().and_then(Result::ok);
    let mark = first.and_then(|record| {
        let mut envelope = Input::new(record.key?);
        let flags = envelope.byte()?;
        if flags & MARK == 0 { None } else { envelope.uvarint() }
    });
    i64::try_from(mark.unwrap_or(0)).unwrap_or(0)
}

/// Reads a batch whose first record has the sequence `first`; its checksum is verified.
pub(super) fn decode(batch: Bytes, first: u64) -> Result<Decoded, EncodingError> {
    let mut records = Vec::new();
    let Read { mark, next, taken_ms } = read(&RecordBatch::parse(batch)?, first, &mut records)?;
    Ok(Decoded { mark, next, taken_ms, records })
}

/// The same behind other records, from the sequence `from` on; nothing is added when there is an error. The checksum of a
/// batch that has not left this process is not looked at: it is `own`.
pub(super) fn decode_behind(
    batch: Bytes,
    own: bool,
    first: u64,
    from: u64,
    records: &mut Vec<(u64, Accepted)>,
) -> Result<(), EncodingError> {
    let batch = match own {
        true => RecordBatch::parse_without_checksum(batch)?,
        false => RecordBatch::parse(batch)?,
    };
    let begin = records.len();
    if let Err(error) = read(&batch, first, records) {
        records.truncate(begin);
        return Err(error);
    }
    let before = records[begin..].partition_point(|(sequence, _)| *sequence < from);
    if before > 0 {
        records.drain(begin..begin + before);
    }
    Ok(())
}

/// What a batch says beside its records.
struct Read {
    mark: u64,
    next: u64,
    taken_ms: i64,
}

fn read(
    batch: &RecordBatch,
    first: u64,
    records: &mut Vec<(u64, Accepted)>,
) -> Result<Read, EncodingError> {
    let header = *batch.header();
    let begin = records.len();
    // Each of that many has seven bytes at least; the batch was checked for it.
    records.reserve(usize::try_from(header.records_count).unwrap_or(0));
    let mut mark = 0;
    for record in batch.records() {
        let record = record?;
        let delta = u64::try_from(record.offset.wrapping_sub(header.base_offset)).unwrap_or(0);
        let sequence = first.saturating_add(delta);
        let wrong = |what| EncodingError::Envelope { sequence, what };
        let key = record.key.ok_or_else(|| wrong("no envelope"))?;
        let mut envelope = Envelope(Input::new(key));
        let flags = envelope.0.byte().ok_or_else(|| wrong("no flags"))?;
        if flags & UNKNOWN != 0 {
            return Err(wrong("flags of a later version"));
        }
        if flags & MARK != 0 {
            mark = envelope.0.uvarint().ok_or_else(|| wrong("no durable mark"))?;
        }
        if flags & SEAL == 0 {
            let before = Before { records, of_batch: records.len() > begin };
            let accepted = envelope.open(flags, &record, &before, batch.raw_records());
            records.push((sequence, accepted.map_err(wrong)?));
        }
    }
    let count = u64::try_from(header.last_offset_delta).unwrap_or(0) + 1;
    let next = first.saturating_add(count);
    Ok(Read { mark, next, taken_ms: header.base_timestamp })
}

/// Records whose names may be used again.
struct Before<'a> {
    records: &'a [(u64, Accepted)],
    /// The last one is of the same batch.
    of_batch: bool,
}

impl Before<'_> {
    fn last(&self) -> Option<&Accepted> {
        self.records.last().map(|(_, last)| last)
    }
}

/// What is left to read of an envelope.
struct Envelope<'a>(Input<'a>);

impl Envelope<'_> {
    /// The rest of the envelope, behind the flags and the mark. Names that records before it have are theirs.
    fn open(
        &mut self,
        flags: u8,
        record: &Record<'_>,
        before: &Before<'_>,
        source: &Bytes,
    ) -> Result<Accepted, &'static str> {
        let topic = match flags & TOPIC {
            0 => {
                let last = before.last().filter(|_| before.of_batch);
                last.map(|last| last.topic.clone()).ok_or("no topic before it")?
            }
            _ => {
                let len = self.0.uvarint().and_then(|len| usize::try_from(len).ok());
                let name = len.and_then(|len| self.0.take(len)).ok_or("no topic")?;
                let known = before.records.iter().rev().take(TOPICS_KEPT);
                let known = known.map(|(_, last)| &last.topic);
                shared(known, name).ok_or("a topic that is no text")?
            }
        };
        let since = self.0.uvarint().map(unzigzag).ok_or("no timestamp")?;
        let timestamp = record.timestamp.wrapping_add(since);
        let partition = match flags & PARTITION {
            0 => None,
            _ => Some(i32::from_be_bytes(self.0.array().ok_or("no partition")?)),
        };
        let idempotency = match flags & IDEMPOTENCY {
            0 => None,
            _ => Some(self.0.array().ok_or("no idempotency hash")?),
        };
        let key = match (flags & KEY, self.0.rest()) {
            (0, []) => None,
            (0, _) => return Err("a key where there is none"),
            (_, key) => Some(slice(source, key)),
        };
        let known = before.last().map_or(&[][..], |last| &last.headers);
        let mut headers = Vec::new();
        for (n, (name, value)) in record.raw_headers().enumerate() {
            let known = known.get(n).map(|header| &header.name);
            let name = shared(known.into_iter(), name).ok_or("a header's name that is no text")?;
            let value = value.map(|value| slice(source, value));
            headers.push(AcceptedHeader { name, value });
        }
        Ok(Accepted {
            topic,
            partition,
            timestamp,
            key,
            value: record.value.map(|value| slice(source, value)),
            headers,
            idempotency,
        })
    }
}

/// A name as one of those that are known, if it is among them; none when it is no text.
fn shared<'a>(mut known: impl Iterator<Item = &'a Arc<str>>, name: &[u8]) -> Option<Arc<str>> {
    match known.find(|known| known.as_bytes() == name) {
        Some(known) => Some(known.clone()),
        None => Some(std::str::from_utf8(name).ok()?.into()),
    }
}

/// A part of a batch without a copy; an empty one keeps nothing alive.
fn slice(source: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() { Bytes::new() } else { source.slice_ref(part) }
}

/// The sequence behind a batch whose first record has the sequence `first`; also for one whose records are damaged.
pub(super) fn next_sequence(batch: &Bytes, first: u64) -> u64 {
    let header = batch.first_chunk::<BATCH_HEADER_LEN>().map(BatchHeader::read);
    let last = header.and_then(|header| u64::try_from(header.last_offset_delta).ok());
    first.saturating_add(last.unwrap_or(0)).saturating_add(1)
}

/// About how many records batches have, and never more than fit their bytes: nothing of them was verified yet.
pub(super) fn count_at_most(batches: &[(u64, Bytes)]) -> usize {
    let count = |(first, batch): &(u64, Bytes)| {
        let said = next_sequence(batch, *first).saturating_sub(*first);
        usize::try_from(said).unwrap_or(usize::MAX).min(batch.len() / RECORD_BYTES_MIN)
    };
    batches.iter().map(count).sum()
}

/// Cuts bytes that hold whole batches into those; what does not look like one ends it.
pub(super) fn batches(bytes: &Bytes) -> impl Iterator<Item = (u64, Bytes)> {
    let mut left = bytes.clone();
    std::iter::from_fn(move || {
        let header = BatchHeader::read(left.first_chunk::<BATCH_HEADER_LEN>()?);
        let len = usize::try_from(header.batch_length).ok()?.checked_add(12)?;
        let sound = len >= BATCH_HEADER_LEN && len <= left.len();
        let first = u64::try_from(header.base_offset).ok().filter(|_| sound)?;
        Some((first, left.split_to(len)))
    })
}

#[cfg(test)]
#[path = "encoding_tests.rs"]
mod tests;
