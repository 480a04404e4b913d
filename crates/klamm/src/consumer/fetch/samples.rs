//! Bytes as brokers send them, for tests.

use super::budget::Budget;
use super::decode::{DecodeSettings, Decoder, FetchDataError, FetchedData, Step};
use super::{Batch, ConsumedRecord};
use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression};
use klamm_protocol::record_batch::{BatchHeader, RecordParts, encode_record, encoded_record_len};
use std::sync::Arc;

/// A batch in format v2, to be filled in.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) header: BatchHeader,
    /// Offset delta and value.
    pub(super) records: Vec<(i32, Vec<u8>)>,
    pub(super) codec: Codec,
}

impl Sample {
    /// Records `v<offset>` from `base` on.
    pub(super) fn new(base: i64, count: i32) -> Self {
        let value = |delta| format!("v{}", base + i64::from(delta)).into_bytes();
        let header = BatchHeader {
            base_offset: base,
            last_offset_delta: count - 1,
            partition_leader_epoch: 3,
            ..BatchHeader::default()
        };
        let records = (0..count).map(|delta| (delta, value(delta))).collect();
        Self { header, records, codec: Codec::None }
    }

    pub(super) fn of(mut self, producer_id: i64) -> Self {
        self.header.producer_id = producer_id;
        self.header.attributes = self.header.attributes.transactional();
        self
    }

    pub(super) fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (delta, value) in &self.records {
            let key = self.header.attributes.is_control().then_some(value.as_slice());
            put(&mut body, *delta, key, value);
        }
        seal(self.header, self.records.len(), self.codec, &body)
    }
}

fn put(body: &mut Vec<u8>, offset_delta: i32, key: Option<&[u8]>, value: &[u8]) {
    let value = Some(value);
    let parts = RecordParts { timestamp_delta: 0, offset_delta, key, value, headers: &[] };
    let at = body.len();
    body.resize(at + encoded_record_len(&parts), 0);
    encode_record(&mut body[at..], &parts).unwrap();
}

fn seal(mut header: BatchHeader, count: usize, codec: Codec, body: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    Compression::from(codec).compress(&[Bytes::copy_from_slice(body)], &mut stored).unwrap();
    header.records_count = count as i32;
    header.attributes = header.attributes.with_codec(codec);
    let stored = Bytes::from(stored);
    let head = header.seal(std::slice::from_ref(&stored));
    [&head[..], &stored[..]].concat()
}

/// The end of a transaction.
pub(super) fn marker(offset: i64, producer_id: i64, commit: bool) -> Vec<u8> {
    let mut sample = Sample::new(offset, 1).of(producer_id);
    sample.header.attributes = sample.header.attributes.control();
    sample.records = vec![(0, vec![0, 0, 0, u8::from(commit)])];
    sample.bytes()
}

/// One message of format v0 or v1.
pub(super) fn message(offset: i64, magic: u8, codec: u8, value: &[u8]) -> Vec<u8> {
    let mut covered = vec![magic, codec];
    if magic == 1 {
        covered.extend(7i64.to_be_bytes());
    }
    covered.extend((-1i32).to_be_bytes());
    covered.extend((value.len() as i32).to_be_bytes());
    covered.extend(value);
    let crc = crc32(&covered);
    let mut out = offset.to_be_bytes().to_vec();
    out.extend((covered.len() as i32 + 4).to_be_bytes());
    out.extend(crc.to_be_bytes());
    out.extend(covered);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, b| (0..8).fold(crc ^ u32::from(*b), |crc, _| bit(crc)))
}

pub(super) const SETTINGS: DecodeSettings = DecodeSettings {
    check_crcs: true,
    read_committed: false,
    max_records: usize::MAX,
    decompressed_max_bytes: 1 << 20,
};

/// A decoder over these bytes, read from `offset` on.
pub(super) fn decoder(
    offset: i64,
    records: Vec<u8>,
    aborted: &[(i64, i64)],
    settings: DecodeSettings,
    budget: &Budget,
) -> Decoder {
    let mut charge = budget.reserve(0).unwrap();
    charge.settle(records.len());
    let data = FetchedData {
        topic: "t".into(),
        partition: 0,
        offset,
        leader_epoch: -1,
        high_watermark: 1_000,
        last_stable_offset: 900,
        aborted: aborted.to_vec(),
        records: records.into(),
        charge: Arc::new(charge),
    };
    Decoder::new(data, settings)
}

/// Everything a decoder has, and where it ends.
pub(super) fn drain(
    decoder: &mut Decoder,
    budget: &Budget,
) -> (Vec<Batch>, Option<FetchDataError>) {
    let mut all = Vec::new();
    loop {
        match decoder.next(budget, true) {
            Ok(Step::Batches(batches)) => all.extend(batches),
            Ok(Step::Done) => return (all, None),
            Ok(Step::Blocked) => panic!("blocked"),
            Err(error) => return (all, Some(error)),
        }
    }
}

pub(super) fn unlimited() -> Budget {
    Budget::new(usize::MAX, |_| {})
}

/// Reads from `offset` on: the offsets delivered, the position after them, and what was wrong.
pub(super) fn read(
    offset: i64,
    records: &[Vec<u8>],
    aborted: &[(i64, i64)],
    settings: DecodeSettings,
) -> (Vec<i64>, i64, Option<FetchDataError>) {
    let budget = unlimited();
    let mut decoder = decoder(offset, records.concat(), aborted, settings, &budget);
    let (batches, error) = drain(&mut decoder, &budget);
    for pair in batches.windows(2) {
        assert!(pair[0].next_offset() <= pair[1].first_offset());
    }
    let owned = batches.iter().cloned().flat_map(Batch::into_records);
    let owned: Vec<ConsumedRecord> = owned.collect();
    let lent: Vec<_> = batches.iter().flatten().map(|r| (r.offset(), r.value())).collect();
    assert_eq!(owned.iter().map(|r| (r.offset(), r.value())).collect::<Vec<_>>(), lent);
    if let Some(last) = batches.last().filter(|_| error.is_none()) {
        assert_eq!(last.next_offset(), decoder.position().0);
    }
    let offsets = owned.iter().map(ConsumedRecord::offset).collect();
    (offsets, decoder.position().0, error)
}
