//! Requests, crashes and repetitions in any order: what must hold whatever happens.

use super::World;
use crate::transaction::state::Producer;
use klamm_protocol::error_code::ErrorCode;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Something that happens. `who` counts back from the newest producer, so that zombies act too.
#[derive(Debug, Clone)]
enum Event {
    Init { resume: Option<usize> },
    Add { who: usize, partition: i32 },
    Produce { who: usize, partition: i32 },
    End { who: usize, commit: bool, tv2: bool },
    TimePasses,
}

/// An event, and after how many effects the machine goes down; `None` lets it finish.
type Step = (Event, Option<usize>);

fn event() -> impl Strategy<Value = Event> {
    let who = 0_usize..3;
    prop_oneof![
        1 => prop::option::of(0_usize..3).prop_map(|resume| Event::Init { resume }),
        2 => (who.clone(), 0..3).prop_map(|(who, partition)| Event::Add { who, partition }),
        3 => (who.clone(), 0..3).prop_map(|(who, partition)| Event::Produce { who, partition }),
        4 => (who, any::<bool>(), any::<bool>())
            .prop_map(|(who, commit, tv2)| Event::End { who, commit, tv2 }),
        1 => Just(Event::TimePasses),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    (event(), prop_oneof![2 => Just(None), 1 => (0_usize..4).prop_map(Some)])
}

/// What an observer knows without looking into the coordinator.
#[derive(Default)]
struct Observer {
    /// Every producer a client was told of, in order.
    known: Vec<Producer>,
    /// Partitions of the transaction under way, by what was acknowledged to the producer.
    open: BTreeMap<(i64, i16), BTreeSet<i32>>,
    /// Ends the coordinator agreed to, and what for.
    decided: BTreeSet<(i64, i16, bool)>,
    /// Markers that have been looked at.
    seen: usize,
    /// The epoch of each producer id never goes back.
    highest: BTreeMap<i64, i16>,
}

impl Observer {
    fn nth_last(&self, who: usize) -> Option<Producer> {
        self.known.len().checked_sub(who + 1).map(|at| self.known[at])
    }

    fn told(&mut self, producer: Producer) {
        let highest = self.highest.entry(producer.id).or_insert(producer.epoch);
        assert!(producer.epoch >= *highest, "{producer:?} after epoch {highest}");
        *highest = producer.epoch;
        if self.known.last() != Some(&producer) {
            assert!(!self.known.contains(&producer), "{producer:?} was given out before");
            self.known.push(producer);
        }
    }
}

/// Runs one step, and notes its answer if that left the broker.
fn run(world: &mut World, seen: &mut Observer, (event, crash): Step) {
    let answer = act(world, seen, &event);
    match crash {
        Some(effects) => {
            let before = world.coordinator_is_idle_after(effects);
            world.crash();
            // An answer leaves only when everything before it is done.
            if before {
                note(seen, &event, answer);
            } else if let (Event::End { who, commit, .. }, Ok(_)) = (&event, answer) {
                // Nobody was told, but the decision may be in the journal.
                decide(seen, *who, *commit);
            }
            world.settle();
        }
        None => {
            world.settle();
            note(seen, &event, answer);
        }
    }
}

impl World {
    /// Carries out up to `effects`; whether none is left.
    fn coordinator_is_idle_after(&mut self, effects: usize) -> bool {
        for _ in 0..effects {
            if !self.step() {
                return true;
            }
        }
        false
    }
}

fn act(world: &mut World, seen: &Observer, event: &Event) -> Result<Option<Producer>, ErrorCode> {
    let nobody = Err(ErrorCode::UNKNOWN_SERVER_ERROR);
    // No two transactions begin at the same time: it says which is which.
    world.now_ms += 1;
    match *event {
        Event::Init { resume } => {
            let expected = resume.and_then(|who| seen.nth_last(who));
            world.init_as(expected, 5).map(Some)
        }
        Event::Add { who, partition } => match seen.nth_last(who) {
            Some(from) => world.add(from, partition, 3).map(|()| None),
            None => nobody,
        },
        Event::Produce { who, partition } => match seen.nth_last(who) {
            Some(from) => world.produce(from, partition).map(|()| None),
            None => nobody,
        },
        Event::End { who, commit, tv2 } => match seen.nth_last(who) {
            Some(from) => {
                world.end(from, commit, if tv2 { 5 } else { 4 }).map(|next| tv2.then_some(next))
            }
            None => nobody,
        },
        Event::TimePasses => {
            world.now_ms += 100_000;
            world.coordinator.handle_tick(world.now_ms);
            nobody
        }
    }
}

fn decide(seen: &mut Observer, who: usize, commit: bool) {
    if let Some(from) = seen.nth_last(who) {
        seen.decided.insert((from.id, from.epoch, commit));
    }
}

/// The client has its answer.
fn note(seen: &mut Observer, event: &Event, answer: Result<Option<Producer>, ErrorCode>) {
    let Ok(given) = answer else { return };
    match *event {
        Event::Add { who, partition } | Event::Produce { who, partition } => {
            if let Some(from) = seen.nth_last(who) {
                seen.open.entry((from.id, from.epoch)).or_default().insert(partition);
            }
        }
        Event::End { who, commit, .. } => decide(seen, who, commit),
        Event::Init { .. } | Event::TimePasses => {}
    }
    if let Some(given) = given {
        seen.told(given);
    }
}

/// Holds the new markers against what was decided.
fn check_markers(world: &World, seen: &mut Observer) {
    for marker in &world.markers[seen.seen..] {
        let epochs = [marker.producer_epoch, marker.producer_epoch - 1];
        let wanted = |&epoch: &i16| seen.decided.contains(&(marker.producer_id, epoch, true));
        assert!(!marker.commit || epochs.iter().any(wanted), "nobody committed: {marker:?}");
        let written = marker.partitions.get("topic").cloned().unwrap_or_default();
        for epoch in epochs {
            if let Some(open) = seen.open.remove(&(marker.producer_id, epoch)) {
                assert!(written.is_superset(&open), "{open:?} without a marker: {marker:?}");
            }
        }
    }
    seen.seen = world.markers.len();
}

/// No two verdicts for a transaction, however often its end is written.
fn check_verdicts(world: &World) {
    let (mut by_epoch, mut by_start) = (BTreeMap::new(), BTreeMap::new());
    for (marker, began_ms) in world.markers.iter().zip(&world.began_ms) {
        let verdict = *by_start.entry(began_ms).or_insert(marker.commit);
        assert_eq!(verdict, marker.commit, "both verdicts for what began at {began_ms}");
        if marker.tv2 {
            // An epoch is one transaction.
            let key = (marker.producer_id, marker.producer_epoch);
            let verdict = *by_epoch.entry(key).or_insert(marker.commit);
            assert_eq!(verdict, marker.commit, "both verdicts for {key:?}");
        } else {
            // Only what was begun ends: else an end that comes twice would get a second verdict.
            assert!(!marker.partitions.is_empty(), "the end of nothing: {marker:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_order_breaks_a_transaction(steps in prop::collection::vec(step(), 1..60)) {
        let (mut world, mut seen) = (World::new(), Observer::default());
        let first = world.init();
        seen.told(first);
        for step in steps {
            run(&mut world, &mut seen, step);
            check_markers(&world, &mut seen);
            check_verdicts(&world);
            let state = world.state();
            prop_assert!(!state.starts_with("Prepare"), "left in {state}");
            if state != "Ongoing" {
                prop_assert!(seen.open.is_empty(), "{:?} in {state}", seen.open);
            }
        }
    }

    #[test]
    fn no_crash_gives_an_id_twice(rounds in prop::collection::vec((0_usize..4, 1_usize..5), 1..20)) {
        let (mut world, mut told) = (World::new(), BTreeSet::new());
        for (effects, count) in rounds {
            let ids: Vec<i64> =
                (0..count).map(|_| world.coordinator.take_producer_id().unwrap()).collect();
            if world.coordinator_is_idle_after(effects) {
                for id in ids {
                    prop_assert!(told.insert(id), "{id} was given out before");
                }
            }
            world.crash();
        }
    }
}
