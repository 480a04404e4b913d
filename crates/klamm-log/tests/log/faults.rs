//! Every call of the storage fails once: nothing that was acknowledged goes, and nothing is there by half.

use crate::batch::{Batch, client, records, small};
use klamm_log::storage::{Call, Fault, FaultyStorage, Misdeed};
use klamm_log::{AppendError, Log};
use std::sync::Arc;

/// What clients were told.
#[derive(Debug, Default)]
struct Told {
    appended: Vec<(i64, Vec<u8>)>,
    refused: Vec<Vec<u8>>,
    deleted_before: i64,
}

/// A day in the life of a log; what fails is left, and the day goes on.
fn day(storage: &FaultyStorage, told: &mut Told) {
    let Ok((mut log, _)) = Log::open(Arc::new(storage.clone()), "t-0", small(true)) else { return };
    for n in 0..24_u8 {
        let value = vec![n; 300 + usize::from(n)];
        let mut info = client(0);
        info.leader_epoch = i32::from(n) / 9;
        let poisoned = log.poisoned().is_some();
        match log.append(Batch::values(&[&value]).bytes(), info) {
            Ok(appended) => {
                assert!(!poisoned, "taken after a failure that leaves the disk unknown");
                told.appended.push((appended.base_offset, value));
            }
            Err(error) => {
                assert_eq!(poisoned, matches!(error, AppendError::Poisoned(_)), "{error}");
                told.refused.push(value);
            }
        }
        if n % 5 == 4 {
            drop(log.flush());
        }
        if n == 15 && log.delete_before(6).is_ok() {
            told.deleted_before = 6;
        }
    }
    drop(log.close());
}

/// What the log holds is what clients were told; without a power loss nothing that was taken may be missing.
fn check(storage: &FaultyStorage, told: &Told, what: &str) {
    let (mut log, recovery) = Log::open(Arc::new(storage.clone()), "t-0", small(true)).expect(what);
    assert!(recovery.quarantined.is_empty(), "{what}: {recovery:?}");
    let present = records(&log);
    assert!(log.start_offset() >= told.deleted_before, "{what}: deleted records are back");
    let expected: Vec<_> =
        told.appended.iter().filter(|(offset, _)| *offset >= log.start_offset()).collect();
    assert_eq!(present.len(), expected.len(), "{what}: {recovery:?}");
    for (record, (offset, value)) in present.iter().zip(expected) {
        assert_eq!((record.0, record.1.1.as_ref()), (*offset, Some(value)), "{what}");
    }
    assert!(log.append(Batch::values(&[b"next"]).bytes(), client(0)).is_ok(), "{what}");
}

fn calls_of_a_day() -> u64 {
    let storage = FaultyStorage::new();
    let mut told = Told::default();
    day(&storage, &mut told);
    assert!(told.refused.is_empty() && told.appended.len() == 24);
    check(&storage, &told, "no fault");
    storage.calls()
}

#[test]
fn any_call_may_fail() {
    let misdeeds = [Misdeed::Fail, Misdeed::Full, Misdeed::Tear { bytes: 100 }];
    for (misdeed, lasting) in misdeeds.iter().flat_map(|&m| [(m, false), (m, true)]) {
        for after in 0..calls_of_a_day() {
            let (storage, mut told) = (FaultyStorage::new(), Told::default());
            storage.inject(Fault { call: None, after, misdeed, lasting });
            day(&storage, &mut told);
            storage.heal();
            check(&storage, &told, &format!("{misdeed:?} after {after}, lasting: {lasting}"));
        }
    }
}

#[test]
fn opening_may_fail_at_any_call_and_be_tried_again() {
    for clean in [true, false] {
        for after in 0..60 {
            let (storage, mut told) = (FaultyStorage::new(), Told::default());
            if !clean {
                // Keeps the log from marking itself as whole.
                storage.inject(Fault {
                    call: Some(Call::Rename),
                    after: 14,
                    misdeed: Misdeed::Fail,
                    lasting: true,
                });
            }
            day(&storage, &mut told);
            storage.heal();
            storage.inject(Fault { call: None, after, misdeed: Misdeed::Fail, lasting: false });
            drop(Log::open(Arc::new(storage.clone()), "t-0", small(true)));
            storage.heal();
            check(&storage, &told, &format!("opened with a failure after {after}, clean: {clean}"));
        }
    }
}

#[test]
fn a_write_that_fails_leaves_no_part_of_itself() {
    for bytes in [0, 1, 61, 100, 1000] {
        let storage = FaultyStorage::new();
        let (mut log, _) = Log::open(Arc::new(storage.clone()), "t-0", small(true)).unwrap();
        log.append(Batch::values(&[b"one"]).bytes(), client(0)).unwrap();
        let torn = Fault {
            call: Some(Call::Write),
            after: 0,
            misdeed: Misdeed::Tear { bytes },
            lasting: false,
        };
        storage.inject(torn);
        let refused = log.append(Batch::values(&[b"two"]).bytes(), client(0));
        assert!(matches!(refused, Err(AppendError::Storage(_))));
        assert_eq!(log.end_offset(), 1, "not ahead of what is written");
        let next = log.append(Batch::values(&[b"three"]).bytes(), client(0)).unwrap();
        assert_eq!((next.base_offset, records(&log).len()), (1, 2));
        // When it cannot be cut off either, nothing may be written behind it.
        storage.inject(torn);
        storage.inject(Fault { call: Some(Call::Truncate), misdeed: Misdeed::Fail, ..torn });
        assert!(log.append(Batch::values(&[b"four"]).bytes(), client(0)).is_err());
        let refused = log.append(Batch::values(&[b"five"]).bytes(), client(0));
        assert!(matches!(refused, Err(AppendError::Poisoned(_))));
        assert_eq!(records(&log).len(), 2);
    }
}
