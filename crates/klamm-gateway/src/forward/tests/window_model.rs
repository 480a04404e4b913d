//! The window under random faults, with a model of the producer: nothing is lost, nothing is released before it is done,
//! keys keep their order, and memory is bounded.

use super::super::lane::Failed;
use super::super::taken::Taken;
use super::super::window::{Limits, Offer, Pass, Window};
use super::window::record;
use crate::accepted::Accepted;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const BYTES: u64 = 8_000;

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// The partition answers nothing.
    Silent,
    /// What is on its way fails, and may have been appended.
    Fails {
        appended: bool,
    },
    Refuses,
}

/// A partition as an idempotent producer sees it: in order, and what is behind a failure fails, too.
#[derive(Debug, Default)]
struct Partition {
    sent: VecDeque<Taken>,
}

struct Model {
    window: Window,
    log: Vec<Accepted>,
    next: usize,
    partitions: BTreeMap<(String, i32), Partition>,
    kafka: Vec<u64>,
    done: BTreeSet<u64>,
    low: u64,
    now: u64,
    most: u64,
}

impl Model {
    fn new(log: Vec<Accepted>) -> Self {
        let window = Window::new(0, Limits { bytes: BYTES, ahead: 10_000 });
        let (partitions, kafka, done) = (BTreeMap::new(), vec![], BTreeSet::new());
        Self { window, log, next: 0, partitions, kafka, done, low: 0, now: 0, most: 0 }
    }

    fn send(&mut self, taken: Taken) {
        let topic = self.log[taken.sequence as usize].topic.to_string();
        // Without a key, some that follow each other stay together.
        let partition = taken.partition.unwrap_or((taken.sequence / 4 % 3) as i32);
        let sent = &mut self.partitions.entry((topic, partition)).or_default().sent;
        match sent.back_mut() {
            Some(last) if last.fits(&taken) => last.add(&taken),
            _ => sent.push_back(taken),
        }
    }

    /// Offers some records of the log from a sequence on; returns how many were decided about.
    fn offer(&mut self, pass: Pass, sequence: u64, most: usize) -> usize {
        let records = (sequence..).zip(self.log[sequence as usize..].iter().cloned());
        let records: Vec<(u64, Accepted)> = records.take(most).collect();
        let topic = &records[0].1.topic;
        match self.window.offer_run(pass, &records, self.now) {
            Offer::Wait => 0,
            Offer::Pass => 1,
            Offer::Take(taken) if self.window.knows(topic).is_none() => {
                self.window.failed(taken, Failed::Unsent, self.now);
                self.window.learn(topic, 3);
                1
            }
            Offer::Take(taken) => {
                let count = taken.count as usize;
                for (_, record) in &records[..count] {
                    let together = count == 1 || (record.key.is_none() && record.topic == *topic);
                    assert!(together, "{taken:?} of {records:?}");
                }
                self.send(taken);
                count
            }
        }
    }

    /// Reads so many records, and offers no more than `most` of them at a time.
    fn read(&mut self, records: usize, most: usize) {
        let mut left = records;
        while left > 0 && self.next < self.log.len() {
            let count = self.offer(Pass::Front, self.next as u64, left.min(most));
            if count == 0 {
                break;
            }
            (self.next, left) = (self.next + count, left - count);
        }
        let mut left = records;
        while let (Some(at), true) = (self.window.sweep(self.now), left > 0) {
            let count = self.offer(Pass::Sweep, at, left.min(most));
            if count == 0 {
                break;
            }
            left -= count;
        }
        self.most = self.most.max(self.window.taken());
    }

    fn answer(&mut self, fault: impl Fn(&(String, i32)) -> Fault, count: usize) {
        for (name, partition) in &mut self.partitions {
            match fault(name) {
                Fault::Silent => {}
                Fault::None => {
                    let mut left = count as u32;
                    while let (Some(first), true) = (partition.sent.front_mut(), left > 0) {
                        // A batch may be divided.
                        let taken = first.take(left.min(2));
                        left -= taken.count;
                        if first.count == 0 {
                            partition.sent.pop_front();
                        }
                        self.kafka.extend(taken.sequences());
                        self.done.extend(taken.sequences());
                        self.window.done(taken, self.now);
                    }
                }
                Fault::Fails { appended } => {
                    for (n, taken) in partition.sent.drain(..).enumerate() {
                        if appended && n == 0 {
                            self.kafka.extend(taken.sequences());
                        }
                        self.window.failed(taken, Failed::Again, self.now);
                    }
                }
                Fault::Refuses => {
                    for taken in partition.sent.drain(..) {
                        if taken.alone {
                            self.done.extend(taken.sequences());
                            self.window.lettered(taken, self.now);
                        } else {
                            self.window.failed(taken, Failed::Refused, self.now);
                        }
                    }
                }
            }
        }
        let low = self.window.low();
        assert!((self.low..low).all(|n| self.done.contains(&n)), "released before it was done");
        self.low = low;
    }

    fn check_order(&self) {
        let mut last: BTreeMap<(&str, &[u8]), u64> = BTreeMap::new();
        let mut seen = vec![false; self.log.len()];
        for n in &self.kafka {
            let record = &self.log[*n as usize];
            if std::mem::replace(&mut seen[*n as usize], true) {
                continue;
            }
            let Some(key) = &record.key else { continue };
            let before = last.insert((&record.topic, key), *n);
            assert!(before.is_none_or(|before| before < *n), "{before:?} before {n}");
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        2 => Just(Fault::Silent),
        1 => any::<bool>().prop_map(|appended| Fault::Fails { appended }),
        1 => Just(Fault::Refuses),
    ]
}

fn log() -> impl Strategy<Value = Vec<Accepted>> {
    let one = (0..3_u8, prop::option::of(0..6_u8), 0..900_usize).prop_map(|(topic, key, bytes)| {
        let key = key.map(|key| format!("key-{key}"));
        record(["a", "b", "c"][usize::from(topic)], key.as_deref(), bytes)
    });
    prop::collection::vec(one, 1..200).prop_map(|mut log| {
        // As they are read: records of a part share their names.
        let names: BTreeSet<Arc<str>> = log.iter().map(|record| record.topic.clone()).collect();
        for record in &mut log {
            record.topic = names.get(&record.topic).cloned().unwrap_or_default();
        }
        log
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_keys_keep_their_order(
        log in log(),
        steps in prop::collection::vec((1..40_usize, 1..30_usize, 0..700_u64, prop::collection::vec(fault(), 9)), 1..60),
    ) {
        let mut model = Model::new(log);
        for (count, most, ms, faults) in steps {
            model.read(count, most);
            let of = |name: &(String, i32)| {
                let topic = ["a", "b", "c"].iter().position(|t| *t == name.0).unwrap_or(0);
                faults[topic * 3 + name.1 as usize]
            };
            model.answer(of, count);
            model.now += ms;
        }
        for _ in 0..2_000 {
            model.read(50, 50);
            model.answer(|_| Fault::None, 1_000);
            model.now += 500;
            if model.window.low() == model.log.len() as u64 {
                break;
            }
        }
        prop_assert_eq!(model.window.low(), model.log.len() as u64, "all is done in the end");
        model.read(1, 1);
        prop_assert_eq!(model.window.lanes_behind(), 0);
        prop_assert!(model.most <= BYTES / 256 + 1);
        model.check_order();
    }
}
