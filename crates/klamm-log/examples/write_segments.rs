//! Writes a log of several segments to a directory, for Kafka's DumpLogSegments to read: batches of several records in three
//! codecs, an aborted transaction, a compaction.

#![allow(clippy::unwrap_used, reason = "a program for tests fails by panicking")]

#[path = "../tests/log/batch.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod batch;

use batch::{Batch, client, pair, small};
use klamm_log::storage::FileStorage;
use klamm_log::{AppendInfo, Log, Origin, end_transaction_marker};
use klamm_protocol::compression::Codec;
use std::sync::Arc;

fn main() {
    let dir = std::env::args().nth(1).expect("usage: write_segments DIRECTORY");
    let storage = Arc::new(FileStorage::open(dir).unwrap());
    let (mut log, _) = Log::open(storage, "orders-0", small(true)).unwrap();
    for n in 0..60_usize {
        let records: Vec<_> = (0..1 + n % 4)
            .map(|m| pair(&format!("key {}", (n + m) % 7), &"v".repeat(n * 7)))
            .collect();
        let time = [n * 10, 1000 - n, 300][n % 3];
        let codec = [Codec::None, Codec::Lz4, Codec::Zstd][n / 2 % 3];
        let batch = Batch::of(&records).at(1_700_000_000_000 + time as i64).compressed(codec);
        log.append(batch.bytes(), client(0)).unwrap();
        if n == 30 {
            log.roll().unwrap();
            log.compact_now(0).unwrap();
        }
    }
    let open = Batch::of(&[pair("key", "aborted")]).by(7, 0, 0).transactional();
    log.append(open.bytes(), client(0)).unwrap();
    let info = AppendInfo { origin: Origin::Coordinator { epoch: 3, tv2: false }, ..client(0) };
    log.append(end_transaction_marker(7, 0, false, 3, 0), info).unwrap();
    log.close().unwrap();
}
