//! Pure: the batch that ends a transaction (Kafka's EndTransactionMarker).

use bytes::Bytes;
use klamm_protocol::record_batch::{
    Attributes, BatchHeader, RecordParts, encode_record, encoded_record_len,
};

/// Makes the marker that commits or aborts what a producer has open in a partition.
pub fn end_transaction_marker(
    producer_id: i64,
    producer_epoch: i16,
    commit: bool,
    coordinator_epoch: i32,
    now_ms: i64,
) -> Bytes {
    // Version 0 of key and value; the type; the epoch.
    let key = [0, 0, 0, u8::from(commit)];
    let value = [&[0, 0][..], &coordinator_epoch.to_be_bytes()].concat();
    let record = RecordParts { key: Some(&key), value: Some(&value), ..RecordParts::default() };
    let mut body = vec![0; encoded_record_len(&record)];
    encode_record(&mut body, &record);
    let mut header = BatchHeader {
        attributes: Attributes::default().transactional().control(),
        base_timestamp: now_ms,
        max_timestamp: now_ms,
        producer_id,
        producer_epoch,
        records_count: 1,
        ..BatchHeader::default()
    };
    let body = Bytes::from(body);
    let head = header.seal(std::slice::from_ref(&body));
    [&head[..], &body].concat().into()
}

#[cfg(test)]
mod tests {
    use super::end_transaction_marker;
    use klamm_protocol::record_batch::{ControlType, RecordBatch};

    #[test]
    fn markers_are_control_batches() {
        for (commit, kind) in [(true, ControlType::Commit), (false, ControlType::Abort)] {
            let batch = RecordBatch::parse(end_transaction_marker(7, 3, commit, 9, 1000)).unwrap();
            assert_eq!(batch.control_type(), Ok(Some(kind)));
            assert!(batch.attributes().is_transactional());
            let record = batch.records().next().unwrap().unwrap();
            assert_eq!(record.value, Some(&[0, 0, 0, 0, 0, 9][..]));
        }
    }
}
