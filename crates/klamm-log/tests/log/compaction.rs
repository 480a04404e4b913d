//! Compaction: the last value of every key, whatever happens in between.

use crate::batch::{Batch, Dice, Pair, batches, client, pair, records, small, tombstone};
use klamm_log::storage::{Fault, FaultyStorage, MemoryStorage, Misdeed, Storage};
use klamm_log::{AppendInfo, Log, LogConfig, Origin, end_transaction_marker};
use klamm_protocol::compression::Codec;
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;

fn compacted(always: bool) -> LogConfig {
    let mut config = small(always);
    (config.compact, config.delete) = (true, false);
    config
}

fn open(storage: &Arc<dyn Storage>) -> Log {
    Log::open(storage.clone(), "t-0", compacted(true)).unwrap().0
}

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

fn append(log: &mut Log, batch: Batch) -> i64 {
    log.append(batch.bytes(), client(0)).unwrap().base_offset
}

fn end(log: &mut Log, producer: i64, commit: bool) {
    let marker = end_transaction_marker(producer, 0, commit, 0, 0);
    let info = AppendInfo { origin: Origin::Coordinator { epoch: 0, tv2: false }, ..client(0) };
    log.append(marker, info).unwrap();
}

/// The last value of every key, tombstones left out; of aborted transactions nothing.
fn view(log: &Log) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let aborted = log.aborted_transactions(0, i64::MAX);
    let mut view = BTreeMap::new();
    for batch in batches(log).iter().filter(|batch| !batch.attributes().is_control()) {
        let (id, offset) = (batch.header().producer_id, batch.header().base_offset);
        let covers = |first, last| (first..=last).contains(&offset);
        let gone = |t: &klamm_log::AbortedTransaction| covers(t.first_offset, t.last_offset);
        if aborted.iter().any(|t| t.producer_id == id && gone(t)) {
            continue;
        }
        for record in batch.decompressed(1 << 20).unwrap().records() {
            let record = record.unwrap();
            let key = record.key.unwrap().to_vec();
            match record.value {
                Some(value) => view.insert(key, value.to_vec()),
                None => view.remove(&key),
            };
        }
    }
    view
}

#[test]
fn of_every_key_the_last_value_stays_where_it_was() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
        let storage = memory();
        let mut log = open(&storage);
        for n in 0..6 {
            let records = [pair("a", &format!("a{n}")), pair(&format!("own {n}"), "x")];
            append(&mut log, Batch::of(&records).at(n).compressed(codec));
        }
        log.roll().unwrap();
        append(&mut log, Batch::of(&[pair("a", "active")]));
        let (before, end) = (view(&log), log.end_offset());
        let done = log.compact_now(0).unwrap();
        assert_eq!((done.segments, done.records_removed), (1, 5), "{codec:?}");
        let offsets: Vec<_> = records(&log).iter().map(|record| record.0).collect();
        assert_eq!(offsets, [1, 3, 5, 7, 9, 10, 11, 12], "{codec:?}");
        let times: Vec<_> =
            batches(&log).iter().map(|batch| batch.header().max_timestamp).collect();
        assert_eq!(times, [0, 1, 2, 3, 4, 5, 0]);
        assert_eq!((view(&log), log.end_offset()), (before.clone(), end));
        assert_eq!(log.offset_for_timestamp(3).unwrap(), Some((7, 3)));
        drop(log);
        assert_eq!(view(&open(&storage)), before, "{codec:?}");
    }
}

#[test]
fn tombstones_stay_until_readers_have_seen_them() {
    let mut log = open(&memory());
    append(&mut log, Batch::of(&[pair("a", "1"), pair("b", "1")]).at(1000));
    append(&mut log, Batch::of(&[tombstone("a"), pair("c", "1")]).at(2000));
    append(&mut log, Batch::of(&[pair("d", "1")]));
    log.roll().unwrap();
    log.compact_now(5000).unwrap();
    let kept = |log: &Log| records(log).iter().map(|record| record.0).collect::<Vec<_>>();
    assert_eq!(kept(&log), [1, 2, 3, 4], "the value goes, its tombstone does not");
    log.compact_now(5000 + DAY_MS - 1).unwrap();
    assert_eq!(kept(&log), [1, 2, 3, 4]);
    let horizon: Vec<_> =
        batches(&log).iter().map(|batch| batch.attributes().has_delete_horizon()).collect();
    assert_eq!(horizon, [false, true, false]);
    let timestamps = |log: &Log| {
        let all = batches(log);
        all[1].records().map(|record| record.unwrap().timestamp).collect::<Vec<_>>()
    };
    assert_eq!(timestamps(&log), [2000, 2000], "the horizon does not move the records' times");
    log.compact_now(5000 + DAY_MS).unwrap();
    assert_eq!(kept(&log), [1, 3, 4]);
    assert_eq!(timestamps(&log), [2000]);
}

#[test]
fn what_was_aborted_goes_and_its_marker_after_it() {
    let storage = memory();
    let mut log = open(&storage);
    append(&mut log, Batch::of(&[pair("a", "committed")]).by(1, 0, 0).transactional());
    end(&mut log, 1, true);
    append(&mut log, Batch::of(&[pair("a", "aborted")]).by(2, 0, 0).transactional());
    end(&mut log, 2, false);
    append(&mut log, Batch::of(&[pair("z", "last")]).by(2, 0, 1).transactional());
    end(&mut log, 2, true);
    log.roll().unwrap();
    let before = view(&log);
    assert_eq!(before.len(), 2);
    let mut now = 0;
    for step in 0..4 {
        log.compact_now(now).unwrap();
        now += DAY_MS;
        assert_eq!(view(&log), before, "step {step}");
        assert!(!records(&log).contains(&(2, pair("a", "aborted"))));
        assert_eq!(view(&open(&storage)), before, "step {step}, opened again");
    }
    let offsets: Vec<_> = batches(&log).iter().map(|batch| batch.header().base_offset).collect();
    assert_eq!(offsets, [0, 1, 4, 5], "records, and the markers that belong to them");
    assert!(log.aborted_transactions(0, i64::MAX).is_empty());
}

#[test]
fn open_transactions_and_the_active_segment_are_left_alone() {
    let mut log = open(&memory());
    append(&mut log, Batch::of(&[pair("a", "1"), pair("a", "2")]));
    log.roll().unwrap();
    append(&mut log, Batch::of(&[pair("a", "3")]).by(1, 0, 0).transactional());
    append(&mut log, Batch::of(&[pair("a", "4")]));
    log.roll().unwrap();
    log.compact_now(0).unwrap();
    assert_eq!(records(&log).iter().map(|record| record.0).collect::<Vec<_>>(), [1, 2, 3]);
    end(&mut log, 1, true);
    append(&mut log, Batch::of(&[pair("a", "5"), pair("a", "6")]));
    log.compact_now(0).unwrap();
    let values: Vec<Pair> = records(&log).into_iter().map(|record| record.1).collect();
    assert_eq!(values, [pair("a", "4"), pair("a", "5"), pair("a", "6")]);
}

#[test]
fn producers_go_on_where_they_were_though_their_records_are_gone() {
    let storage = memory();
    let mut log = open(&storage);
    for n in 0..3 {
        append(&mut log, Batch::of(&[pair("a", "x")]).by(5, 0, n));
        append(&mut log, Batch::of(&[pair("a", "y")]));
    }
    log.roll().unwrap();
    log.compact_now(0).unwrap();
    assert_eq!(records(&log).len(), 1);
    drop(log);
    // Without what was saved of it, the state comes from the batches alone.
    for name in storage.list("t-0").unwrap().iter().filter(|name| name.ends_with(".producers")) {
        storage.remove(&format!("t-0/{name}")).unwrap();
    }
    let mut log = open(&storage);
    let retry = log.append(Batch::of(&[pair("a", "x")]).by(5, 0, 2).bytes(), client(0));
    assert_eq!(retry.unwrap_err().duplicate().unwrap().base_offset, 4);
    assert!(log.append(Batch::of(&[pair("a", "x")]).by(5, 0, 4).bytes(), client(0)).is_err());
    append(&mut log, Batch::of(&[pair("a", "x")]).by(5, 0, 3));
}

/// Some keys, some batches, transactions that end either way, over several segments.
fn fill(log: &mut Log, dice: &mut Dice, sequences: &mut [i32; 2]) {
    for _ in 0..12 + dice.roll(12) {
        let records: Vec<Pair> = (0..1 + dice.roll(4))
            .map(|_| match (dice.roll(8), dice.roll(6)) {
                (key, 0) => tombstone(&format!("key {key}")),
                (key, _) => pair(&format!("key {key}"), &"v".repeat(dice.roll(300) as usize)),
            })
            .collect();
        let id = dice.roll(3);
        match usize::try_from(id).ok().and_then(|id| sequences.get_mut(id)) {
            Some(sequence) => {
                let batch = Batch::of(&records).by(id as i64, 0, *sequence).transactional();
                *sequence += records.len() as i32;
                append(log, batch);
                if dice.roll(2) == 0 {
                    end(log, id as i64, dice.roll(2) == 0);
                }
            }
            None => {
                append(log, Batch::of(&records));
            }
        }
    }
    (0..2).for_each(|id| end(log, id, dice.roll(2) == 0));
}

#[test]
fn compaction_changes_no_view_and_invents_nothing() {
    for seed in 0..150 {
        let (storage, mut dice) = (memory(), Dice::new(seed));
        let (mut log, mut sequences, mut now) = (open(&storage), [0; 2], 0);
        for step in 0..4 {
            fill(&mut log, &mut dice, &mut sequences);
            let (before, all, end) = (view(&log), records(&log), log.end_offset());
            log.compact_now(now).unwrap();
            now += dice.roll(3) as i64 * DAY_MS;
            assert_eq!(view(&log), before, "seed {seed}, step {step}");
            assert!(records(&log).iter().all(|record| all.contains(record)), "seed {seed}");
            assert_eq!(log.end_offset(), end, "seed {seed}");
            if dice.roll(2) == 0 {
                drop(log);
                log = open(&storage);
                assert_eq!((view(&log), log.end_offset()), (before, end), "seed {seed}, reopened");
            }
        }
    }
}

/// A log with something to compact, all of it on the disk.
fn filled(storage: &FaultyStorage) -> Log {
    let mut log = open(&(Arc::new(storage.clone()) as Arc<dyn Storage>));
    fill(&mut log, &mut Dice::new(3), &mut [0; 2]);
    log.roll().unwrap();
    log.flush().unwrap();
    log
}

#[test]
fn a_compaction_may_be_interrupted_at_any_call_and_by_a_power_loss() {
    let storage = FaultyStorage::new();
    let mut log = filled(&storage);
    let so_far = storage.calls();
    assert!(log.compact_now(0).unwrap().records_removed > 0);
    for after in 0..storage.calls() - so_far {
        let storage = FaultyStorage::new();
        let mut log = filled(&storage);
        let (before, end) = (view(&log), log.end_offset());
        storage.inject(Fault { call: None, after, misdeed: Misdeed::Fail, lasting: false });
        assert!(log.compact_now(0).is_err(), "after {after}");
        storage.heal();
        assert_eq!(view(&log), before, "after {after}: the log that was interrupted");
        for seed in 0..5 {
            let left: Arc<dyn Storage> = Arc::new(storage.crash(seed));
            let log = open(&left);
            assert_eq!((view(&log), log.end_offset()), (before.clone(), end), "after {after}");
        }
        drop(log);
        let mut log = open(&(Arc::new(storage) as Arc<dyn Storage>));
        assert_eq!((view(&log), log.end_offset()), (before.clone(), end), "after {after}, opened");
        log.compact_now(0).unwrap();
        assert_eq!(view(&log), before, "after {after}, compacted again");
    }
}

#[test]
fn compaction_waits_until_it_is_worth_it() {
    let mut log = open(&memory());
    let fill = |log: &mut Log| {
        for _ in 0..4 {
            append(log, Batch::of(&[pair("a", &"v".repeat(200))]));
        }
        log.roll().unwrap();
    };
    fill(&mut log);
    assert_eq!(log.compact(0).unwrap().records_removed, 3);
    assert_eq!(log.compact(0).unwrap().segments, 0, "nothing new");
    fill(&mut log);
    let mut lagging = compacted(true);
    lagging.min_compaction_lag_ms = 1000;
    log.configure(lagging);
    assert_eq!(log.compact(999).unwrap().segments, 0, "too young");
    assert_eq!(log.compact(1000).unwrap().records_removed, 4);
    let mut off = compacted(true);
    off.compact = false;
    fill(&mut log);
    log.configure(off);
    assert_eq!(log.compact(0).unwrap().segments, 0, "not a compacted log");
}

/// Seven segments that do not become fewer, six of them with an old value of one key.
fn seven_segments(storage: &Arc<dyn Storage>) -> Log {
    let mut log = open(storage);
    let large = "v".repeat(usize::try_from(compacted(true).segment_bytes).unwrap() * 2 / 3);
    for n in 0..7 {
        append(&mut log, Batch::of(&[pair("a", "old"), pair(&format!("own {n}"), &large)]));
        log.roll().unwrap();
    }
    log
}

#[test]
fn the_log_may_change_while_it_is_compacted() {
    let storage = memory();
    let mut log = seven_segments(&storage);
    let mut compaction = log.begin_compaction_now(0).unwrap();
    let mut installed = 0;
    while let Some(replacement) = compaction.next(|| false).unwrap() {
        // Written behind, given up in front.
        append(&mut log, Batch::of(&[pair("a", "newer")]));
        if installed < 2 {
            log.give_up_oldest_segment().unwrap();
        }
        let before = view(&log);
        log.install(&mut compaction, replacement).unwrap();
        assert_eq!(view(&log), before);
        installed += 1;
    }
    assert!(installed > 3, "{installed} replacements");
    let (before, end) = (view(&log), log.end_offset());
    assert_eq!(before[&b"a"[..]], b"newer");
    log.end_compaction(compaction);
    drop(log);
    let mut log = open(&storage);
    assert_eq!((view(&log), log.end_offset()), (before.clone(), end));
    log.compact_now(0).unwrap();
    assert_eq!((view(&log), log.end_offset()), (before, end));
    let left = storage.list("t-0").unwrap();
    assert!(!left.iter().any(|name| name.ends_with(".cleaned")), "{left:?}");
}

#[test]
fn a_compaction_that_is_stopped_has_done_what_was_installed() {
    for batches in 0..20 {
        let storage = memory();
        let mut log = seven_segments(&storage);
        let before = view(&log);
        let seen = std::cell::Cell::new(0);
        let stop = || seen.replace(seen.get() + 1) >= batches;
        let mut compaction = log.begin_compaction_now(0).unwrap();
        while let Some(replacement) = compaction.next(stop).unwrap() {
            log.install(&mut compaction, replacement).unwrap();
        }
        let done = log.end_compaction(compaction);
        assert_eq!(view(&log), before, "after {batches} batches");
        let rest = log.compact_now(0).unwrap().records_removed;
        assert_eq!(done.records_removed + rest, 6, "after {batches} batches");
        assert_eq!(view(&log), before, "after {batches} batches");
        assert!(!storage.list("t-0").unwrap().iter().any(|name| name.ends_with(".cleaned")));
    }
}
