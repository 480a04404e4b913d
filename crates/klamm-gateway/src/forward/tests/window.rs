//! What the window does in one situation each.

use super::super::lane::{BACKOFF_MS, Failed, STALL_MS};
use super::super::taken::Taken;
use super::super::window::{LANES_MAX, Limits, Offer, Pass, Window};
use crate::accepted::Accepted;
use bytes::Bytes;

pub(super) fn record(topic: &str, key: Option<&str>, bytes: usize) -> Accepted {
    Accepted {
        topic: topic.into(),
        partition: None,
        timestamp: 0,
        key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::from(vec![0; bytes])),
        headers: vec![],
        idempotency: None,
    }
}

fn to(partition: i32) -> Accepted {
    Accepted { partition: Some(partition), ..record("t", None, 1_000) }
}

/// With room for a hundred records of [`to`], of which a lane may have 11.
fn window() -> Window {
    let mut window = Window::new(0, Limits { bytes: 125_600, ahead: 100 });
    window.learn(&"t".into(), 4);
    window
}

fn take(window: &mut Window, pass: Pass, sequence: u64, record: &Accepted, now: u64) -> Taken {
    match window.offer(pass, sequence, record, now) {
        Offer::Take(taken) => taken,
        other => panic!("{sequence}: {other:?}"),
    }
}

fn front(window: &mut Window, sequence: u64, record: &Accepted) -> Taken {
    take(window, Pass::Front, sequence, record, 0)
}

#[test]
fn acknowledged_in_any_order_the_low_mark_waits() {
    let mut window = window();
    let taken: Vec<Taken> = (0..3).map(|n| front(&mut window, n, &to(n as i32))).collect();
    assert!(!window.done(taken[2], 1));
    assert!(window.done(taken[0], 1));
    assert_eq!(window.low(), 1);
    assert!(window.done(taken[1], 1));
    assert_eq!((window.low(), window.is_empty(), window.taken()), (3, true, 0));
}

#[test]
fn a_busy_lane_is_waited_for_and_a_stalled_one_is_passed() {
    let mut window = window();
    for n in 0..11 {
        front(&mut window, n, &to(0));
    }
    assert_eq!(window.offer(Pass::Front, 11, &to(0), STALL_MS - 1), Offer::Wait);
    assert_eq!(window.offer(Pass::Front, 11, &to(0), STALL_MS), Offer::Pass);
    take(&mut window, Pass::Front, 12, &to(1), STALL_MS);
    assert_eq!(window.stuck(STALL_MS).collect::<Vec<_>>(), [("t", Some(0))]);
    assert_eq!(window.sweep(STALL_MS), None, "nobody can take anything");
}

#[test]
fn however_many_stand_still_there_is_room_for_others() {
    let mut window = Window::new(0, Limits { bytes: 1 << 24, ahead: 1 << 20 });
    window.learn(&"t".into(), 1_000);
    let mut sequence = 0;
    for partition in 0..50 {
        while matches!(window.offer(Pass::Front, sequence, &to(partition), 0), Offer::Take(_)) {
            sequence += 1;
        }
    }
    for partition in 50..53 {
        let taken = window.offer(Pass::Front, sequence, &to(partition), 0);
        assert!(matches!(taken, Offer::Take(_)), "{partition}");
        sequence += 1;
    }
}

#[test]
fn records_without_a_key_have_the_room_of_several_partitions_and_leave_some() {
    let mut window = window();
    let fills = |window: &mut Window, from: u64, record: &Accepted| {
        let takes = |n: &u64| matches!(window.offer(Pass::Front, *n, record, 0), Offer::Take(_));
        (from..100).take_while(takes).count()
    };
    let loose = fills(&mut window, 0, &record("t", None, 1_000));
    assert_eq!(loose, 33, "a half of what the others leave free");
    assert_eq!(fills(&mut window, 33, &to(0)), 7, "an eighth of that");
}

#[test]
fn what_failed_goes_before_what_came_later() {
    let mut window = window();
    let first = front(&mut window, 0, &to(0));
    let second = front(&mut window, 1, &to(0));
    window.failed(first, Failed::Again, 10);
    assert_eq!(window.offer(Pass::Front, 2, &to(0), 1_000), Offer::Pass, "behind the first");
    assert_eq!(window.sweep(1_000), None, "the second has not come back");
    window.failed(second, Failed::Again, 20);
    assert_eq!(window.wakes_at(), Some(10 + BACKOFF_MS));
    assert_eq!(window.sweep(10 + BACKOFF_MS - 1), None);

    assert_eq!(window.sweep(100), Some(0));
    let probe = take(&mut window, Pass::Sweep, 0, &to(0), 100);
    assert!(probe.alone);
    assert_eq!(window.offer(Pass::Sweep, 1, &to(0), 100), Offer::Pass, "one, to see");
    assert_eq!(window.sweep(100), None);
    window.done(probe, 110);

    assert_eq!(window.sweep(110), Some(1));
    for n in [1, 2] {
        assert!(!take(&mut window, Pass::Sweep, n, &to(0), 110).alone);
    }
    assert_eq!(window.sweep(110), None, "it has met the front");
    front(&mut window, 3, &to(0));
}

#[test]
fn the_wait_doubles_until_something_is_done() {
    let mut window = window();
    let mut now = 0;
    let mut taken = front(&mut window, 0, &to(0));
    for wait in [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
        window.failed(taken, Failed::Again, now);
        assert_eq!(window.wakes_at(), Some(now + wait));
        now += wait;
        assert_eq!(window.sweep(now), Some(0));
        taken = take(&mut window, Pass::Sweep, 0, &to(0), now);
    }
    assert!(window.is_failing(taken.lane));
    window.done(taken, now);
    assert!(!window.is_failing(taken.lane));
    assert_eq!(window.sweep(now), None, "it has met the front");
    let taken = take(&mut window, Pass::Front, 1, &to(0), now);
    window.failed(taken, Failed::Again, now);
    assert_eq!(window.wakes_at(), Some(now + 50));
}

#[test]
fn what_was_refused_together_is_tried_one_by_one() {
    let mut window = window();
    let taken: Vec<Taken> = (0..4).map(|n| front(&mut window, n, &to(0))).collect();
    for taken in &taken[..3] {
        window.failed(*taken, Failed::Refused, 0);
    }
    window.failed(taken[3], Failed::Again, 0);
    for n in 0..3 {
        assert_eq!(window.sweep(100), Some(n));
        let one = take(&mut window, Pass::Sweep, n, &to(0), 100);
        assert!(one.alone, "{n}");
        assert_eq!(window.offer(Pass::Sweep, n + 1, &to(0), 100), Offer::Pass);
        if n == 1 {
            window.lettered(one, 100)
        } else {
            window.done(one, 100)
        };
    }
    assert_eq!(window.sweep(100), Some(3));
    assert!(!take(&mut window, Pass::Sweep, 3, &to(0), 100).alone);
}

#[test]
fn a_topic_that_is_not_known_takes_one_and_then_all_lanes_look_back() {
    let mut window = Window::new(0, Limits { bytes: 100_000, ahead: 100 });
    let keyed = |key: &str| record("new", Some(key), 10);
    let first = front(&mut window, 0, &keyed("a"));
    assert!(first.alone);
    assert_eq!(window.offer(Pass::Front, 1, &keyed("b"), 0), Offer::Pass);
    assert_eq!(window.offer(Pass::Front, 2, &record("new", None, 10), 0), Offer::Pass);
    window.failed(first, Failed::Unsent, 0);
    window.learn(&"new".into(), 3);
    assert_eq!(window.sweep(0), Some(0));
    assert_eq!(take(&mut window, Pass::Sweep, 0, &keyed("a"), 0).partition, Some(1));
    assert!(take(&mut window, Pass::Sweep, 1, &keyed("b"), 0).partition.is_some());
    assert_eq!(take(&mut window, Pass::Sweep, 2, &record("new", None, 10), 0).partition, None);
    assert_eq!((window.sweep(0), window.lanes_behind()), (None, 0));
}

#[test]
fn a_partition_that_a_new_topic_does_not_have_is_not_forgotten() {
    let mut window = Window::new(0, Limits { bytes: 100_000, ahead: 100 });
    let nowhere = Accepted { partition: Some(99), ..record("new", None, 10) };
    let first = front(&mut window, 0, &nowhere);
    window.failed(first, Failed::Unsent, 0);
    window.learn(&"new".into(), 3);
    assert_eq!(window.sweep(0), Some(0));
    assert_eq!(window.offer(Pass::Sweep, 0, &nowhere, 0), Offer::Pass);
    assert_eq!(window.sweep(0), Some(0), "its lane is known now");
    assert_eq!(take(&mut window, Pass::Sweep, 0, &nowhere, 0).partition, Some(99));
}

#[test]
fn sequences_that_do_not_exist_hold_nothing_up() {
    let mut window = window();
    let taken = front(&mut window, 5, &to(0));
    window.done(taken, 0);
    assert_eq!(window.low(), 6);
    window.pass(9);
    assert_eq!((window.low(), window.is_empty()), (9, true));
}

#[test]
fn no_more_is_read_ahead_than_the_limit() {
    let mut window = Window::new(0, Limits { bytes: 1 << 30, ahead: 3 });
    window.learn(&"t".into(), 1);
    let taken: Vec<Taken> = (0..3).map(|n| front(&mut window, n, &to(0))).collect();
    assert_eq!(window.offer(Pass::Front, 3, &to(0), 0), Offer::Wait);
    window.done(taken[0], 0);
    front(&mut window, 3, &to(0));
}

#[test]
fn a_run_of_records_without_a_key_hears_of_its_topic_when_it_is_learned() {
    let mut window = Window::new(0, Limits { bytes: 125_600, ahead: 100 });
    let loose = record("t", None, 10);
    let first = front(&mut window, 0, &loose);
    assert_eq!(first.partitions, None);
    window.failed(first, Failed::Unsent, 0);
    window.learn(&"t".into(), 3);
    assert_eq!(window.sweep(0), Some(0));
    let again = take(&mut window, Pass::Sweep, 0, &loose, 0);
    assert_eq!((again.lane, again.partitions), (first.lane, Some(3)));
    window.done(again, 0);
    window.learn(&"t".into(), 5);
    assert_eq!(window.sweep(0), None);
    assert_eq!(front(&mut window, 1, &loose).partitions, Some(5));
}

#[test]
fn a_lane_that_was_forgotten_takes_nothing_more() {
    let mut window = Window::new(0, Limits { bytes: 1 << 30, ahead: 100 });
    window.learn(&"u".into(), i32::MAX);
    let loose = record("t", None, 10);
    let first = front(&mut window, 0, &loose);
    window.done(first, 0);
    for n in 0..LANES_MAX as u64 {
        let other = Accepted { partition: Some(n as i32), ..record("u", None, 10) };
        let taken = front(&mut window, n + 1, &other);
        window.done(taken, 0);
    }
    let later = front(&mut window, LANES_MAX as u64 + 1, &loose);
    assert_ne!(later.lane, first.lane);
    window.done(later, 0);
    assert!(window.is_empty());
}

#[test]
fn records_without_a_key_that_follow_each_other_are_taken_as_one() {
    let mut window = window();
    let loose = record("t", None, 744);
    let like = |n: u64| (n, loose.clone());
    let keyed = |n: u64| (n, Accepted { key: Some(Bytes::from_static(b"k")), ..loose.clone() });
    let chosen = |n: u64| (n, Accepted { partition: Some(1), ..loose.clone() });
    let elsewhere = |n: u64| (n, record("u", None, 744));
    let mut next = 0;
    let breaks: [&dyn Fn(u64) -> (u64, Accepted); 4] =
        [&keyed, &chosen, &elsewhere, &|n| like(n + 1)];
    for behind in breaks {
        let records = [like(next), like(next + 1), behind(next + 2), like(next + 3)];
        match window.offer_run(Pass::Front, &records, 0) {
            Offer::Take(taken) => {
                assert_eq!((taken.sequences(), taken.weight), (next..next + 2, 2_000))
            }
            other => panic!("{other:?}"),
        }
        next += 2;
    }
    assert_eq!((window.taken(), window.front()), (8, 8));
    // One with a key goes by itself, whatever follows.
    assert_eq!(taken_as_one(&mut window, &[keyed(8), keyed(9)]), 1);
}

#[test]
fn a_run_ends_where_there_is_no_room() {
    let loose = record("t", None, 744);
    let records: Vec<(u64, Accepted)> = (0..300).map(|n| (n, loose.clone())).collect();
    // Half of what is free is for all of a topic without keys.
    let as_one = taken_as_one(&mut window(), &records);
    assert!((40..=42).contains(&as_one));
    let mut window = window();
    let mut one_by_one = 0;
    while let Offer::Take(_) = window.offer(Pass::Front, one_by_one, &loose, 0) {
        one_by_one += 1;
    }
    assert_eq!(u64::from(as_one), one_by_one, "no more and no less than by themselves");
    let mut short = Window::new(0, Limits { bytes: 125_600, ahead: 7 });
    short.learn(&"t".into(), 4);
    assert_eq!(taken_as_one(&mut short, &records), 7);
    assert_eq!(short.offer_run(Pass::Front, &records[7..], 0), Offer::Wait);
}

#[test]
fn a_sweep_takes_as_one_what_waits() {
    let mut window = window();
    let loose = record("t", None, 744);
    let records: Vec<(u64, Accepted)> = (0..9).map(|n| (n, loose.clone())).collect();
    let Offer::Take(mut all) = window.offer_run(Pass::Front, &records, 0) else { panic!() };
    let (first, done, last) = (all.take(3), all.take(1), all);
    window.done(done, 0);
    window.failed(first, Failed::Unsent, 0);
    window.failed(last, Failed::Unsent, 0);
    assert_eq!(window.sweep(0), Some(0));
    // One, to see.
    let Offer::Take(one) = window.offer_run(Pass::Sweep, &records, 0) else { panic!() };
    assert_eq!((one.sequences(), one.alone), (0..1, true));
    window.done(one, 0);
    assert_eq!(taken_in(&mut window, Pass::Sweep, &records[1..], 0), 2);
    assert_eq!(window.offer_run(Pass::Sweep, &records[3..], 0), Offer::Pass);
    assert_eq!(taken_in(&mut window, Pass::Sweep, &records[4..], 0), 5);
}

fn taken_as_one(window: &mut Window, records: &[(u64, Accepted)]) -> u32 {
    taken_in(window, Pass::Front, records, 0)
}

fn taken_in(window: &mut Window, pass: Pass, records: &[(u64, Accepted)], now: u64) -> u32 {
    match window.offer_run(pass, records, now) {
        Offer::Take(taken) => taken.count,
        other => panic!("{other:?}"),
    }
}
