//! Segments that are full are opened by what stands beside them, and by themselves where that is not to be trusted.

use crate::batch::{Batch, Dice, client, records, small};
use klamm_log::storage::{CountingStorage, FaultyStorage, Open, Storage};
use klamm_log::{Log, LogConfig};
use std::sync::Arc;

fn append(log: &mut Log, value: &[u8]) {
    log.append(Batch::values(&[value]).bytes(), client(0)).unwrap();
    log.flush().unwrap();
}

/// Records in several segments, and the storage as the end of the process leaves it.
fn written() -> FaultyStorage {
    let storage = FaultyStorage::new();
    let mut log = open(&storage);
    (0..60).for_each(|n| append(&mut log, &[n; 300]));
    assert!(log.segment_count() > 5);
    storage
}

fn open(storage: &FaultyStorage) -> Log {
    Log::open(Arc::new(storage.clone()), "t-0", small(true)).unwrap().0
}

fn names(storage: &FaultyStorage, extension: &str) -> Vec<String> {
    let mut names = storage.list("t-0").unwrap();
    names.retain(|name| name.ends_with(extension));
    names
}

fn content(storage: &FaultyStorage, name: &str) -> Vec<u8> {
    let file = storage.open(&format!("t-0/{name}"), Open::Existing).unwrap();
    file.read_at(0, usize::try_from(file.size().unwrap()).unwrap()).unwrap().concat()
}

fn write(storage: &FaultyStorage, name: &str, content: Vec<u8>) {
    let file = storage.open(&format!("t-0/{name}"), Open::Empty).unwrap();
    file.write_at(0, &[content.into()]).unwrap();
}

#[test]
fn opening_reads_the_last_segment_and_little_of_the_others() {
    let storage = Arc::new(CountingStorage::default());
    let mut config = LogConfig::default();
    (config.segment_bytes, config.sync_names) = (256 << 10, true);
    let open = || Log::open(storage.clone(), "t-0", config.clone()).unwrap().0;
    let mut log = open();
    while log.size_bytes() < 10 << 20 {
        append(&mut log, &[7; 3000]);
    }
    let segments = log.segment_count();
    drop(log);
    let before = storage.take_read_bytes();
    let log = open();
    let opening = storage.take_read_bytes();
    assert_eq!(before, 0, "nobody has read anything yet");
    assert!(segments > 30 && opening < (600 << 10), "{opening} bytes of {segments} segments");
    // The place of a record in the middle is found as it was before.
    let (from, end) = (log.end_offset() / 2, log.end_offset());
    let slices = log.locate(from, end, 1, true).unwrap();
    assert_eq!(slices.end_offset(), from + 1);
    assert!(storage.take_read_bytes() < 100_000, "by its mark");
}

#[test]
fn a_log_without_summaries_has_them_after_it_was_opened() {
    let storage = written();
    let expected = records(&open(&storage));
    let summaries = names(&storage, ".summary");
    assert_eq!(summaries.len() + 1, names(&storage, ".log").len());
    let contents: Vec<_> = summaries.iter().map(|name| content(&storage, name)).collect();
    summaries.iter().for_each(|name| storage.remove(&format!("t-0/{name}")).unwrap());
    assert_eq!(records(&open(&storage)), expected);
    assert_eq!(names(&storage, ".summary"), summaries);
    let again: Vec<_> = summaries.iter().map(|name| content(&storage, name)).collect();
    assert_eq!(again, contents);
}

/// Whatever stands beside the segments, the log is the one that is in them.
#[test]
fn what_is_beside_a_segment_changes_nothing_in_the_log() {
    let expected = records(&open(&written()));
    for seed in 0..200 {
        let (storage, mut dice) = (written(), Dice::new(seed));
        let summaries = names(&storage, ".summary");
        let sound: Vec<_> = summaries.iter().map(|name| content(&storage, name)).collect();
        for name in &summaries {
            let mut file = content(&storage, name);
            assert!(!file.is_empty());
            match dice.roll(6) {
                0 => storage.remove(&format!("t-0/{name}")).unwrap(),
                // Torn, damaged, of another segment, of an earlier time.
                1 => {
                    file.truncate(dice.roll(file.len() as u64) as usize);
                    write(&storage, name, file);
                }
                2 => {
                    let at = dice.roll(file.len() as u64) as usize;
                    file[at] ^= 1 << dice.roll(8);
                    write(&storage, name, file);
                }
                3 => {
                    let other = &sound[dice.roll(sound.len() as u64) as usize];
                    write(&storage, name, other.clone());
                }
                4 => write(&storage, name, vec![0; file.len()]),
                _ => {}
            }
        }
        let mut log = open(&storage);
        assert_eq!(records(&log), expected, "seed {seed}");
        append(&mut log, b"one more");
        for (offset, _) in &expected {
            let slices = log.locate(*offset, i64::MAX, 1, true).unwrap();
            assert_eq!(slices.end_offset(), offset + 1, "seed {seed}");
        }
    }
}

/// A summary that is whole and says of its own segment what is not so, or was so before the segment changed.
#[test]
fn a_summary_that_lies_leads_past_no_record() {
    let storage = written();
    let expected = records(&open(&storage));
    let name = &names(&storage, ".summary")[1];
    let sound = content(&storage, name);
    let (head, marks) = sound.split_at(72);
    assert!(marks.len() > 4 * 24);
    // Each mark has the position of the next: what is there begins behind what is looked for.
    let mut lying = marks.to_vec();
    let last = lying.len() - 24;
    for at in (0..last).step_by(24) {
        lying.copy_within(at + 24 + 8..at + 24 + 16, at + 8);
    }
    lying[last + 8..last + 16].copy_from_slice(&(marks_end(head) - 61).to_be_bytes());
    let crc =
        |bytes: &[u8]| crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes).to_be_bytes();
    let head = [&head[8..64], &crc(&lying)].concat();
    let file = [b"KLS1", &crc(&head)[4..], &head, &lying].concat();
    write(&storage, name, file);
    let log = open(&storage);
    assert_eq!(records(&log), expected);
    for (offset, _) in &expected {
        let slices = log.locate(*offset, i64::MAX, 1, true).unwrap();
        assert_eq!(slices.end_offset(), offset + 1);
    }
}

/// The length of the segment, the first number of the head.
fn marks_end(head: &[u8]) -> u64 {
    u64::from_be_bytes(head[8..16].try_into().unwrap())
}

#[test]
fn damage_in_a_segment_that_was_not_read_is_mended_when_it_is_met() {
    // In the checksum of a batch, and in the length of one.
    for at in [2 * 380 + 17, 2 * 380 + 9] {
        let storage = written();
        let expected = records(&open(&storage));
        let damaged = names(&storage, ".log")[3].clone();
        let base: i64 = damaged.strip_suffix(".log").unwrap().parse().unwrap();
        storage.damage(&format!("t-0/{damaged}"), at, 0x7f).unwrap();
        let mut log = open(&storage);
        let quarantined = log.mend(base).unwrap();
        let [aside] = &quarantined[..] else { panic!("{quarantined:?}") };
        let gone = aside.from_offset..aside.upto_offset;
        assert_eq!(gone.end - gone.start, 1, "{aside:?}");
        assert!(names(&storage, ".damaged").contains(&aside.file));
        assert_eq!(log.mend(base).unwrap(), [], "the next look finds it sound");
        let left: Vec<_> = expected.into_iter().filter(|(n, _)| !gone.contains(n)).collect();
        assert_eq!(records(&log), left);
        append(&mut log, b"goes on");
        assert_eq!(records(&open(&storage)).len(), left.len() + 1);
    }
}

#[test]
fn the_active_segment_ends_when_it_is_mended() {
    let storage = written();
    let mut log = open(&storage);
    let (active, before) = (log.active_offset(), records(&log));
    storage.damage(&format!("t-0/{active:020}.log"), 9, 0x7f).unwrap();
    let quarantined = log.mend(active).unwrap();
    assert_eq!(quarantined.len(), 1);
    assert!(log.active_offset() > active);
    append(&mut log, b"goes on");
    assert_eq!(records(&log).len(), before.len());
}

#[test]
fn what_is_beside_a_segment_goes_with_it() {
    let storage = FaultyStorage::new();
    let mut config = small(true);
    config.companions = &["books"];
    let open = || Log::open(Arc::new(storage.clone()), "t-0", config.clone()).unwrap().0;
    let mut log = open();
    (0..50).for_each(|n| append(&mut log, &[n; 300]));
    let full: Vec<_> = log.full_segments().collect();
    for segment in &full {
        write(&storage, &format!("{:020}.books", segment.offsets.start), vec![1]);
    }
    write(&storage, "00000000000000000777.books", vec![1]);
    log.drop_segments_before(full[0].offsets.end).unwrap();
    assert_eq!(names(&storage, ".books").len(), full.len());
    drop(open());
    assert_eq!(names(&storage, ".books").len(), full.len() - 1, "and one that has no segment");
    // One that is mended is another.
    let second = full[1].offsets.start;
    storage.damage(&format!("t-0/{second:020}.log"), 30, 1).unwrap();
    let mut log = open();
    assert_eq!(log.mend(second).unwrap().len(), 1);
    assert!(!names(&storage, ".books").contains(&format!("{second:020}.books")));
    assert!(log.full_segments().all(|segment| segment != full[1]));
}
