//! What it costs to read records out of fetched batches, lent and owned: nanoseconds a record.
//!
//! `cargo run --release -p klamm --example read_batches -- [VALUE_BYTES]`; 100 bytes by default, in batches of
//! 1,000 records, 1 MiB at a time.

use bytes::Bytes;
use klamm::consumer::Batch;
use klamm_protocol::record_batch::{BatchHeader, RecordParts, encode_record, encoded_record_len};
use std::hint::black_box;
use std::time::Instant;

const RECORDS: i32 = 1_000;
const BATCHES: i64 = 10;
const ROUNDS: u32 = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bytes = std::env::args().nth(1).map_or(Ok(100), |text| text.parse())?;
    let log: Bytes = (0..BATCHES).flat_map(|n| batch(n * i64::from(RECORDS), bytes)).collect();
    let decoded = timed(|| Batch::read("t", 0, log.clone(), usize::MAX).map_or(0, |all| all.len()));
    let batches = Batch::read("t", 0, log, usize::MAX)?;
    let lent =
        timed(|| batches.iter().flatten().map(|r| black_box(size(r.key(), r.value()))).sum());
    let owned = timed(|| {
        let records = batches.iter().cloned().flat_map(Batch::into_records);
        records.map(|r| size(black_box(&r).key(), r.value())).sum()
    });
    println!("decode and check {decoded:.1} ns, lent {lent:.1} ns, owned {owned:.1} ns a record");
    Ok(())
}

fn size(key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
    key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
}

/// The fastest of all rounds, in nanoseconds a record.
fn timed(mut read: impl FnMut() -> usize) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(read());
        best = best.min(start.elapsed().as_secs_f64());
    }
    best * 1e9 / (BATCHES as f64 * f64::from(RECORDS))
}

/// A plain batch of records with values of `bytes` bytes.
fn batch(base_offset: i64, bytes: usize) -> Vec<u8> {
    let value = vec![b'x'; bytes];
    let mut body = Vec::new();
    for offset_delta in 0..RECORDS {
        let (value, headers) = (Some(&value[..]), &[]);
        let parts = RecordParts { timestamp_delta: 0, offset_delta, key: None, value, headers };
        let at = body.len();
        body.resize(at + encoded_record_len(&parts), 0);
        encode_record(&mut body[at..], &parts);
    }
    let mut header = BatchHeader {
        base_offset,
        last_offset_delta: RECORDS - 1,
        records_count: RECORDS,
        ..BatchHeader::default()
    };
    let body = Bytes::from(body);
    let head = header.seal(std::slice::from_ref(&body));
    [&head[..], &body[..]].concat()
}
