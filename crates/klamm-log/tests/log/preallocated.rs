//! Segments that are files of zeros before they are written to, and are zeros again before they are used again.

use crate::batch::{Batch, client, intruder, records, small};
use klamm_log::storage::{Call, Fault, FaultyStorage, MemoryStorage, Misdeed, Open, Storage};
use klamm_log::{Log, LogConfig};
use std::sync::Arc;

const FIRST: &str = "t-0/00000000000000000000.log";
const SPARE: &str = "t-0/spare";

fn settings() -> LogConfig {
    let mut config = small(true);
    config.preallocate = true;
    config
}

fn open(storage: &FaultyStorage) -> Log {
    Log::open(Arc::new(storage.clone()), "t-0", settings()).unwrap().0
}

fn make_spare(log: &mut Log) {
    let spare = log.begin_spare().unwrap();
    let made = spare.make(|| true);
    log.end_spare(spare, made).unwrap();
}

fn content(storage: &dyn Storage, path: &str) -> Vec<u8> {
    let file = storage.open(path, Open::Existing).unwrap();
    file.read_at(0, usize::try_from(file.size().unwrap()).unwrap()).unwrap().concat()
}

fn append(log: &mut Log, value: &[u8]) -> i64 {
    log.append(Batch::values(&[value]).bytes(), client(0)).unwrap().base_offset
}

/// A value in which a batch hides, until the segment is full and the next one has begun.
fn fill_a_segment(log: &mut Log) {
    let segments = log.segment_count();
    while log.segment_count() == segments {
        append(log, &[&intruder()[..], &[7; 100]].concat());
    }
    log.flush().unwrap();
}

#[test]
fn a_segment_that_is_written_to_keeps_its_size_until_it_ends() {
    let storage = FaultyStorage::new();
    let mut log = open(&storage);
    append(&mut log, b"in a segment that was begun without a spare");
    make_spare(&mut log);
    assert_eq!(content(&storage, SPARE), vec![0; 4096]);
    assert!(log.begin_spare().is_none(), "one is enough");
    let base = append(&mut log, b"in the spare");
    assert_eq!((log.segment_count(), base), (2, 1), "the first ends when there is a spare");
    let second = format!("t-0/{base:020}.log");
    for _ in 0..5 {
        append(&mut log, &[1; 300]);
        assert_eq!(content(&storage, &second).len(), 4096);
    }
    let written = log.oldest_segment().1;
    log.roll().unwrap();
    assert!(written > 0 && content(&storage, &second).len() < 4096, "cut to what it holds");
    make_spare(&mut log);
    append(&mut log, b"x");
    append(&mut log, b"y");
    let all = records(&log);
    log.close().unwrap();
    let (log, recovery) = Log::open(Arc::new(storage), "t-0", settings()).unwrap();
    assert!(recovery.clean, "no zeros are left in a log that was closed");
    assert_eq!(records(&log), all);
}

#[test]
fn a_log_goes_on_in_a_spare_when_it_is_told_to() {
    for empty in [true, false] {
        let storage = FaultyStorage::new();
        let mut log = open(&storage);
        assert!(!log.use_spare().unwrap(), "there is none");
        if !empty {
            append(&mut log, b"before");
            log.flush().unwrap();
        }
        make_spare(&mut log);
        assert!(log.use_spare().unwrap());
        assert!(!log.use_spare().unwrap() && log.wants_spare());
        assert_eq!(log.segment_count(), if empty { 1 } else { 2 });
        let active = format!("t-0/{:020}.log", log.active_offset());
        assert_eq!(content(&storage, &active), vec![0; 4096]);
        append(&mut log, b"after");
        log.flush().unwrap();
        assert_eq!(content(&storage, &active).len(), 4096);
        let all = records(&log);
        for seed in 0..20 {
            let (log, recovery) =
                Log::open(Arc::new(storage.crash(seed)), "t-0", settings()).unwrap();
            assert_eq!((records(&log), recovery.quarantined.len()), (all.clone(), 0));
        }
    }
}

#[test]
fn zeros_behind_the_end_are_no_torn_append() {
    let storage = FaultyStorage::new();
    let mut log = open(&storage);
    make_spare(&mut log);
    append(&mut log, b"first");
    append(&mut log, b"second");
    log.flush().unwrap();
    for seed in 0..20 {
        let opened = Log::open(Arc::new(storage.crash(seed)), "t-0", settings());
        let (log, recovery) = opened.unwrap();
        assert_eq!((records(&log).len(), recovery.truncated_bytes), (2, 0));
        assert!(recovery.quarantined.is_empty() && recovery.unwritten.is_none());
    }
}

#[test]
fn what_is_dropped_is_zeros_before_it_is_used_again() {
    let storage = FaultyStorage::new();
    let mut log = open(&storage);
    for round in 0..4 {
        fill_a_segment(&mut log);
        let end = log.end_offset();
        log.drop_segments_before(end).unwrap();
        if round > 0 {
            assert!(content(&storage, SPARE).iter().any(|&byte| byte != 0), "it is used again");
        }
        make_spare(&mut log);
        assert_eq!(content(&storage, SPARE), vec![0; 4096]);
        append(&mut log, b"small");
        log.roll().unwrap();
        append(&mut log, b"small, too");
        log.flush().unwrap();
        let all = records(&log);
        for seed in 0..50 {
            let opened = Log::open(Arc::new(storage.crash(seed)), "t-0", settings());
            let (log, recovery) = opened.unwrap();
            assert_eq!(records(&log), all, "seed {seed}");
            assert!(recovery.quarantined.is_empty() && recovery.unwritten.is_none());
        }
    }
}

#[test]
fn a_segment_that_is_being_read_is_not_used_again() {
    let storage = FaultyStorage::new();
    let mut log = open(&storage);
    fill_a_segment(&mut log);
    let slices = log.locate(0, i64::MAX, 1 << 20, true).unwrap();
    let before = slices.load().unwrap();
    let end = log.end_offset();
    log.drop_segments_before(end).unwrap();
    make_spare(&mut log);
    assert_eq!(slices.load().unwrap(), before);
}

#[test]
fn nor_is_one_that_was_looked_at_again_meanwhile() {
    let storage = FaultyStorage::new();
    let mut log = open(&storage);
    fill_a_segment(&mut log);
    let slices = log.locate(0, i64::MAX, 1 << 20, true).unwrap();
    let before = slices.load().unwrap();
    assert_eq!(log.mend(0).unwrap(), []);
    let end = log.end_offset();
    log.drop_segments_before(end).unwrap();
    make_spare(&mut log);
    assert!(slices.load().unwrap() == before);
}

#[test]
fn a_spare_that_cannot_be_made_takes_no_room_and_the_log_goes_on() {
    for misdeed in [Misdeed::Fail, Misdeed::Full] {
        for call in [Call::SyncDir, Call::Open, Call::Write, Call::Sync] {
            let storage = FaultyStorage::new();
            let mut log = open(&storage);
            storage.inject(Fault { call: Some(call), after: 0, misdeed, lasting: false });
            let spare = log.begin_spare().unwrap();
            let made = spare.make(|| true);
            assert!(made.is_err(), "{call:?}");
            assert!(log.end_spare(spare, made).is_err());
            storage.heal();
            assert!(storage.open(SPARE, Open::Existing).is_err(), "{call:?}");
            fill_a_segment(&mut log);
            make_spare(&mut log);
            append(&mut log, b"more");
            assert!(log.poisoned().is_none());
        }
    }
}

#[test]
fn a_full_disk_does_not_keep_segments_from_leaving() {
    let storage = FaultyStorage::new();
    let mut log = open(&storage);
    (0..3).for_each(|_| fill_a_segment(&mut log));
    let full = Fault { call: Some(Call::Open), after: 0, misdeed: Misdeed::Full, lasting: false };
    storage.inject(full);
    let end = log.end_offset();
    assert!(log.drop_segments_before(end).unwrap() > 0);
    assert_eq!(log.segment_count(), 1);
    let start = log.start_offset();
    let (log, _) = Log::open(Arc::new(storage.crash(3)), "t-0", settings()).unwrap();
    assert!(log.start_offset() <= start);
    let (log, _) = Log::open(Arc::new(storage), "t-0", settings()).unwrap();
    assert_eq!(log.start_offset(), start);
}

#[test]
fn a_log_that_has_no_use_for_a_spare_has_none() {
    let storage = FaultyStorage::new();
    let mut log = open(&storage);
    make_spare(&mut log);
    drop(log);
    let (mut log, _) = Log::open(Arc::new(storage.clone()), "t-0", small(true)).unwrap();
    assert!(log.begin_spare().is_none() && storage.open(SPARE, Open::Existing).is_err());
    append(&mut log, b"x");
    assert_eq!(content(&storage, FIRST).len() as u64, log.size_bytes());
}

#[test]
fn memory_has_segments_of_this_kind_as_well() {
    let storage = Arc::new(MemoryStorage::new());
    let (mut log, _) = Log::open(storage.clone(), "t-0", settings()).unwrap();
    make_spare(&mut log);
    (0..3).for_each(|_| fill_a_segment(&mut log));
    let all = records(&log);
    let (log, _) = Log::open(storage, "t-0", settings()).unwrap();
    assert_eq!(records(&log), all);
}
