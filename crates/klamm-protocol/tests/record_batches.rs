//! Batches that Kafka's own classes wrote, read as those classes read them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;

use bytes::{Buf, Bytes};
use dump::{crc32c, dump};
use klamm_protocol::compression::{Codec, DECOMPRESSED_MAX_BYTES};
use klamm_protocol::record_batch::{
    BatchHeader, ControlType, Header, RecordBatch, RecordBatches, RecordParts, encode_record,
    encoded_record_len,
};

static FROM_JAVA: &[u8] = include_bytes!("../../../testdata/wire/record_batches.bin");

struct Entry {
    name: String,
    batches: Bytes,
    seen_by_java: String,
}

fn entries() -> Vec<Entry> {
    let mut rest = Bytes::from_static(FROM_JAVA);
    let mut part = || {
        let len = rest.try_get_u32().ok()? as usize;
        Some(rest.split_to(len))
    };
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let mut entries = Vec::new();
    while let Some(name) = part() {
        let (batches, seen) = (part().unwrap(), part().unwrap());
        entries.push(Entry { name: text(name), batches, seen_by_java: text(seen) });
    }
    entries
}

fn entry(name: &str) -> RecordBatch {
    let entry = entries().into_iter().find(|e| e.name == name).unwrap();
    RecordBatches::new(entry.batches).next().unwrap().unwrap()
}

#[test]
fn every_batch_reads_as_java_reads_it() {
    let entries = entries();
    assert!(entries.len() >= 34, "{} entries", entries.len());
    for e in entries {
        let seen = dump(&e.batches).unwrap_or_else(|error| panic!("{}: {error}", e.name));
        if e.seen_by_java.starts_with("crc32c") {
            assert_eq!(crc32c(seen.as_bytes()), e.seen_by_java, "{}:\n{seen}", e.name);
        } else {
            assert_eq!(seen, e.seen_by_java, "{}", e.name);
        }
    }
}

/// Writes the records of an uncompressed batch again.
fn encoded_again(batch: &RecordBatch) -> Vec<u8> {
    let mut header: BatchHeader = *batch.header();
    let mut body = Vec::new();
    for record in batch.records() {
        let r = record.unwrap();
        let headers: Vec<_> = r.headers().map(|(key, value)| Header { key, value }).collect();
        let parts = RecordParts {
            timestamp_delta: r.timestamp - header.base_timestamp,
            offset_delta: (r.offset - header.base_offset) as i32,
            key: r.key,
            value: r.value,
            headers: &headers,
        };
        let at = body.len();
        body.resize(at + encoded_record_len(&parts), 0);
        encode_record(&mut body[at..], &parts).unwrap();
    }
    (header.crc, header.batch_length) = (0, 0);
    let body = [Bytes::from(body)];
    [&header.seal(&body)[..], &body[0]].concat()
}

#[test]
fn uncompressed_batches_are_written_byte_for_byte_as_java_writes_them() {
    let mut written = 0;
    for e in entries() {
        let batch = RecordBatches::new(e.batches.clone()).next().unwrap().unwrap();
        let attributes = batch.attributes();
        // Where the broker has set all timestamps, what the records had is not known any more.
        let lost = attributes.is_log_append_time();
        if !e.name.starts_with("v2") || attributes.codec() != Some(Codec::None) || lost {
            continue;
        }
        assert!(encoded_again(&batch) == e.batches, "{}", e.name);
        written += 1;
    }
    assert!(written >= 8, "{written}");
}

#[test]
fn markers_say_how_the_transaction_ended() {
    assert_eq!(entry("v2 commit").control_type(), Ok(Some(ControlType::Commit)));
    assert_eq!(entry("v2 abort").control_type(), Ok(Some(ControlType::Abort)));
    assert_eq!(entry("v2 none").control_type(), Ok(None));
}

#[test]
fn compacted_batch_ends_where_it_ended_before() {
    let batch = entry("v2 compacted");
    assert_eq!(batch.next_offset(), 31);
    assert_eq!(batch.records().map(|r| r.unwrap().offset).collect::<Vec<_>>(), [12, 17]);
}

#[test]
fn no_flipped_bit_of_a_message_set_goes_unnoticed() {
    for name in ["v0 none", "v1 none", "v1 lz4"] {
        let entry = entries().into_iter().find(|e| e.name == name).unwrap();
        for bit in 0..entry.batches.len() * 8 {
            let mut flipped = entry.batches.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = Bytes::from(flipped);
            let seen = RecordBatches::new(flipped.clone()).collect::<Result<Vec<_>, _>>();
            let all = |batches: &Vec<RecordBatch>| {
                batches
                    .iter()
                    .map(|b| b.next_offset())
                    .eq(RecordBatches::new(entry.batches.clone()).map(|b| b.unwrap().next_offset()))
            };
            // Offsets are the broker's to set and not covered; everything else is.
            assert!(seen.is_err() || !all(&seen.unwrap()), "{name}: bit {bit}");
        }
    }
}

#[test]
fn mutated_batches_are_errors_and_never_a_panic() {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % n as u64) as usize
    };
    for e in entries().iter().filter(|e| e.batches.len() < 1000) {
        for _ in 0..100 {
            let mut bytes = e.batches.to_vec();
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                bytes[at] = below(256) as u8;
            }
            bytes.truncate(bytes.len() - below(2) * below(bytes.len()));
            for batch in RecordBatches::new(bytes.into()).check_crcs(false).flatten() {
                let _ = batch.control_type();
                if let Ok(plain) = batch.decompressed(DECOMPRESSED_MAX_BYTES.min(1 << 20)) {
                    let _ = plain.check_records();
                }
            }
        }
    }
}
