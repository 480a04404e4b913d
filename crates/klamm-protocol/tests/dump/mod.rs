//! A line for each batch and each record, as `xtask/java/RecordBatches.java` prints them.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use klamm_protocol::compression::{Codec, DECOMPRESSED_MAX_BYTES};
use klamm_protocol::record_batch::{BatchError, RecordBatch, RecordBatches};
use std::fmt::Write;

/// Longer fields are dumped as their length and checksum.
const LONG_FIELD: usize = 200;

/// What is in a run of batches.
pub(crate) fn dump(bytes: &Bytes) -> Result<String, BatchError> {
    let mut text = String::new();
    for batch in RecordBatches::new(bytes.clone()) {
        let batch = batch?;
        dump_batch(&mut text, &batch);
        let plain = batch.decompressed(DECOMPRESSED_MAX_BYTES)?;
        for record in plain.records() {
            let r = record?;
            let (key, value) = (hex(r.key), hex(r.value));
            text += &format!("{} @{} {key} {value}", r.offset, r.timestamp);
            for (name, value) in r.headers() {
                text += &format!(" {}={}", hex(Some(name.as_bytes())), hex(value));
            }
            text.push('\n');
        }
    }
    Ok(text)
}

fn dump_batch(text: &mut String, batch: &RecordBatch) {
    let (h, attributes) = (batch.header(), batch.attributes());
    *text += &format!(
        "batch last={} codec={} append_time={} transactional={} control={} producer={}/{}/{}\n",
        batch.next_offset() - 1,
        attributes.codec().map_or("unknown", Codec::name),
        attributes.is_log_append_time(),
        attributes.is_transactional(),
        attributes.is_control(),
        h.producer_id,
        h.producer_epoch,
        h.base_sequence,
    );
}

/// CRC-32C, as both sides print it.
pub(crate) fn crc32c(bytes: &[u8]) -> String {
    format!("crc32c {:08x}", checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

fn hex(field: Option<&[u8]>) -> String {
    match field {
        None => "null".to_owned(),
        Some(long) if long.len() > LONG_FIELD => {
            format!("<{} bytes, {}>", long.len(), crc32c(long))
        }
        Some(bytes) => {
            let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
                // Writing to a string does not fail.
                let _ = write!(digits, "{byte:02x}");
                digits
            });
            format!("<{digits}>")
        }
    }
}
