//! A cap on many logs together.

use crate::batch::{Batch, Dice, client, records, small};
use klamm_log::storage::MemoryStorage;
use klamm_log::{DiskCap, Log, Usage};
use std::sync::Arc;

const LIMIT: u64 = 4_000_000;

#[test]
fn logs_that_are_written_to_all_the_time_stay_under_their_cap() {
    let (cap, storage) = (DiskCap::new(LIMIT), Arc::new(MemoryStorage::new()));
    let mut config = small(false);
    config.segment_bytes = cap.segment_bytes(1 << 30, 8);
    let open = |n| Log::open(storage.clone(), &format!("t-{n}"), config.clone()).unwrap().0;
    let mut logs: Vec<Log> = (0..8).map(open).collect();
    let (mut dice, value, mut written) = (Dice::new(1), vec![7; 20_000], 0);
    for now in 0..3_000_i64 {
        // One log is as busy as all others together, and one falls silent.
        let log = if dice.roll(2) == 0 { 0 } else { 1 + dice.roll(6) as usize };
        let log = if now < 20 { 7 } else { log };
        logs[log].append(Batch::values(&[&value]).at(now).bytes(), client(now)).unwrap();
        written += value.len() as u64;
        if now % 10 == 9 {
            let usage: Vec<Usage> = logs.iter().map(Log::usage).collect();
            for log in cap.victims(&usage) {
                assert!(logs[log].give_up_oldest_segment().unwrap() > 0);
            }
        }
        let total: u64 = logs.iter().map(Log::size_bytes).sum();
        assert!(total <= LIMIT, "{total} bytes at {now}");
        assert!(total > LIMIT / 2 || written < LIMIT, "more went than had to");
    }
    assert_eq!(records(&logs[0]).last().unwrap().0, logs[0].end_offset() - 1);
}
