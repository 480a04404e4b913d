//! A batch that a broker finds too large, divided in two.

use super::batch::Batch;
use super::delivery::{BatchState, Outcome};
use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression, decompress};
use klamm_protocol::record_batch::{
    BatchHeader, Header, Record, RecordBatch, RecordParts, encode_record, encoded_record_len,
};
use std::sync::Arc;

/// Divides the records into two batches of about half the bytes; `None` when there is only one.
///
/// The parent's outcome becomes "split", and its deliveries follow their records into the parts.
pub(super) fn split(parent: &Batch) -> Option<[Arc<Batch>; 2]> {
    if parent.count() < 2 {
        return None;
    }
    let whole = parse(parent)?;
    let records: Vec<Record<'_>> = whole.records().collect::<Result<_, _>>().ok()?;
    let half: usize = whole.raw_records().len() / 2;
    let mut bytes = 0;
    let middle = records.iter().position(|r| {
        bytes += r.key.map_or(0, <[u8]>::len) + r.value.map_or(0, <[u8]>::len) + 16;
        bytes >= half
    });
    let middle = middle.unwrap_or(records.len() / 2).clamp(1, records.len() - 1);
    let (first, second) = records.split_at(middle);
    let parts = [encode(parent, first)?, encode(parent, second)?];
    let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    parent.state.complete(Outcome::Split(vec![
        (0, Arc::clone(&parts[0].state)),
        (at(middle), Arc::clone(&parts[1].state)),
    ]));
    Some(parts)
}

/// Reads a batch of our own back.
fn parse(parent: &Batch) -> Option<RecordBatch> {
    let body: Bytes = parent.body().concat().into();
    let records = decompress(parent.codec(), &body, parent.uncompressed_len()).ok()?;
    let mut header = BatchHeader {
        base_timestamp: parent.base_timestamp(),
        records_count: parent.count(),
        last_offset_delta: parent.count() - 1,
        ..BatchHeader::default()
    };
    let head = header.seal(std::slice::from_ref(&records));
    RecordBatch::parse([&head[..], &records[..]].concat().into()).ok()
}

fn encode(parent: &Batch, records: &[Record<'_>]) -> Option<Arc<Batch>> {
    let base = records.first()?.timestamp;
    let mut body = Vec::new();
    for (i, record) in records.iter().enumerate() {
        let headers: Vec<Header<'_>> =
            record.headers().map(|(key, value)| Header { key, value }).collect();
        let parts = RecordParts {
            timestamp_delta: record.timestamp - base,
            offset_delta: i32::try_from(i).ok()?,
            key: record.key,
            value: record.value,
            headers: &headers,
        };
        let from = body.len();
        body.resize(from + encoded_record_len(&parts), 0);
        encode_record(&mut body[from..], &parts)?;
    }
    let uncompressed_len = body.len();
    if parent.codec() != Codec::None {
        let mut out = Vec::new();
        Compression::from(parent.codec()).compress(&[body.into()], &mut out).ok()?;
        body = out;
    }
    let max = records.iter().map(|r| r.timestamp).max()?;
    let count = i32::try_from(records.len()).ok()?;
    let state = Arc::new(BatchState::new(Arc::clone(&parent.state.partition)));
    let part = Batch::part_of(parent, state, body, uncompressed_len, count, (base, max));
    Some(Arc::new(part))
}
