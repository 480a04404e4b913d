//! A log against the simplest thing that behaves like one: a list of records.

use crate::batch::{Batch, Pair, client, pair, records, small};
use klamm_log::Log;
use klamm_log::storage::{FaultyStorage, MemoryStorage, Storage};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

/// What is done to both.
#[derive(Debug, Clone)]
enum Step {
    Append {
        sizes: Vec<usize>,
        timestamp: i64,
    },
    DeleteBefore {
        part: f64,
    },
    Retain {
        now_ms: i64,
    },
    Roll,
    /// Opens it again, with or without closing it.
    Reopen {
        close: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (vec(0..900_usize, 1..5), 0..1000_i64)
            .prop_map(|(sizes, timestamp)| Step::Append { sizes, timestamp }),
        1 => (0.0..=1.0).prop_map(|part| Step::DeleteBefore { part }),
        1 => (0..2000_i64).prop_map(|now_ms| Step::Retain { now_ms }),
        1 => Just(Step::Roll),
        1 => any::<bool>().prop_map(|close| Step::Reopen { close }),
    ]
}

/// The list.
#[derive(Debug, Default)]
struct Model {
    start: i64,
    records: Vec<(Pair, i64)>,
}

impl Model {
    fn end(&self) -> i64 {
        self.records.len() as i64
    }

    fn alive(&self) -> impl Iterator<Item = (i64, &(Pair, i64))> {
        (0..).zip(&self.records).skip(self.start as usize)
    }
}

fn open(storage: &Arc<dyn Storage>) -> Log {
    let mut config = small(true);
    (config.retention_ms, config.retention_bytes) = (Some(1000), Some(20_000));
    Log::open(storage.clone(), "t-0", config).unwrap().0
}

fn apply(log: &mut Log, model: &mut Model, storage: &Arc<dyn Storage>, step: Step) {
    match step {
        Step::Append { sizes, timestamp } => {
            let records: Vec<Pair> = sizes.iter().map(|&n| pair("k", &"v".repeat(n))).collect();
            let batch = Batch::of(&records).at(timestamp).bytes();
            let appended = log.append(batch, client(timestamp)).unwrap();
            assert_eq!(appended.base_offset, model.end());
            model.records.extend(records.into_iter().map(|record| (record, timestamp)));
            assert_eq!(appended.last_offset, model.end() - 1);
        }
        Step::DeleteBefore { part } => {
            let before = (part * model.end() as f64) as i64;
            log.delete_before(before).unwrap();
            model.start = model.start.max(before);
        }
        Step::Retain { now_ms } => {
            let before = model.start;
            log.retain(now_ms).unwrap();
            // Segments are the log's affair; what goes must be a beginning, and old, or too much.
            model.start = log.start_offset();
            assert!((before..=model.end()).contains(&model.start));
            assert!(log.size_bytes() <= 20_000 + 8192);
        }
        Step::Roll => log.roll().unwrap(),
        Step::Reopen { close } => {
            if close {
                log.close().unwrap();
            }
            *log = open(storage);
        }
    }
}

fn compare(log: &Log, model: &Model) {
    assert_eq!((log.start_offset(), log.end_offset()), (model.start, model.end()));
    let expected: Vec<_> =
        model.alive().map(|(offset, (record, _))| (offset, record.clone())).collect();
    assert_eq!(records(log), expected);
    for timestamp in (0..1000).step_by(97) {
        let first = model.alive().find(|(_, (_, time))| *time >= timestamp);
        let first = first.map(|(offset, (_, time))| (offset, *time));
        assert_eq!(log.offset_for_timestamp(timestamp).unwrap(), first, "time {timestamp}");
    }
    for from in (model.start..model.end()).step_by(3) {
        let slices = log.locate(from, model.end(), 1, true).unwrap();
        let bytes = slices.load().unwrap().concat();
        let base = i64::from_be_bytes(*bytes.first_chunk().unwrap());
        assert!((base..slices.end_offset()).contains(&from), "the batch with {from}");
        assert!(log.locate(from, model.end(), 1, false).unwrap().is_empty());
    }
    assert!(log.locate(model.end() + 1, i64::MAX, 1, true).is_err());
    assert!(log.locate(model.start - 1, i64::MAX, 1, true).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_a_list(steps in vec(step(), 1..40), memory in any::<bool>()) {
        let storage: Arc<dyn Storage> = match memory {
            true => Arc::new(MemoryStorage::new()),
            false => Arc::new(FaultyStorage::new()),
        };
        let (mut log, mut model) = (open(&storage), Model::default());
        for step in steps {
            apply(&mut log, &mut model, &storage, step);
            compare(&log, &model);
        }
    }
}
