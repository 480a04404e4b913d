//! Nanoseconds per record for encoding, sealing and reading, on one core:
//! `cargo run --release -p klamm-protocol --example record_speed`.

use bytes::Bytes;
use klamm_protocol::record_batch::{BatchHeader, Header, RecordBatch, RecordParts, encode_record};
use std::hint::black_box;
use std::time::Instant;

const RECORDS: i32 = 1_000;
const ROUNDS: usize = 9;
const BATCHES: usize = 1_000;

/// The best of some rounds: what the code costs when nothing else runs.
fn best_ns(mut batch: impl FnMut() -> usize) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..BATCHES {
            black_box(batch());
        }
        let ns = start.elapsed().as_nanos() as f64 / (BATCHES as f64 * f64::from(RECORDS));
        best = best.min(ns);
    }
    best
}

fn encode_all(out: &mut [u8], parts: &RecordParts<'_>) -> usize {
    let mut at = 0;
    for i in 0..RECORDS {
        let r = RecordParts { offset_delta: i, timestamp_delta: i64::from(i / 200), ..*parts };
        at += encode_record(&mut out[at..], black_box(&r)).unwrap_or_default();
    }
    at
}

fn sealed(body: &[u8]) -> Bytes {
    let body = Bytes::copy_from_slice(body);
    let mut header = BatchHeader {
        last_offset_delta: RECORDS - 1,
        records_count: RECORDS,
        ..BatchHeader::default()
    };
    let head = header.seal(std::slice::from_ref(&body));
    [&head[..], &body[..]].concat().into()
}

fn read_all(batch: &RecordBatch) -> usize {
    let read = batch.records().flatten();
    read.map(|r| r.value.map_or(0, <[u8]>::len) + r.headers().count() + r.offset as usize).sum()
}

fn main() {
    let value = [b'v'; 100];
    let key = [b'k'; 16];
    let headers = [Header { key: "trace-id", value: Some(&key) }];
    let plain = RecordParts {
        timestamp_delta: 0,
        offset_delta: 0,
        key: None,
        value: Some(&value),
        headers: &[],
    };
    let keyed = RecordParts { key: Some(&key), ..plain };
    let full = RecordParts { headers: &headers, ..keyed };
    let mut out = vec![0; 256 * 1024];

    for (name, parts) in [("100 B", plain), ("16 B key, 100 B", keyed), ("and a header", full)] {
        println!("encode         {name:<18} {:6.1} ns", best_ns(|| encode_all(&mut out, &parts)));
        let n = encode_all(&mut out, &parts);
        let body = Bytes::copy_from_slice(&out[..n]);
        let bytes = sealed(&body);
        let mut header = BatchHeader::default();
        println!(
            "seal           {name:<18} {:6.1} ns",
            best_ns(|| header.seal(std::slice::from_ref(&body)).len())
        );
        let Ok(batch) = RecordBatch::parse(bytes.clone()) else { return };
        println!("read           {name:<18} {:6.1} ns", best_ns(|| read_all(&batch)));
        let parse = || RecordBatch::parse(bytes.clone()).map_or(0, |b| read_all(&b));
        println!("check and read {name:<18} {:6.1} ns", best_ns(parse));
    }
}
