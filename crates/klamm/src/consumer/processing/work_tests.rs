//! Every order of starts and endings of a few records; and random histories held against a model.

use super::options::{OnError, ProcessingOrder, RunOptions};
use super::work::{Counts, Ending, Job, News, Offered, Work};
use crate::consumer::TopicPartition;
use crate::consumer::fetch::Position;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const BACKOFF: Duration = Duration::from_millis(10);
/// Most records of one offer.
const BATCH: usize = 5;

fn tp(partition: usize) -> TopicPartition {
    TopicPartition::new("t", i32::try_from(partition).unwrap())
}

fn at(offset: i64) -> Position {
    Position { offset, leader_epoch: 3 }
}

/// The first of a partition that is not done.
fn undone<T: Clone>(work: &Work<T>, partition: usize) -> Option<i64> {
    work.undone(&tp(partition)).map(|at| at.offset)
}

fn record<T>(offset: i64, key: Option<u64>, what: T) -> Offered<T> {
    Offered { offset, end: at(offset + 1), records: 1, bytes: 10, key, what }
}

fn options() -> RunOptions {
    RunOptions::default().workers(3).retry_backoff(BACKOFF, BACKOFF)
}

/// Four records of two keys, in every order in which they can end, each well or not.
#[test]
fn all_orders_of_four_records() {
    fn explore(
        work: &Work<i64>,
        begun: &[(i64, Job<i64>)],
        done: &BTreeSet<i64>,
        seen: &mut usize,
    ) {
        let now = Instant::now() + Duration::from_secs(1);
        let mut work = work.clone();
        let copy = |jobs: &[(i64, Job<i64>)]| -> Vec<(i64, Job<i64>)> {
            let copy = |(at, job): &(i64, Job<i64>)| (*at, Job { lane: job.lane, what: job.what });
            jobs.iter().map(copy).collect()
        };
        let mut running = copy(begun);
        while let Some(job) = work.poll_start(now) {
            let before = (job.what - 2).max(-1);
            assert!(before < 0 || done.contains(&before), "{} before {before}", job.what);
            running.push((job.what, job));
        }
        let open = (0..4).find(|offset| !done.contains(offset));
        assert_eq!(undone(&work, 0), open);
        if running.is_empty() {
            assert_eq!(done.len(), 4);
            *seen += 1;
        }
        for pick in 0..running.len() {
            for well in [true, false] {
                let (mut work, mut left, mut done) = (work.clone(), copy(&running), done.clone());
                let (offset, job) = left.remove(pick);
                match work.finished(job.lane, well, now - BACKOFF) {
                    Ending::Done => assert!(well && done.insert(offset)),
                    Ending::Skipped => assert!(!well && done.insert(offset)),
                    ending => assert_eq!((ending, well), (Ending::Retry, false)),
                }
                explore(&work, &left, &done, seen);
            }
        }
    }
    let mut work = Work::new(options().retries(1).on_error(OnError::Skip));
    let records = (0..4).map(|offset| record(offset, Some(offset as u64 % 2), offset));
    assert!(!work.offer(&tp(0), records, at(4)));
    let mut seen = 0;
    explore(&work, &[], &BTreeSet::new(), &mut seen);
    // Each record takes one or two tries and then is done or skipped: 3 ways; tries of two lanes mix freely.
    assert_eq!(seen, mixes());
}

/// Counted another way: both lanes have two records of one or two tries, of which the last of two may
/// end in two ways; the tries of the lanes are shuffled into each other.
fn mixes() -> usize {
    let binomial = |n: usize, k: usize| (0..k).fold(1, |product, i| product * (n - i) / (i + 1));
    // How many ways a lane has to take two, three or four tries.
    let ways = [(2, 1), (3, 4), (4, 4)];
    let pairs = ways.iter().flat_map(|a| ways.iter().map(move |b| (a, b)));
    pairs.map(|((a, ways_a), (b, ways_b))| ways_a * ways_b * binomial(a + b, *a)).sum()
}

#[test]
fn what_a_failure_comes_to() {
    let now = Instant::now();
    let tries = |options: RunOptions| -> (Vec<Ending>, Work<()>) {
        let mut work = Work::new(options);
        assert!(!work.offer(&tp(0), [record(5, None, ()), record(6, None, ())], at(7)));
        let (mut endings, mut later) = (Vec::new(), now);
        let other = loop {
            let Some(job) = work.poll_start(later) else { panic!("{endings:?}") };
            let first = endings.is_empty();
            endings.push(work.finished(job.lane, false, later));
            if *endings.last().unwrap() != Ending::Retry {
                break work.poll_start(later);
            }
            if first {
                // The other record is not held up.
                let other = work.poll_start(later).unwrap();
                assert_eq!(work.finished(other.lane, true, later), Ending::Done);
            }
            assert!(work.poll_start(later).is_none(), "it waits");
            later = work.poll_timeout(later).unwrap();
        };
        assert_eq!(other.is_some(), endings.len() == 1 && !work.is_stopped());
        (endings, work)
    };
    let (endings, work) = tries(options());
    assert_eq!((endings, work.is_drained()), (vec![Ending::Stop], true));
    assert_eq!(undone(&work, 0), Some(5));
    let (endings, work) = tries(options().retries(2));
    assert_eq!(endings, [Ending::Retry, Ending::Retry, Ending::Stop]);
    assert_eq!(work.counts(), Counts { handled: 1, retried: 2, skipped: 0 });
    assert_eq!(undone(&work, 0), Some(5));
    let (endings, work) = tries(options().retries(1).on_error(OnError::Skip));
    assert_eq!(endings, [Ending::Retry, Ending::Skipped]);
    assert_eq!(work.counts(), Counts { handled: 1, retried: 1, skipped: 1 });
    assert_eq!(undone(&work, 0), None);
}

#[test]
fn a_slow_key_holds_up_its_partition_at_the_bound_and_no_other() {
    let now = Instant::now();
    let mut work = Work::new(options().max_partition_records(4).max_records(100));
    let keyed = |offset| record(offset, Some(u64::from(offset > 0)), offset);
    assert!(work.offer(&tp(0), (0..4).map(keyed), at(4)), "it is to pause");
    assert!(work.has_room(), "other partitions are read on");
    let slow = work.poll_start(now).unwrap();
    assert_eq!(slow.what, 0);
    for offset in 1..4 {
        let job = work.poll_start(now).unwrap();
        assert_eq!((job.what, work.finished(job.lane, true, now)), (offset, Ending::Done));
    }
    assert_eq!((work.poll_resume(), work.take_news()), (None, News::default()));
    assert!(!work.offer(&tp(1), [record(0, Some(0), 10)], at(1)));
    let other = work.poll_start(now).unwrap();
    assert_eq!(other.what, 10);
    work.finished(other.lane, true, now);
    assert_eq!((undone(&work, 0), undone(&work, 1)), (Some(0), None));
    work.finished(slow.lane, true, now);
    assert_eq!(work.take_news(), News { reader: true, left: false });
    assert_eq!((work.poll_resume(), work.poll_resume()), (Some(tp(0)), None));
    assert_eq!(undone(&work, 0), None);
}

#[test]
fn reading_stops_at_either_bound_and_goes_on_at_half_of_it() {
    let now = Instant::now();
    for options in [options().max_records(4), options().max_bytes(40)] {
        let mut work = Work::new(options);
        for offset in 0..4 {
            assert!(work.has_room());
            assert!(!work.offer(&tp(0), [record(offset, None, ())], at(offset + 1)));
        }
        for left in [3, 2] {
            assert_eq!((work.has_room(), work.take_news()), (false, News::default()), "{left}");
            let job = work.poll_start(now).unwrap();
            work.finished(job.lane, true, now);
        }
        assert_eq!((work.has_room(), work.take_news().reader), (true, true));
    }
}

#[test]
fn a_partition_that_leaves_ends_what_was_begun_and_what_stands_before() {
    let now = Instant::now();
    let mut work = Work::new(options());
    // 0, 2 and 4 have one key, the others none.
    let keyed = |offset| record(offset, (offset % 2 == 0).then_some(0), offset);
    assert!(!work.offer(&tp(0), (0..6).map(keyed), at(6)));
    let jobs: Vec<_> = std::iter::from_fn(|| work.poll_start(now)).collect();
    assert_eq!(jobs.iter().map(|job| job.what).collect::<Vec<_>>(), [0, 1, 3]);
    work.revoke(&tp(0));
    assert!(!work.offer(&tp(0), [record(6, None, 6)], at(7)));
    for job in &jobs {
        assert!(!work.is_idle(&tp(0)) && !work.take_news().left);
        assert_eq!(work.finished(job.lane, true, now), Ending::Done);
    }
    assert!(!work.is_idle(&tp(0)), "2 stands before 3");
    let job = work.poll_start(now).unwrap();
    assert_eq!((job.what, work.poll_start(now).is_none()), (2, true), "4 and 5 were not begun");
    assert_eq!(work.finished(job.lane, true, now), Ending::Done);
    assert!(work.is_idle(&tp(0)) && work.take_news().left);
    assert_eq!(work.undone(&tp(0)), Some(at(4)));
    work.release(&tp(0));
    assert_eq!((undone(&work, 0), work.partitions().count()), (None, 0));
}

#[test]
fn what_fails_in_a_partition_that_leaves_is_where_the_next_owner_begins() {
    let now = Instant::now();
    for waits in [true, false] {
        let mut work = Work::new(options().retries(9).workers(4));
        let keyed = |offset| record(offset, Some(offset as u64 % 3), offset);
        assert!(!work.offer(&tp(0), (0..9).map(keyed), at(9)));
        let jobs: Vec<_> = std::iter::from_fn(|| work.poll_start(now)).collect();
        assert_eq!(jobs.len(), 3);
        assert_eq!(work.finished(jobs[2].lane, true, now), Ending::Done);
        let later = work.poll_start(now).unwrap();
        assert_eq!(later.what, 5);
        if waits {
            assert_eq!(work.finished(jobs[1].lane, false, now), Ending::Retry);
            work.revoke(&tp(0));
        } else {
            work.revoke(&tp(0));
            assert_eq!(work.finished(jobs[1].lane, false, now), Ending::Left);
        }
        for job in [&jobs[0], &later] {
            assert_eq!(work.finished(job.lane, true, now), Ending::Done);
        }
        assert!(work.poll_start(now + 9 * BACKOFF).is_none(), "3 and 4 would be done twice");
        assert_eq!((undone(&work, 0), work.is_idle(&tp(0))), (Some(1), true));
    }
}

#[test]
fn what_ends_after_its_partition_was_lost_counts_for_nothing_there() {
    let now = Instant::now();
    let mut work = Work::new(options());
    let two = [record(0, Some(1), "old"), record(1, Some(1), "queued")];
    assert!(!work.offer(&tp(0), two, at(2)));
    let old = work.poll_start(now).unwrap();
    work.release(&tp(0));
    assert!(!work.offer(&tp(0), [record(0, Some(1), "new")], at(1)));
    assert_eq!(work.finished(old.lane, true, now), Ending::Done);
    assert_eq!(undone(&work, 0), Some(0));
    let new = work.poll_start(now).unwrap();
    assert_eq!(new.what, "new");
    assert_eq!(work.finished(new.lane, true, now), Ending::Done);
    assert_eq!(undone(&work, 0), None);
}

#[test]
fn what_is_offered_after_a_stop_is_found_by_whoever_reads_on() {
    let mut work = Work::new(options());
    assert!(!work.offer(&tp(0), [record(0, None, ())], at(1)));
    let job = work.poll_start(Instant::now()).unwrap();
    // The reader may have taken a batch in the very moment in which a handler stops all.
    work.stop();
    assert!(!work.offer(&tp(0), [record(1, None, ()), record(2, None, ())], at(3)));
    assert!(!work.offer(&tp(1), [record(7, None, ())], at(8)));
    assert_eq!(work.finished(job.lane, true, Instant::now()), Ending::Done);
    assert!(work.is_drained());
    assert_eq!((undone(&work, 0), undone(&work, 1)), (Some(1), Some(7)));
}

#[derive(Debug, Clone)]
enum Op {
    Offer { partition: usize, keys: Vec<Option<u64>>, gap: i64 },
    Start,
    Finish { pick: usize, well: bool },
    Wait,
    Revoke(usize),
    Release(usize),
    Back(usize),
    Stop,
}

fn op() -> impl Strategy<Value = Op> {
    let keys = proptest::collection::vec(proptest::option::weighted(0.8, 0..3u64), 1..=BATCH);
    prop_oneof![
        6 => (0..3usize, keys, 0..3i64)
            .prop_map(|(partition, keys, gap)| Op::Offer { partition, keys, gap }),
        12 => Just(Op::Start),
        10 => (any::<usize>(), proptest::bool::weighted(0.7))
            .prop_map(|(pick, well)| Op::Finish { pick, well }),
        3 => Just(Op::Wait),
        1 => (0..3usize).prop_map(Op::Revoke),
        1 => (0..3usize).prop_map(Op::Release),
        1 => (0..3usize).prop_map(Op::Back),
        1 => proptest::bool::weighted(0.05).prop_map(|stop| if stop { Op::Stop } else { Op::Start }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    Running,
    /// It failed, at this time.
    Failed(Instant),
    Done,
    Dropped,
}

/// A record as the model has it: partition, tenure, offset, key.
type Id = (usize, u64, i64);

#[derive(Debug, Default)]
struct Model {
    records: BTreeMap<Id, (Option<u64>, State)>,
    /// The present tenure of each partition, and where it is read on.
    tenure: [u64; 3],
    next: [i64; 3],
    leaving: [bool; 3],
    paused: [bool; 3],
    /// The first that was not done when it was last looked at.
    mark: [i64; 3],
    /// Behind the last that was begun; of a partition that leaves, when it began to.
    begun: [i64; 3],
    stopped: bool,
}

impl Model {
    fn of(&self, partition: usize) -> impl Iterator<Item = (Id, Option<u64>, State)> {
        let tenure = self.tenure[partition];
        let range = (partition, tenure, i64::MIN)..=(partition, tenure, i64::MAX);
        self.records.range(range).map(|(id, (key, state))| (*id, *key, *state))
    }

    /// What is neither done nor dropped, of whatever tenure.
    fn unfinished(&self) -> usize {
        let open = |state: &State| !matches!(state, State::Done | State::Dropped);
        self.records.values().filter(|(_, state)| open(state)).count()
    }

    fn running(&self) -> Vec<Id> {
        let running = self.records.iter().filter(|(_, (_, state))| *state == State::Running);
        running.map(|(id, _)| *id).collect()
    }

    /// Drops what is not in work from this offset on.
    fn cut(&mut self, partition: usize, tenure: u64, from: i64) {
        for (_, (_, state)) in self
            .records
            .range_mut((partition, tenure, from)..)
            .take_while(|(id, _)| (id.0, id.1) == (partition, tenure))
        {
            if matches!(state, State::Queued | State::Failed(_)) {
                *state = State::Dropped;
            }
        }
    }

    /// What was not begun and stands behind all that was is dropped, and all from the first that failed.
    fn leave(&mut self, partition: usize) {
        let failed = self.of(partition).find(|(.., state)| matches!(state, State::Failed(_)));
        let failed = failed.map_or(i64::MAX, |((.., offset), ..)| offset);
        self.cut(partition, self.tenure[partition], failed.min(self.begun[partition]));
    }

    fn stop(&mut self) {
        if !std::mem::replace(&mut self.stopped, true) {
            (0..3).for_each(|partition| self.leave(partition));
        }
    }

    /// The first that is not done.
    fn undone(&self, partition: usize) -> Option<i64> {
        let open = self.of(partition).find(|(_, _, state)| *state != State::Done);
        open.map(|((_, _, offset), ..)| offset)
    }

    /// A tenure ends, and with it what is not in work.
    fn end(&mut self, partition: usize) {
        self.cut(partition, self.tenure[partition], i64::MIN);
        self.tenure[partition] += 1;
        self.leaving[partition] = false;
        self.paused[partition] = false;
    }
}

/// The machine and the model side by side.
struct Pair {
    work: Work<Id>,
    model: Model,
    jobs: Vec<Job<Id>>,
    options: RunOptions,
    now: Instant,
}

impl Pair {
    fn new(options: RunOptions) -> Self {
        let (work, model) = (Work::new(options.clone()), Model::default());
        let jobs = Vec::new();
        Self { work, model, jobs, options, now: Instant::now() }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Offer { partition, keys, gap } => self.offer(partition, keys, gap),
            Op::Start => {
                self.start();
            }
            Op::Finish { pick, well } if !self.jobs.is_empty() => {
                let job = self.jobs.swap_remove(pick % self.jobs.len());
                self.finish(&job, well);
            }
            Op::Finish { .. } => {}
            Op::Wait => self.now += BACKOFF,
            Op::Revoke(partition) if self.model.of(partition).next().is_some() => {
                self.work.revoke(&tp(partition));
                self.model.leave(partition);
                self.model.leaving[partition] = true;
            }
            Op::Revoke(_) => {}
            Op::Release(partition) => {
                self.work.release(&tp(partition));
                self.model.end(partition);
            }
            Op::Back(partition) => {
                self.model.next[partition] = (self.model.next[partition] - 4).max(0);
            }
            Op::Stop => {
                self.work.stop();
                self.model.stop();
            }
        }
        self.look();
    }

    /// As the reader does it: nothing of a paused partition, nothing while there is no room.
    fn offer(&mut self, partition: usize, keys: Vec<Option<u64>>, gap: i64) {
        let model = &mut self.model;
        // A stop may come between the look for room and the offer.
        if model.paused[partition] || !self.work.has_room() && !model.stopped {
            return;
        }
        let first = model.next[partition] + gap;
        let leaving = model.leaving[partition];
        let taken = !model.stopped && !leaving;
        let last = model.of(partition).last().map(|((.., offset), ..)| offset);
        if last.is_some_and(|last| first <= last) {
            model.end(partition);
            model.leaving[partition] = leaving;
        }
        let id = |offset| (partition, model.tenure[partition], offset);
        let offsets = first..first + keys.len() as i64;
        let new: Vec<_> = offsets.clone().map(id).zip(keys.iter().copied()).collect();
        if model.of(partition).next().is_none() {
            model.mark[partition] = first;
            model.begun[partition] = first;
        }
        let state = if taken { State::Queued } else { State::Dropped };
        model.records.extend(new.iter().map(|(id, key)| (*id, (*key, state))));
        model.next[partition] = offsets.end;
        let offered = new.into_iter().map(|(id, key)| record(id.2, key, id));
        let paused = self.work.offer(&tp(partition), offered, at(offsets.end));
        assert!(taken || !paused);
        self.model.paused[partition] = paused;
    }

    fn start(&mut self) -> bool {
        let can = self.work.can_start(self.now);
        let Some(job) = self.work.poll_start(self.now) else {
            assert!(!can);
            let full = self.jobs.len() >= self.options.workers;
            let waits = |(_, state): &(Option<u64>, State)| *state == State::Queued;
            let waiting = self.model.records.values().any(waits);
            assert!(
                full || !waiting
                    || !self.jobs.is_empty()
                    || self.work.poll_timeout(self.now).is_some()
            );
            return false;
        };
        assert!(can && self.jobs.len() < self.options.workers);
        let id @ (partition, tenure, offset) = job.what;
        let (key, state) = self.model.records[&id];
        match state {
            State::Queued => {}
            State::Failed(when) => assert!(self.now >= when + BACKOFF, "it was to wait"),
            state => panic!("{id:?} was started while {state:?}"),
        }
        if self.model.stopped || self.model.leaving[partition] {
            assert!(offset < self.model.begun[partition], "{id:?} stands before nothing");
        } else {
            let begun = &mut self.model.begun[partition];
            *begun = (offset + 1).max(*begun);
        }
        assert_eq!(tenure, self.model.tenure[partition], "nothing of old tenures is begun");
        let in_the_way = |(at, k, s): &(Id, Option<u64>, State)| {
            at.2 < offset && key.is_some() && *k == key && *s != State::Done
        };
        assert_eq!(self.model.of(partition).find(in_the_way), None, "before {id:?}");
        self.model.records.insert(id, (key, State::Running));
        self.jobs.push(job);
        true
    }

    fn finish(&mut self, job: &Job<Id>, well: bool) {
        let had_room = self.work.has_room();
        self.work.take_news();
        let retry_before = self.work.poll_timeout(self.now);
        let ending = self.work.finished(job.lane, well, self.now);
        let id @ (partition, tenure, offset) = job.what;
        let model = &mut self.model;
        let current = tenure == model.tenure[partition];
        let goes_on = current && !model.leaving[partition] && !model.stopped;
        let state = match ending {
            Ending::Done => State::Done,
            Ending::Skipped => State::Done,
            Ending::Retry => State::Failed(self.now),
            Ending::Left | Ending::Stop => State::Dropped,
        };
        assert_eq!(well, ending == Ending::Done);
        assert!(goes_on || !matches!(ending, Ending::Retry | Ending::Stop), "{ending:?}");
        assert!(ending != Ending::Left || !goes_on);
        model.records.get_mut(&id).unwrap().1 = state;
        if ending == Ending::Stop {
            model.stop();
        }
        if matches!(ending, Ending::Stop | Ending::Left) {
            model.cut(partition, tenure, offset);
        }
        let unfinished = |state| matches!(state, State::Queued | State::Running | State::Failed(_));
        let is_idle = !model.of(partition).any(|(.., state)| unfinished(state));
        assert_eq!(self.work.is_idle(&tp(partition)), is_idle);
        let idle = model.leaving[partition] && current && is_idle;
        let sooner = self
            .work
            .poll_timeout(self.now)
            .is_some_and(|due| retry_before.is_none_or(|at| due < at));
        let News { reader: told, left } = self.work.take_news();
        assert!(told || had_room || !self.work.has_room(), "there is room");
        assert!(left || !idle, "it is idle");
        assert!(told || !self.work.is_drained(), "all is drained");
        assert!(told || !sooner, "a retry is due earlier");
    }

    /// What holds after every step.
    fn look(&mut self) {
        while let Some(name) = self.work.poll_resume() {
            self.model.paused[name.partition as usize] = false;
        }
        let unfinished = self.model.unfinished();
        assert!(unfinished < self.options.max_records + BATCH, "{unfinished} in work");
        assert!(unfinished < self.options.max_records || !self.work.has_room());
        assert_eq!(self.model.running().len(), self.jobs.len());
        let known = |p: &usize| self.model.of(*p).next().is_some();
        let partitions: Vec<TopicPartition> = (0..3).filter(known).map(tp).collect();
        let mut told: Vec<_> = self.work.partitions().map(|(name, _)| name.clone()).collect();
        told.sort();
        assert_eq!(told, partitions);
        for partition in 0..3 {
            let open = self.model.undone(partition);
            assert_eq!(undone(&self.work, partition), open, "of {partition}");
            let Some(open) = open else { continue };
            assert!(open >= self.model.mark[partition], "{partition} goes back");
            self.model.mark[partition] = open;
            let ahead = self.model.of(partition).filter(|(id, ..)| id.2 >= open).count();
            let bound = self.options.max_partition_records + BATCH;
            let goes_on = !self.model.stopped && !self.model.leaving[partition];
            assert!(!goes_on || ahead < bound, "{ahead} of {partition}");
        }
    }

    /// Lets all that can end well do so.
    fn drain(mut self) {
        loop {
            while self.start() {}
            self.now += BACKOFF;
            let Some(job) = self.jobs.pop() else {
                if self.work.poll_timeout(self.now - BACKOFF).is_none() {
                    break;
                }
                continue;
            };
            self.finish(&job, true);
            self.look();
        }
        let over =
            |(_, state): &(Option<u64>, State)| matches!(state, State::Done | State::Dropped);
        assert!(
            self.model.records.values().all(over),
            "each record is done, or its partition left"
        );
        assert!(self.model.stopped == self.work.is_drained());
        assert!(self.work.has_room() != self.model.stopped);
        for partition in 0..3 {
            assert!(self.work.is_idle(&tp(partition)));
            let free = !self.model.leaving[partition] && !self.model.stopped;
            assert!(!self.model.paused[partition] || !free, "it is read on");
        }
    }
}

proptest! {
    #[test]
    fn order_bounds_and_what_is_undone_hold(
        ops in proptest::collection::vec(op(), 0..150),
        retries in 0..3u32,
        skip in any::<bool>(),
        workers in 1..4usize,
    ) {
        let on_error = if skip { OnError::Skip } else { OnError::Stop };
        let options = options()
            .order(ProcessingOrder::Key)
            .workers(workers)
            .retries(if retries == 2 { u32::MAX } else { retries })
            .on_error(on_error)
            .max_records(12)
            .max_partition_records(7);
        let mut pair = Pair::new(options);
        for op in ops {
            pair.apply(op);
        }
        pair.drain();
    }
}
