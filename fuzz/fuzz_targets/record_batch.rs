//! The input is the records field of a fetch response; checksums are not checked under cfg(fuzzing).

#![no_main]

use bytes::Bytes;
use klamm_protocol::record_batch::{
    Header, Record, RecordBatch, RecordBatches, RecordParts, encode_record, encoded_record_len,
};
use libfuzzer_sys::fuzz_target;

/// Little, so that the fuzzer spends its time on finding paths and not on zeroing memory.
const CAP: usize = 256 * 1024;

fn read(batch: &RecordBatch) {
    let mut seen = 0;
    for record in batch.records() {
        let Ok(record) = record else { return };
        assert_eq!(record.headers().count(), record.raw_headers().count());
        assert!(record.offset >= batch.header().base_offset);
        assert!(record.offset < batch.next_offset());
        write_again(batch, &record);
        seen += 1;
    }
    assert_eq!(seen, batch.header().records_count);
}

/// What was read can be written, whole, and is then as long as it says.
fn write_again(batch: &RecordBatch, record: &Record<'_>) {
    let headers: Vec<_> = record.headers().map(|(key, value)| Header { key, value }).collect();
    let parts = RecordParts {
        timestamp_delta: record.timestamp.wrapping_sub(batch.header().base_timestamp),
        offset_delta: (record.offset - batch.header().base_offset) as i32,
        key: record.key,
        value: record.value,
        headers: &headers,
    };
    let len = encoded_record_len(&parts);
    let mut exact = vec![0; len];
    assert_eq!(encode_record(&mut exact, &parts), Some(len));
    let mut roomy = vec![0; len + 64];
    assert_eq!(encode_record(&mut roomy, &parts), Some(len));
    assert_eq!(exact, roomy[..len]);
}

fuzz_target!(|data: &[u8]| {
    for batch in RecordBatches::new(Bytes::copy_from_slice(data)).flatten() {
        let _ = batch.control_type();
        if let Ok(plain) = batch.decompressed(CAP) {
            read(&plain);
            let _ = plain.control_type();
        }
    }
});
