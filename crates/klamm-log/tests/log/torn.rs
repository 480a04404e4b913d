//! Files that a crash or a disk has left damaged.

use crate::batch::{Batch, client, intruder, records, small};
use bytes::Bytes;
use klamm_log::Log;
use klamm_log::storage::{FaultyStorage, MemoryStorage, Open, Storage};
use std::sync::Arc;

const FIRST: &str = "t-0/00000000000000000000.log";

/// Three batches in one segment, and where each of them begins.
fn three() -> (Bytes, Vec<u64>) {
    let storage = Arc::new(MemoryStorage::new());
    let (mut log, _) = Log::open(storage.clone(), "t-0", small(false)).unwrap();
    let mut starts = Vec::new();
    for value in [&b"first"[..], b"second", b"third"] {
        starts.push(log.size_bytes());
        let batch = Batch::values(&[value]).by(7, 0, starts.len() as i32 - 1);
        log.append(batch.bytes(), client(0)).unwrap();
    }
    let file = storage.open(FIRST, Open::Existing).unwrap();
    (file.read_at(0, file.size().unwrap() as usize).unwrap().concat().into(), starts)
}

fn storage_with(content: Bytes) -> Arc<MemoryStorage> {
    let storage = Arc::new(MemoryStorage::new());
    storage.create_dir("t-0").unwrap();
    storage.open(FIRST, Open::Empty).unwrap().write_at(0, &[content]).unwrap();
    storage
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_off() {
    let (all, starts) = three();
    for len in 0..=all.len() {
        let whole = starts.iter().filter(|&&start| start > 0 && start <= len as u64).count()
            + usize::from(len == all.len());
        let storage = storage_with(all.slice(..len));
        let (mut log, recovery) = Log::open(storage.clone(), "t-0", small(false)).unwrap();
        assert_eq!(records(&log).len(), whole, "cut at {len}");
        assert!(!recovery.clean && recovery.quarantined.is_empty(), "cut at {len}");
        assert_eq!(recovery.truncated_bytes, len as u64 - log.size_bytes(), "cut at {len}");
        let next = Batch::values(&[b"next"]).by(7, 0, whole as i32);
        assert_eq!(log.append(next.bytes(), client(0)).unwrap().base_offset, whole as i64);
        drop(log);
        let (log, recovery) = Log::open(storage, "t-0", small(false)).unwrap();
        assert_eq!((records(&log).len(), recovery.truncated_bytes), (whole + 1, 0));
    }
}

/// Whoever writes a record may write what looks like a batch.
#[test]
fn a_torn_batch_does_not_let_out_what_its_records_hold() {
    let storage = Arc::new(MemoryStorage::new());
    let (mut log, _) = Log::open(storage.clone(), "t-0", small(false)).unwrap();
    log.append(Batch::values(&[b"first"]).bytes(), client(0)).unwrap();
    let first = log.size_bytes();
    let value = [&intruder()[..], &[7; 50]].concat();
    log.append(Batch::values(&[&value]).bytes(), client(0)).unwrap();
    let all = storage.open(FIRST, Open::Existing).unwrap();
    let all = Bytes::from(all.read_at(0, all.size().unwrap() as usize).unwrap().concat());
    for len in first as usize..all.len() {
        let storage = storage_with(all.slice(..len));
        let (log, recovery) = Log::open(storage, "t-0", small(false)).unwrap();
        assert_eq!((records(&log).len(), log.end_offset()), (1, 1), "cut at {len}");
        assert_eq!(recovery.truncated_bytes, len as u64 - first, "cut at {len}");
    }
}

#[test]
fn a_damaged_batch_does_not_let_out_what_its_records_hold() {
    let storage = Arc::new(MemoryStorage::new());
    let (mut log, _) = Log::open(storage.clone(), "t-0", small(false)).unwrap();
    log.append(Batch::values(&[b"first"]).bytes(), client(0)).unwrap();
    let start = log.size_bytes() as usize;
    let value = [&[7; 50], &intruder()[..], &[7; 50]].concat();
    log.append(Batch::values(&[&value]).bytes(), client(0)).unwrap();
    let end = log.size_bytes() as usize;
    log.append(Batch::values(&[b"third"]).bytes(), client(0)).unwrap();
    let all = storage.open(FIRST, Open::Existing).unwrap();
    let all = all.read_at(0, all.size().unwrap() as usize).unwrap().concat();
    // Of the length and the format every bit; of the rest one for each byte.
    let head = (start + 8..start + 12).chain([start + 16]);
    let head = head.flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)));
    for (at, mask) in head.chain((start + 17..end).map(|at| (at, 4))) {
        let mut damaged = all.clone();
        damaged[at] ^= mask;
        let (log, recovery) = Log::open(storage_with(damaged.into()), "t-0", small(false)).unwrap();
        let offsets: Vec<_> = records(&log).iter().map(|record| record.0).collect();
        assert_eq!(offsets, [0, 2], "{mask} at {}", at - start);
        assert_eq!(recovery.quarantined.len(), 1);
    }
}

#[test]
fn garbage_of_any_kind_behind_the_last_batch_is_cut_off() {
    let (all, _) = three();
    let huge = [0, 0, 0, 0, 0, 0, 0, 3, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 2];
    let negative = [0, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 2];
    for garbage in [&[0; 3000][..], &[0xff; 3000], &[2; 3000], &huge, &negative] {
        let storage = storage_with([&all, garbage].concat().into());
        let (log, recovery) = Log::open(storage, "t-0", small(false)).unwrap();
        assert_eq!((log.end_offset(), recovery.truncated_bytes), (3, garbage.len() as u64));
    }
}

#[test]
fn damage_in_the_middle_is_set_aside_counted_and_reported() {
    let (all, starts) = three();
    for at in starts[1]..starts[2] {
        // Base offset and leader epoch are not covered by the checksum.
        let uncovered = (starts[1]..starts[1] + 8).chain(starts[1] + 12..starts[1] + 16);
        if uncovered.into_iter().any(|position| position == at) {
            continue;
        }
        let mut damaged = all.to_vec();
        damaged[at as usize] ^= 0x10;
        let storage = storage_with(damaged.clone().into());
        let (log, recovery) = Log::open(storage.clone(), "t-0", small(false)).unwrap();
        let offsets: Vec<_> = records(&log).iter().map(|record| record.0).collect();
        assert_eq!(offsets, [0, 2], "byte {at}");
        let [found] = &recovery.quarantined[..] else { panic!("byte {at}: {recovery:?}") };
        assert_eq!((found.from_offset, found.upto_offset), (1, 2));
        assert_eq!(found.bytes, starts[2] - starts[1]);
        let side = storage.open(&format!("t-0/{}", found.file), Open::Existing).unwrap();
        let set_aside = side.read_at(0, found.bytes as usize).unwrap().concat();
        assert_eq!(set_aside, damaged[starts[1] as usize..starts[2] as usize], "byte {at}");
        let (log, again) = Log::open(storage, "t-0", small(false)).unwrap();
        assert!(again.quarantined.is_empty() && log.end_offset() == 3, "byte {at}");
    }
}

#[test]
fn dedup_window_survives_a_restart_clean_or_not() {
    for clean in [true, false] {
        let storage = FaultyStorage::new();
        let (mut log, _) = Log::open(Arc::new(storage.clone()), "t-0", small(false)).unwrap();
        let batch = |n| Batch::values(&[b"v"]).by(9, 2, n).bytes();
        (0..8).for_each(|n| assert!(log.append(batch(n), client(0)).is_ok()));
        if clean {
            log.close().unwrap();
        }
        drop(log);
        let (mut log, recovery) = Log::open(Arc::new(storage), "t-0", small(false)).unwrap();
        assert_eq!(recovery.clean, clean);
        for n in 3..8 {
            let again = log.append(batch(n), client(0)).unwrap_err().duplicate().unwrap();
            assert_eq!(again.base_offset, i64::from(n), "clean: {clean}");
        }
        assert!(log.append(batch(2), client(0)).unwrap_err().duplicate().is_none());
        assert!(log.append(batch(8), client(0)).is_ok());
    }
}

#[test]
fn a_closed_log_that_was_damaged_since_is_looked_at_after_all() {
    for cut in [1, 60, 90, 200] {
        let (all, starts) = three();
        let storage = storage_with(all.clone());
        Log::open(storage.clone(), "t-0", small(false)).unwrap().0.close().unwrap();
        let left = all.len() as u64 - cut;
        storage.open(FIRST, Open::Existing).unwrap().truncate(left).unwrap();
        let (mut log, recovery) = Log::open(storage, "t-0", small(false)).unwrap();
        let whole = starts.iter().filter(|&&start| start > 0 && start <= left).count();
        assert_eq!((recovery.clean, records(&log).len()), (false, whole), "{cut} bytes missing");
        let next = Batch::values(&[b"next"]).by(7, 0, whole as i32);
        assert_eq!(log.append(next.bytes(), client(0)).unwrap().base_offset, whole as i64);
    }
}

#[test]
fn producers_are_known_after_retention_removed_their_batches() {
    let storage = FaultyStorage::new();
    let (mut log, _) = Log::open(Arc::new(storage.clone()), "t-0", small(true)).unwrap();
    let batch = |n| Batch::values(&[b"v"]).by(9, 0, n).bytes();
    log.append(batch(0), client(0)).unwrap();
    log.roll().unwrap();
    (1..4).for_each(|n| assert!(log.append(batch(n), client(0)).is_ok()));
    log.delete_before(4).unwrap();
    let (mut log, recovery) = Log::open(Arc::new(storage), "t-0", small(true)).unwrap();
    assert!(!recovery.clean && records(&log).is_empty());
    assert_eq!(log.append(batch(3), client(0)).unwrap_err().duplicate().unwrap().base_offset, 3);
    assert_eq!(log.append(batch(4), client(0)).unwrap().base_offset, 4);
}

#[test]
fn a_closed_log_is_opened_as_it_was() {
    let storage = Arc::new(MemoryStorage::new());
    let (mut log, _) = Log::open(storage.clone(), "t-0", small(false)).unwrap();
    for sequence in 0..5 {
        log.append(Batch::values(&[b"x"]).by(7, 0, sequence).bytes(), client(0)).unwrap();
    }
    log.close().unwrap();
    let (mut log, recovery) = Log::open(storage, "t-0", small(false)).unwrap();
    assert!(recovery.clean && recovery.scanned_batches == 0);
    for sequence in 0..5 {
        let again = log.append(Batch::values(&[b"x"]).by(7, 0, sequence).bytes(), client(0));
        assert_eq!(again.unwrap_err().duplicate().unwrap().base_offset, i64::from(sequence));
    }
}
