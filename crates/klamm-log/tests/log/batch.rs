//! Batches to append, and what a log holds.

use bytes::Bytes;
use klamm_log::{AppendInfo, Log, LogConfig, Origin};
use klamm_protocol::compression::{Codec, Compression};
use klamm_protocol::record_batch::{
    BatchHeader, RecordBatch, RecordBatches, RecordParts, encode_record, encoded_record_len,
};

/// A key, none for a null key, and a value, none for a tombstone.
pub(crate) type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A batch to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    header: BatchHeader,
    records: Vec<Pair>,
}

impl Batch {
    pub(crate) fn of(records: &[Pair]) -> Self {
        let count = i32::try_from(records.len()).unwrap();
        let header = BatchHeader {
            records_count: count,
            last_offset_delta: count - 1,
            ..BatchHeader::default()
        };
        Self { header, records: records.to_vec() }
    }

    /// Records without keys.
    pub(crate) fn values(values: &[&[u8]]) -> Self {
        Self::of(&values.iter().map(|value| (None, Some(value.to_vec()))).collect::<Vec<_>>())
    }

    pub(crate) fn at(self, timestamp: i64) -> Self {
        self.header(|h| (h.base_timestamp, h.max_timestamp) = (timestamp, timestamp))
    }

    pub(crate) fn transactional(self) -> Self {
        self.header(|h| h.attributes = h.attributes.transactional())
    }

    pub(crate) fn compressed(self, codec: Codec) -> Self {
        self.header(|h| h.attributes = h.attributes.with_codec(codec))
    }

    pub(crate) fn by(self, id: i64, epoch: i16, sequence: i32) -> Self {
        self.header(|h| (h.producer_id, h.producer_epoch, h.base_sequence) = (id, epoch, sequence))
    }

    pub(crate) fn header(mut self, change: impl FnOnce(&mut BatchHeader)) -> Self {
        change(&mut self.header);
        self
    }

    pub(crate) fn bytes(mut self) -> Bytes {
        let mut body = Vec::new();
        for ((key, value), offset_delta) in self.records.iter().zip(0..) {
            let parts = RecordParts {
                offset_delta,
                key: key.as_deref(),
                value: value.as_deref(),
                ..RecordParts::default()
            };
            let start = body.len();
            body.resize(start + encoded_record_len(&parts), 0);
            encode_record(&mut body[start..], &parts).unwrap();
        }
        let mut body = Bytes::from(body);
        let codec = self.header.attributes.codec().unwrap();
        if codec != Codec::None {
            let mut out = Vec::new();
            Compression::from(codec).compress(&[body], &mut out).unwrap();
            body = out.into();
        }
        let head = self.header.seal(std::slice::from_ref(&body));
        [&head[..], &body].concat().into()
    }
}

/// A whole batch far behind the end of every log. As part of a value it must never be taken for one of the log's own.
pub(crate) fn intruder() -> Bytes {
    Batch::values(&[b"intruder"]).header(|header| header.base_offset = 1 << 40).bytes()
}

pub(crate) fn is_intruder((_, value): &Pair) -> bool {
    value.as_deref() == Some(b"intruder")
}

/// What an append is stamped with.
pub(crate) fn client(_: i64) -> AppendInfo {
    AppendInfo { leader_epoch: 1, origin: Origin::Client }
}

/// A key and a value.
pub(crate) fn pair(key: &str, value: &str) -> Pair {
    (Some(key.into()), Some(value.into()))
}

/// A key without a value.
pub(crate) fn tombstone(key: &str) -> Pair {
    (Some(key.into()), None)
}

/// Settings with which little data makes many segments.
pub(crate) fn small(always: bool) -> LogConfig {
    let mut config = LogConfig::default();
    config.segment_bytes = 4096;
    config.index_interval_bytes = 512;
    config.sync_names = always;
    config
}

/// Every batch from the start on, each of them sound.
pub(crate) fn batches(log: &Log) -> Vec<RecordBatch> {
    let (mut from, mut found) = (log.start_offset(), Vec::new());
    while from < log.end_offset() {
        let slices = log.locate(from, i64::MAX, 3000, true).unwrap();
        if slices.is_empty() {
            break;
        }
        let bytes = Bytes::from(slices.load().unwrap().concat());
        let mut read = RecordBatches::new(bytes);
        found.extend(read.by_ref().map(Result::unwrap));
        assert!(!read.truncated(), "half a batch");
        from = slices.end_offset();
    }
    found
}

/// Offset, key and value of every record from the start on.
pub(crate) fn records(log: &Log) -> Vec<(i64, Pair)> {
    let (mut all, start) = (Vec::new(), log.start_offset());
    for batch in batches(log).iter().filter(|batch| !batch.attributes().is_control()) {
        for record in batch.decompressed(1 << 20).unwrap().records() {
            let record = record.unwrap();
            let pair = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
            all.extend((record.offset >= start).then_some((record.offset, pair)));
        }
    }
    assert!(all.windows(2).all(|two| two[0].0 < two[1].0), "offsets out of order");
    all
}

/// A sequence of numbers that a seed determines (xorshift).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}
