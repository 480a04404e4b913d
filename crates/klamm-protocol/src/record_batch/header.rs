//! Pure: the 61 bytes before the records of a batch.

use crate::compression::Codec;
use bytes::Bytes;

/// Bytes before the first record of a batch.
pub const BATCH_HEADER_LEN: usize = 61;
/// Bytes that the batch length does not count: base offset and the length itself.
pub(super) const LENGTH_FROM: usize = 12;
/// Where the part of the batch starts that the checksum covers.
pub(super) const CRC_FROM: usize = 21;
/// Where the format stands, in this one and in those before it.
pub(super) const MAGIC_AT: usize = 16;
/// The format these bytes are in.
pub(super) const MAGIC: i8 = 2;

/// The attribute bits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC_MASK: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// Attributes of a batch of plain records.
    pub const fn new(codec: Codec) -> Self {
        Self(codec as i16)
    }

    /// How the records are compressed; `None` for an id that no version of Kafka has given out.
    pub fn codec(self) -> Option<Codec> {
        Codec::from_id(self.0 & Self::CODEC_MASK)
    }

    /// Whether the broker's append time stands in for every record's own.
    pub fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    /// Whether the records belong to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch is a marker and not data.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time from which tombstones may be removed.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same, marked as part of a transaction.
    #[must_use]
    pub const fn transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    /// The same, marked as a control batch.
    #[must_use]
    pub const fn control(self) -> Self {
        Self(self.0 | Self::CONTROL)
    }

    /// The same for records compressed in another way.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !Self::CODEC_MASK | codec as i16)
    }

    /// The same with the broker's append time in place of every record's own, or without.
    #[must_use]
    pub const fn with_log_append_time(self, on: bool) -> Self {
        let others = self.0 & !Self::LOG_APPEND_TIME;
        Self(if on { others | Self::LOG_APPEND_TIME } else { others })
    }
}

/// The header of a batch in format v2 (KIP-98).
///
/// Default: no records, and -1 for whatever a producer without an id does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; the broker assigns it.
    pub base_offset: i64,
    /// Bytes after this field.
    pub batch_length: i32,
    /// Leader epoch in which the batch was appended; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// CRC-32C from the attributes to the end.
    pub crc: u32,
    /// Codec, timestamp type and kind of batch.
    pub attributes: Attributes,
    /// Offset of the last record less the base offset.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from, in ms since the epoch.
    pub base_timestamp: i64,
    /// Largest timestamp in the batch, in ms since the epoch.
    pub max_timestamp: i64,
    /// Producer id, or -1.
    pub producer_id: i64,
    /// Producer epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Records in the batch.
    pub records_count: i32,
}

impl Default for BatchHeader {
    fn default() -> Self {
        Self {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: -1,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: 0,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records_count: 0,
        }
    }
}

impl BatchHeader {
    /// Reads a header; the caller has checked that the format is v2.
    pub fn read(bytes: &[u8; BATCH_HEADER_LEN]) -> Self {
        let mut at = Cursor { bytes, at: 0 };
        let (base_offset, batch_length) =
            (i64::from_be_bytes(at.next()), i32::from_be_bytes(at.next()));
        let partition_leader_epoch = i32::from_be_bytes(at.next());
        let [_magic] = at.next();
        Self {
            base_offset,
            batch_length,
            partition_leader_epoch,
            crc: u32::from_be_bytes(at.next()),
            attributes: Attributes(i16::from_be_bytes(at.next())),
            last_offset_delta: i32::from_be_bytes(at.next()),
            base_timestamp: i64::from_be_bytes(at.next()),
            max_timestamp: i64::from_be_bytes(at.next()),
            producer_id: i64::from_be_bytes(at.next()),
            producer_epoch: i16::from_be_bytes(at.next()),
            base_sequence: i32::from_be_bytes(at.next()),
            records_count: i32::from_be_bytes(at.next()),
        }
    }

    /// The wire form.
    pub fn to_bytes(&self) -> [u8; BATCH_HEADER_LEN] {
        let mut out = [0; BATCH_HEADER_LEN];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&self.base_offset.to_be_bytes());
        put(&self.batch_length.to_be_bytes());
        put(&self.partition_leader_epoch.to_be_bytes());
        put(&MAGIC.to_be_bytes());
        put(&self.crc.to_be_bytes());
        put(&self.attributes.0.to_be_bytes());
        put(&self.last_offset_delta.to_be_bytes());
        put(&self.base_timestamp.to_be_bytes());
        put(&self.max_timestamp.to_be_bytes());
        put(&self.producer_id.to_be_bytes());
        put(&self.producer_epoch.to_be_bytes());
        put(&self.base_sequence.to_be_bytes());
        put(&self.records_count.to_be_bytes());
        out
    }

    /// Fills in length and checksum for these records and returns the wire form of the header.
    pub fn seal(&mut self, body: &[Bytes]) -> [u8; BATCH_HEADER_LEN] {
        let body_len: usize = body.iter().map(Bytes::len).sum();
        // A batch over 2 GiB cannot be built: producers cap them at a thousandth of that.
        self.batch_length =
            i32::try_from(body_len + BATCH_HEADER_LEN - LENGTH_FROM).unwrap_or(i32::MAX);
        let head = self.to_bytes();
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(&head[CRC_FROM..]);
        for piece in body {
            digest.update(piece);
        }
        self.crc = digest.finalize() as u32;
        self.to_bytes()
    }
}

/// CRC-32C of everything from the attributes on.
pub(super) fn checksum(from_attributes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, from_attributes) as u32
}

struct Cursor<'a> {
    bytes: &'a [u8; BATCH_HEADER_LEN],
    at: usize,
}

impl Cursor<'_> {
    fn next<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_the_round_trip() {
        let header = BatchHeader {
            base_offset: 1,
            batch_length: 2,
            partition_leader_epoch: 3,
            crc: 4,
            attributes: Attributes(5),
            last_offset_delta: 6,
            base_timestamp: 7,
            max_timestamp: 8,
            producer_id: 9,
            producer_epoch: 10,
            base_sequence: 11,
            records_count: 12,
        };
        assert_eq!(BatchHeader::read(&header.to_bytes()), header);
        assert_eq!(header.to_bytes()[16], 2, "magic");
    }
}
