//! Pure: message sets, the formats v0 and v1 of brokers before 0.11 - read, never written.
//!
//! Each message is a batch of one, and a compressed message holds a message set of its own. Both are
//! translated into record bytes of format v2, so that nothing else has to know that there was another.
//! Kafka's `AbstractLegacyRecordBatch` is what this follows.

use super::BatchError;
use super::batch::RecordBatch;
use super::encode::{RecordParts, encode_record, encoded_record_len};
use super::header::{Attributes, BatchHeader, LENGTH_FROM};
use crate::compression::{Codec, CodecError, decompress_message_set};
use bytes::{Buf, Bytes};
use crc_fast::{CrcAlgorithm, checksum};

/// What the length of a message says at least: CRC, magic, attributes and two null lengths.
pub(super) const LENGTH_MIN: usize = 14;
/// Where the bytes covered by the CRC-32 begin.
const CRC_FROM: usize = LENGTH_FROM + 4;
/// What stands for the time of a message from before there were timestamps.
const NO_TIMESTAMP: i64 = -1;
const CODEC_BITS: u8 = 0x07;
const LOG_APPEND_TIME: u8 = 0x08;

/// What has to be known about a compressed message to read those within it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrapper {
    magic: i8,
}

/// One message, its fields where they stand.
struct Message {
    offset: i64,
    magic: i8,
    codec: Option<Codec>,
    append_time: bool,
    timestamp: i64,
    key: Option<Bytes>,
    value: Option<Bytes>,
}

/// Reads one message with its offset and length in front.
pub(super) fn parse(bytes: Bytes, check_crcs: bool) -> Result<RecordBatch, BatchError> {
    let message = Message::read(bytes, check_crcs)?;
    let codec = message.codec.ok_or(codec_error(message.offset, CodecError::Unknown))?;
    if codec == Codec::None {
        return translate(&[message]);
    }
    let header = BatchHeader {
        base_offset: message.offset,
        attributes: Attributes::new(codec).with_log_append_time(message.append_time),
        base_timestamp: message.timestamp,
        max_timestamp: message.timestamp,
        ..BatchHeader::default()
    };
    let wrapper = Some(Wrapper { magic: message.magic });
    match message.value {
        Some(records) => Ok(RecordBatch { header, records, wrapper }),
        None => Err(malformed(message.offset, "compressed message without a value")),
    }
}

impl Message {
    fn read(mut bytes: Bytes, check_crc: bool) -> Result<Self, BatchError> {
        let truncated = |_| malformed(-1, "message is cut off");
        let computed = checksum(CrcAlgorithm::Crc32IsoHdlc, bytes.get(CRC_FROM..).unwrap_or(&[]));
        let offset = bytes.try_get_i64().map_err(truncated)?;
        let truncated = |_| malformed(offset, "message is cut off");
        bytes.try_get_i32().map_err(truncated)?; // the length, by which the caller has cut
        let stored = bytes.try_get_u32().map_err(truncated)?;
        if check_crc && stored != computed as u32 && !cfg!(fuzzing) {
            let (base_offset, computed) = (offset, computed as u32);
            return Err(BatchError::Checksum { base_offset, stored, computed });
        }
        let magic = bytes.try_get_i8().map_err(truncated)?;
        let attributes = bytes.try_get_u8().map_err(truncated)?;
        let timestamp = match magic {
            0 => NO_TIMESTAMP,
            1 => bytes.try_get_i64().map_err(truncated)?,
            _ => return Err(BatchError::Magic(magic)),
        };
        let key = field(&mut bytes, offset)?;
        let value = field(&mut bytes, offset)?;
        if !bytes.is_empty() {
            return Err(malformed(offset, "bytes after the value of a message"));
        }
        // zstd is younger than these formats (KIP-110).
        let codec =
            Codec::from_id(i16::from(attributes & CODEC_BITS)).filter(|c| *c != Codec::Zstd);
        let append_time = magic == 1 && attributes & LOG_APPEND_TIME != 0;
        Ok(Self { offset, magic, codec, append_time, timestamp, key, value })
    }
}

fn field(bytes: &mut Bytes, offset: i64) -> Result<Option<Bytes>, BatchError> {
    let truncated = malformed(offset, "field of a message is cut off");
    let Ok(len) = bytes.try_get_i32() else { return Err(truncated) };
    match usize::try_from(len) {
        Ok(n) if n <= bytes.len() => Ok(Some(bytes.split_to(n))),
        Err(_) if len == -1 => Ok(None),
        _ => Err(truncated),
    }
}

impl Wrapper {
    /// Reads the messages within a compressed one.
    pub(super) fn unwrap(
        &self,
        outer: &BatchHeader,
        compressed: &Bytes,
        cap: usize,
    ) -> Result<RecordBatch, BatchError> {
        let offset = outer.base_offset;
        let codec = outer.attributes.codec().ok_or(codec_error(offset, CodecError::Unknown))?;
        let mut rest = decompress_message_set(codec, compressed, cap, self.magic)
            .map_err(|error| codec_error(offset, error))?;
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let mut message = self.next(&mut rest, offset)?;
            if outer.attributes.is_log_append_time() {
                (message.append_time, message.timestamp) = (true, outer.max_timestamp);
            }
            messages.push(message);
        }
        let last =
            messages.last().ok_or(malformed(offset, "compressed message holds none"))?.offset;
        if self.magic == 1 {
            // Relative since v1: the outer offset is that of the last message within.
            let base = offset.wrapping_sub(last);
            messages.iter_mut().for_each(|m| m.offset = m.offset.wrapping_add(base));
        }
        translate(&messages)
    }

    fn next(&self, rest: &mut Bytes, offset: i64) -> Result<Message, BatchError> {
        let length = rest.get(8..LENGTH_FROM).map(|mut l| l.get_i32());
        let len =
            length.and_then(|n| usize::try_from(n).ok()).map(|n| n.saturating_add(LENGTH_FROM));
        match len {
            Some(len) if len <= rest.len() => {
                let message = Message::read(rest.split_to(len), true)?;
                if message.magic != self.magic || message.codec != Some(Codec::None) {
                    return Err(malformed(offset, "message within is of another kind"));
                }
                Ok(message)
            }
            _ => Err(malformed(offset, "message within is cut off")),
        }
    }
}

/// The batch in format v2 that says the same as these messages, of which there is at least one.
fn translate(messages: &[Message]) -> Result<RecordBatch, BatchError> {
    let Some(first) = messages.first() else { return Err(malformed(-1, "no message")) };
    let mut records = Vec::new();
    let mut header = BatchHeader {
        base_offset: first.offset,
        attributes: Attributes::default().with_log_append_time(first.append_time),
        base_timestamp: first.timestamp,
        max_timestamp: first.timestamp,
        ..BatchHeader::default()
    };
    for message in messages {
        let delta = message.offset.checked_sub(first.offset).and_then(|d| i32::try_from(d).ok());
        header.last_offset_delta = match delta {
            Some(d) if d >= header.last_offset_delta && message.offset >= 0 => d,
            _ => return Err(malformed(first.offset, "offsets of messages within out of order")),
        };
        header.max_timestamp = header.max_timestamp.max(message.timestamp);
        let parts = RecordParts {
            timestamp_delta: message.timestamp.wrapping_sub(first.timestamp),
            offset_delta: header.last_offset_delta,
            key: message.key.as_deref(),
            value: message.value.as_deref(),
            headers: &[],
        };
        let at = records.len();
        records.resize(at + encoded_record_len(&parts), 0);
        encode_record(&mut records[at..], &parts)
            .ok_or(malformed(message.offset, "message too long"))?;
    }
    header.records_count = i32::try_from(messages.len())
        .map_err(|_| malformed(first.offset, "too many messages within"))?;
    Ok(RecordBatch { header, records: records.into(), wrapper: None })
}

fn malformed(base_offset: i64, what: &'static str) -> BatchError {
    BatchError::Malformed { base_offset, what }
}

fn codec_error(base_offset: i64, error: CodecError) -> BatchError {
    BatchError::Codec { base_offset, error }
}
