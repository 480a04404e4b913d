//! What the twin promises.

use super::{Call, Fault, FaultyStorage, Misdeed};
use crate::storage::{Open, Storage};
use bytes::Bytes;
use std::collections::BTreeSet;

fn content(storage: &FaultyStorage, path: &str) -> Option<Vec<u8>> {
    let file = storage.open(path, Open::Existing).ok()?;
    let len = usize::try_from(file.size().unwrap()).unwrap();
    Some(file.read_at(0, len).unwrap().concat())
}

fn fail(call: Call, after: u64, misdeed: Misdeed) -> Fault {
    Fault { call: Some(call), after, misdeed, lasting: false }
}

#[test]
fn what_was_synced_survives_and_the_rest_may_or_may_not() {
    let storage = FaultyStorage::new();
    let file = storage.open("f", Open::Empty).unwrap();
    file.write_at(0, &[Bytes::from(vec![1; 600])]).unwrap();
    file.sync_data().unwrap();
    assert!((0..100).any(|seed| content(&storage.crash(seed), "f").is_none()), "no name yet");
    storage.sync_dir("").unwrap();
    file.write_at(600, &[Bytes::from(vec![2; 1400])]).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let left = content(&storage.crash(seed), "f").unwrap();
        assert_eq!(left[..600], [1; 600]);
        assert!(left[600..].iter().all(|&byte| byte == 0 || byte == 2));
        seen.insert(left);
    }
    assert!(seen.contains(&vec![1; 600]) && seen.iter().any(|left| left.len() == 2000));
    let reordered = |left: &Vec<u8>| left.len() == 2000 && left[1000] == 0 && left[1999] == 2;
    assert!(seen.iter().any(reordered), "a later sector without an earlier one");
    assert_eq!(content(&storage.crash(7), "f"), content(&storage.crash(7), "f"));
}

#[test]
fn renames_are_whole_or_not_at_all() {
    let storage = FaultyStorage::new();
    for (name, byte) in [("old", 1), ("new", 2)] {
        let file = storage.open(name, Open::Empty).unwrap();
        file.write_at(0, &[Bytes::from(vec![byte])]).unwrap();
        file.sync_data().unwrap();
    }
    storage.sync_dir("").unwrap();
    storage.rename("new", "old").unwrap();
    let left: BTreeSet<_> = (0..50).map(|seed| content(&storage.crash(seed), "old")).collect();
    assert_eq!(left, [Some(vec![1]), Some(vec![2])].into());
}

#[test]
fn a_failed_sync_loses_what_a_later_one_claims_to_have_written() {
    let storage = FaultyStorage::new();
    let file = storage.open("f", Open::Empty).unwrap();
    storage.sync_dir("").unwrap();
    file.write_at(0, &[Bytes::from(vec![3; 100])]).unwrap();
    storage.inject(fail(Call::Sync, 0, Misdeed::Fail));
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(content(&storage, "f"), Some(vec![3; 100]), "readers still see it");
    assert!((0..50).all(|seed| content(&storage.crash(seed), "f") == Some(vec![0; 100])));
}

#[test]
fn faults_hit_the_call_they_are_meant_for() {
    let storage = FaultyStorage::new();
    let file = storage.open("f", Open::Empty).unwrap();
    storage.inject(fail(Call::Write, 1, Misdeed::Tear { bytes: 2 }));
    file.write_at(0, &[Bytes::from_static(b"ab")]).unwrap();
    let error = file.write_at(2, &[Bytes::from_static(b"cdef")]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(content(&storage, "f").unwrap(), b"abcd");
    file.write_at(4, &[Bytes::from_static(b"e")]).unwrap();
    let calls = storage.calls();
    storage.inject(Fault { call: None, after: 1, misdeed: Misdeed::Fail, lasting: true });
    assert!(file.size().is_ok() && file.size().is_err() && storage.list("").is_err());
    storage.heal();
    assert!(storage.list("").is_ok());
    assert_eq!(storage.calls(), calls + 4);
}
