use super::budget::Budget;
use super::plan::{Demand, Plan, PlanSettings, plan};
use super::positions::{FetchLease, Positions, Told};
use super::positions_tests::{SETTINGS, at, leader, told, tp};
use klamm_protocol::error_code::ErrorCode;
use proptest::prelude::*;
use std::time::Instant;

const ASK: PlanSettings = PlanSettings { max_bytes: 1_000, partition_max_bytes: 300 };

fn reading(partitions: i32, now: Instant) -> Positions {
    let mut positions = Positions::new(SETTINGS);
    for partition in 0..partitions {
        let lease = positions.assign(tp(partition), now);
        positions.leader_changed(&tp(partition), leader(1 + partition % 2, 1), now);
        positions.start(&tp(partition), lease, Some(at(0, -1)), now);
    }
    positions
}

fn ask(positions: &mut Positions, node: i32, budget: &Budget, now: Instant) -> Option<Plan> {
    plan_of(positions, node, budget, now).ok()
}

fn plan_of(
    positions: &mut Positions,
    node: i32,
    budget: &Budget,
    now: Instant,
) -> Result<Plan, Demand> {
    plan(positions, node, |_| true, budget, &ASK, false, now)
}

/// What node 1 has to wait for.
fn missing(positions: &mut Positions, budget: &Budget, now: Instant) -> Demand {
    plan_of(positions, 1, budget, now).unwrap_err()
}

fn numbers(plan: &Plan) -> Vec<i32> {
    plan.wanted.iter().map(|(tp, _)| tp.partition).collect()
}

/// Hands `bytes` of a partition to the application's side, up to `next`.
fn deliver(
    positions: &mut Positions,
    partition: i32,
    lease: FetchLease,
    next: i64,
    bytes: usize,
    now: Instant,
) {
    let tp = tp(partition);
    let node = 1 + partition % 2;
    let records = Told { has_records: true, ..told(ErrorCode::NONE, 1_000) };
    assert!(positions.fetch_answered(&tp, lease, node, &records, now).take);
    assert!(positions.decoded(&tp, lease, at(next, 1), bytes, true, now));
}

#[test]
fn each_broker_is_asked_for_its_own_and_each_partition_once() {
    let now = Instant::now();
    let (mut positions, budget) = (reading(4, now), Budget::new(100_000, |_| {}));
    let first = ask(&mut positions, 1, &budget, now).unwrap();
    assert_eq!((numbers(&first), first.max_bytes), (vec![0, 2], 1_000));
    assert_eq!(first.wanted[0].1.max_bytes, 300);
    assert!(ask(&mut positions, 1, &budget, now).is_none());
    assert_eq!(numbers(&ask(&mut positions, 2, &budget, now).unwrap()), [1, 3]);
    assert!(ask(&mut positions, 3, &budget, now).is_none());
    positions.fetch_without_news(&tp(2), first.leases[1], now);
    assert_eq!(numbers(&ask(&mut positions, 1, &budget, now).unwrap()), [2]);
}

#[test]
fn a_partition_with_its_share_at_hand_is_not_asked_for() {
    let now = Instant::now();
    let (mut positions, budget) = (reading(2, now), Budget::new(10_000, |_| {}));
    let first = ask(&mut positions, 1, &budget, now).unwrap();
    deliver(&mut positions, 0, first.leases[0], 10, 4_999, now);
    let second = ask(&mut positions, 1, &budget, now).expect("less than half of 10,000");
    deliver(&mut positions, 0, second.leases[0], 20, 1, now);
    assert_eq!(missing(&mut positions, &budget, now), Demand::Later);
    assert!(!positions.is_short(&tp(0), budget.limit()));
    assert!(positions.handed_out(&tp(0), first.leases[0].lease, at(10, 1), 4_999, now));
    assert!(positions.is_short(&tp(0), budget.limit()), "that is worth a look");
    assert!(ask(&mut positions, 1, &budget, now).is_some());
}

/// Else the partition with records would wait until the broker has waited for records of the other.
#[test]
fn a_request_that_would_only_wait_is_left_for_when_there_is_company() {
    let now = Instant::now();
    let (mut positions, budget) = (reading(4, now), Budget::new(40_000, |_| {}));
    let first = ask(&mut positions, 1, &budget, now).unwrap();
    assert_eq!(numbers(&first), [0, 2]);
    let (busy, idle) = (first.leases[0], first.leases[1]);
    deliver(&mut positions, 0, busy, 500, 10_000, now);
    assert!(!positions.fetch_answered(&tp(2), idle, 1, &told(ErrorCode::NONE, 0), now).take);
    assert!(ask(&mut positions, 1, &budget, now).is_none(), "2 is read to its end");
    assert!(ask(&mut positions, 2, &budget, now).is_some(), "that is another broker");
    assert!(positions.handed_out(&tp(0), busy.lease, at(400, 1), 9_000, now));
    let second = ask(&mut positions, 1, &budget, now).unwrap();
    assert_eq!(numbers(&second), [2, 0]);

    // The same while records are being decoded; and no longer when there are more of the other.
    let records = Told { has_records: true, ..told(ErrorCode::NONE, 1_000) };
    let (idle, busy) = (second.leases[0], second.leases[1]);
    assert!(positions.fetch_answered(&tp(0), busy, 1, &records, now).take);
    positions.fetch_without_news(&tp(2), idle, now);
    assert!(ask(&mut positions, 1, &budget, now).is_none());
    positions.pause(&tp(0), true, now);
    let third = ask(&mut positions, 1, &budget, now).expect("a paused one is not waited for");
    positions.pause(&tp(0), false, now);
    let more = told(ErrorCode::NONE, 7);
    positions.fetch_answered(&tp(2), third.leases[0], 1, &more, now);
    assert_eq!(numbers(&ask(&mut positions, 1, &budget, now).unwrap()), [2]);
}

/// What is asked for without waiting must not be asked for again and again.
#[test]
fn only_what_should_have_records_is_asked_for_where_nothing_waits() {
    let now = Instant::now();
    let (mut positions, budget) = (reading(6, now), Budget::new(60_000, |_| {}));
    let expected = |positions: &mut Positions| {
        let demand = positions.demand(1, |_| true, &budget, true, now);
        let found = plan(positions, 1, |_| true, &budget, &ASK, true, now).ok();
        assert_eq!(demand == Demand::Now, found.is_some());
        found.map(|plan| (numbers(&plan), plan.leases)).unwrap_or_default()
    };
    let (all, leases) = expected(&mut positions);
    assert_eq!(all, [0, 2, 4], "nothing is known of them");
    for (partition, lease) in all.into_iter().zip(leases) {
        // There are 10 records, and the answer has none of any.
        positions.fetch_answered(&tp(partition), lease, 1, &told(ErrorCode::NONE, 10), now);
        positions.fetch_was_dry(&tp(partition), lease);
    }
    assert_eq!(expected(&mut positions).0, [0; 0]);
    let plan = ask(&mut positions, 1, &budget, now).expect("they are asked for where it waits");
    assert_eq!((numbers(&plan), plan.expects), (vec![0, 2, 4], false));
    for (partition, lease) in [0, 2, 4].into_iter().zip(&plan.leases) {
        // There was room for records of another only, and 2 is at its end.
        let end = if partition == 2 { 0 } else { 10 };
        positions.fetch_answered(&tp(partition), *lease, 1, &told(ErrorCode::NONE, end), now);
    }
    positions.pause(&tp(0), true, now);
    assert_eq!(expected(&mut positions).0, [4]);
    positions.pause(&tp(0), false, now);
    positions.seek(&tp(2), at(0, -1), now);
    assert_eq!(expected(&mut positions).0, [0, 2], "resumed and moved");
}

#[test]
fn no_more_is_asked_for_than_there_is_memory_for() {
    let now = Instant::now();
    let budget = Budget::new(1_600, |_| {});
    let mut positions = reading(2, now);
    let mut held = vec![budget.reserve(600).unwrap()];
    let plan = ask(&mut positions, 1, &budget, now).unwrap();
    assert_eq!((plan.max_bytes, plan.charge.bytes()), (500, 500), "half of what is left");
    held.push(budget.reserve(301).unwrap());
    assert!(ask(&mut positions, 2, &budget, now).is_none(), "199 of 1,600 are not worth it");
    let positions = &mut positions;
    assert_eq!(plan_of(positions, 2, &budget, now).unwrap_err(), Demand::Below(1_401));
    drop(plan);
    assert!(budget.used() < 1_401 && ask(positions, 2, &budget, now).is_some());
}

proptest! {
    /// A broker that always fills its answer with the first partition it can: all come to their turn.
    #[test]
    fn none_starves(partitions in 1..40i32, greedy in 1..4usize) {
        let now = Instant::now();
        let (mut positions, budget) = (reading(2 * partitions, now), Budget::new(1 << 30, |_| {}));
        let mut served = vec![0; 2 * partitions as usize];
        let rounds = 3 * partitions as usize;
        for _ in 0..rounds {
            let plan = ask(&mut positions, 1, &budget, now).unwrap();
            for (index, ((tp, wanted), lease)) in plan.wanted.iter().zip(&plan.leases).enumerate() {
                if index >= greedy {
                    positions.fetch_without_news(tp, *lease, now);
                    continue;
                }
                served[tp.partition as usize] += 1;
                let next = wanted.offset + 1;
                deliver(&mut positions, tp.partition, *lease, next, 1, now);
                positions.handed_out(tp, lease.lease, at(next, 1), 1, now);
            }
        }
        let mine = served.iter().step_by(2);
        let (least, most) = (mine.clone().min().unwrap(), mine.max().unwrap());
        prop_assert!(*least >= 3 && most - least <= 1, "{served:?}");
    }
}
