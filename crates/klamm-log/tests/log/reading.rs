//! What was found in a log is read later, a part at a time, and is what it was, whatever became of the log.

use crate::batch::{Batch, Dice, client, small};
use crate::directory::Directory;
use bytes::Bytes;
use klamm_log::storage::{
    Call, CountingStorage, Fault, FaultyStorage, FileStorage, MemoryStorage, Misdeed, Storage,
};
use klamm_log::{Log, LogConfig, Slices};
use std::io;
use std::sync::Arc;

/// Steps of a log's life that are tried for each seed.
const STEPS: usize = 120;

fn open(storage: Arc<dyn Storage>) -> Log {
    let mut config = small(true);
    config.preallocate = true;
    Log::open(storage, "t-0", config).unwrap().0
}

fn append(log: &mut Log, dice: &mut Dice) {
    let value = vec![dice.roll(256) as u8; dice.roll(1500) as usize];
    // It may be told to fail.
    drop(log.append(Batch::values(&[&value]).bytes(), client(0)));
}

/// All bytes, read in parts of `step`.
fn read(slices: &Slices, step: usize) -> Vec<u8> {
    let mut all = vec![0; slices.len()];
    let mut at = 0;
    for part in all.chunks_mut(step) {
        slices.read_into(at, part).unwrap();
        at += part.len();
    }
    all
}

#[test]
fn parts_are_the_whole_on_every_storage() {
    let storages: [(Arc<dyn Storage>, bool); 2] =
        [(Arc::new(MemoryStorage::new()), true), (Arc::new(FaultyStorage::new()), false)];
    for (storage, in_memory) in storages {
        let mut log = open(storage);
        for n in 0..5 {
            log.append(Batch::values(&[&[n; 500]]).bytes(), client(0)).unwrap();
        }
        let slices = log.locate(1, 4, usize::MAX, true).unwrap();
        assert_eq!(slices.is_in_memory(), in_memory);
        let whole = slices.load().unwrap().concat();
        assert_eq!(whole.len(), slices.len());
        for step in [1, 7, 500, whole.len() - 1, whole.len(), whole.len() + 1] {
            assert!(read(&slices, step) == whole, "in parts of {step}");
        }
        let behind = slices.read_into(slices.len() - 1, &mut [0; 2]).unwrap_err();
        assert_eq!(behind.kind(), io::ErrorKind::UnexpectedEof, "what follows was not asked for");
        assert!(slices.read_into(usize::MAX, &mut [0]).is_err());
        assert!(Slices::default().read_into(0, &mut []).is_err());
    }
}

/// One thing that may become of a log: it goes on, it fails, it forgets, it is tidied up.
fn step(log: &mut Log, storage: &FaultyStorage, dice: &mut Dice) {
    match dice.roll(9) {
        0 => {
            let bytes = dice.roll(700) as usize;
            let misdeed = Misdeed::Tear { bytes };
            storage.inject(Fault { call: Some(Call::Write), after: 0, misdeed, lasting: false });
            append(log, dice);
            storage.heal();
        }
        1 => log.roll().unwrap(),
        2 => drop(log.drop_oldest_segment().unwrap()),
        3 => log.delete_before(log.start_offset() + dice.roll(4).cast_signed()).unwrap_or(()),
        4 => {
            let segment = log.start_offset();
            assert_eq!(log.mend(segment).unwrap(), []);
        }
        5 => {
            if let Some(spare) = log.begin_spare() {
                let made = spare.make(|| true);
                log.end_spare(spare, made).unwrap();
            }
        }
        6 => drop(log.use_spare().unwrap()),
        _ => append(log, dice),
    }
}

#[test]
fn what_was_found_stays_what_it_was() {
    for seed in 0..60 {
        let (storage, mut dice) = (FaultyStorage::new(), Dice::new(seed));
        let mut log = open(Arc::new(storage.clone()));
        let mut held: Vec<(Slices, Vec<Bytes>)> = Vec::new();
        for n in 0..STEPS {
            step(&mut log, &storage, &mut dice);
            log.flush().unwrap();
            let found = log.locate(log.start_offset(), i64::MAX, 1 << 20, true).unwrap();
            let bytes = found.load().unwrap();
            held.push((found, bytes));
            if dice.roll(3) == 0 {
                // Who has read it all lets its segment go.
                held.swap_remove(dice.roll(held.len() as u64) as usize);
            }
            for (slices, bytes) in &held {
                assert!(read(slices, 1000) == bytes.concat(), "seed {seed}, step {n}");
            }
        }
        assert!(log.poisoned().is_none() && log.end_offset() > 10);
    }
}

/// Reads a log once, as somebody who is far behind its end; `passed` gets the bytes that were read so far.
fn pass_through(log: &Log, mut passed: impl FnMut(u64)) -> Vec<u8> {
    let (mut all, mut from) = (Vec::new(), 0);
    while from < log.end_offset() {
        let slices = log.locate(from, log.end_offset(), 256 << 10, true).unwrap();
        all.extend(slices.load_passing().unwrap().concat());
        from = slices.end_offset();
        passed(all.len() as u64);
    }
    all
}

fn ten_mib(storage: Arc<dyn Storage>) -> Log {
    let mut log = Log::open(storage, "t-0", LogConfig::default()).unwrap().0;
    let mut dice = Dice::new(5);
    while log.size_bytes() < 10 << 20 {
        let value = vec![dice.roll(256) as u8; 10_000 + dice.roll(90_000) as usize];
        log.append(Batch::values(&[&value]).bytes(), client(0)).unwrap();
    }
    log
}

#[test]
fn what_was_passed_is_evicted_and_nothing_behind_it() {
    const PIECE: u64 = 4 << 20;
    let storage = Arc::new(CountingStorage::default());
    let log = ten_mib(storage.clone());
    let mut evicted = 0;
    pass_through(&log, |passed| {
        evicted += storage.take_evicted_bytes();
        assert_eq!(evicted, passed / PIECE * PIECE, "with {passed} bytes read");
    });
    assert_eq!(evicted, 2 * PIECE);
    log.locate(0, log.end_offset(), usize::MAX, true).unwrap().load().unwrap();
    assert_eq!(storage.take_evicted_bytes(), 0, "whoever comes again needs them");
}

#[test]
fn what_was_evicted_before_it_was_synced_is_still_there() {
    let dir = Directory::new("evicted");
    let log = ten_mib(Arc::new(FileStorage::open(&dir.0).unwrap()));
    let all = log.locate(0, log.end_offset(), usize::MAX, true).unwrap().load().unwrap().concat();
    for _ in 0..2 {
        assert!(pass_through(&log, |_| {}) == all);
    }
}
