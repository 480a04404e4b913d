//! Batches as a producer makes them.

use bytes::Bytes;
use klamm_protocol::record_batch::{
    Attributes, BatchHeader, RecordBatches, RecordParts, encode_record, encoded_record_len,
};

/// A batch of these values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    from_producer(-1, -1, values)
}

/// A batch of an idempotent producer.
pub(crate) fn from_producer(producer_id: i64, sequence: i32, values: &[&str]) -> Bytes {
    let producer_epoch = if producer_id < 0 { -1 } else { 0 };
    let header = BatchHeader { producer_id, producer_epoch, ..BatchHeader::default() };
    build(BatchHeader { base_sequence: sequence, ..header }, None, values)
}

/// The first batch of a transaction in a partition.
pub(crate) fn in_transaction((producer_id, producer_epoch): (i64, i16), value: &str) -> Bytes {
    let attributes = Attributes::default().transactional();
    let header = BatchHeader { producer_id, producer_epoch, attributes, ..BatchHeader::default() };
    build(BatchHeader { base_sequence: 0, ..header }, None, &[value])
}

/// A batch of one record with a key.
pub(crate) fn keyed(key: &str, value: &str) -> Bytes {
    let header = BatchHeader { producer_id: -1, producer_epoch: -1, ..BatchHeader::default() };
    build(BatchHeader { base_sequence: -1, ..header }, Some(key), &[value])
}

fn build(header: BatchHeader, key: Option<&str>, values: &[&str]) -> Bytes {
    let mut body = Vec::new();
    for (value, offset_delta) in values.iter().zip(0..) {
        let parts = RecordParts {
            offset_delta,
            key: key.map(str::as_bytes),
            value: Some(value.as_bytes()),
            ..RecordParts::default()
        };
        let start = body.len();
        body.resize(start + encoded_record_len(&parts), 0);
        encode_record(&mut body[start..], &parts).unwrap();
    }
    let count = i32::try_from(values.len()).unwrap();
    let last_offset_delta = count - 1;
    let mut header = BatchHeader { records_count: count, last_offset_delta, ..header };
    let body = Bytes::from(body);
    let head = header.seal(std::slice::from_ref(&body));
    [&head[..], &body].concat().into()
}

/// Offset and value of every record.
pub(crate) fn records(bytes: Vec<u8>) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    for batch in RecordBatches::new(bytes.into()) {
        let batch = batch.unwrap();
        if batch.header().attributes.is_control() {
            continue;
        }
        for record in batch.records() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            all.push((record.offset, value));
        }
    }
    all
}
