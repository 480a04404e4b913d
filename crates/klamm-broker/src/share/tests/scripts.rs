//! Scripts, one for each rule.

use super::{LIMITS, acknowledge, acquire};
use crate::share::{AckBatch, Acquired, Limits, SharePartition, Span, check_batches};
use klamm_protocol::error_code::ErrorCode;

const ACCEPT: &[i8] = &[1];
const RELEASE: &[i8] = &[2];
const REJECT: &[i8] = &[3];
const RENEW: &[i8] = &[4];

#[test]
fn records_are_processed_side_by_side_and_the_start_follows() {
    let mut state = SharePartition::new(0);
    assert_eq!(acquire(&mut state, "a", 0, (2, true), &[(0, 9)]), [(0, 1, 1)]);
    assert_eq!(acquire(&mut state, "b", 0, (2, true), &[(0, 9)]), [(2, 3, 1)]);
    acknowledge(&mut state, "b", (2, 3), ACCEPT).unwrap();
    assert_eq!((state.start(), state.lag(10)), (0, 8), "the first two are still out");
    acknowledge(&mut state, "a", (0, 1), &[1, 3]).unwrap();
    assert_eq!((state.start(), state.next_offset(), state.lag(10)), (4, 4, 6));
}

#[test]
fn what_is_released_goes_out_again_until_it_went_out_often_enough() {
    let mut state = SharePartition::new(5);
    for deliveries in 1..=LIMITS.deliveries {
        let got = acquire(&mut state, "a", 0, (1, true), &[(5, 6)]);
        assert_eq!(got, [(5, 5, deliveries)]);
        acknowledge(&mut state, "a", (5, 5), RELEASE).unwrap();
    }
    assert_eq!((state.start(), state.next_offset()), (6, 6), "it is given up");
}

#[test]
fn whoever_is_late_loses_its_records_and_whoever_renews_does_not() {
    let mut state = SharePartition::new(0);
    acquire(&mut state, "a", 0, (4, true), &[(0, 3)]);
    assert_eq!(state.next_deadline(), Some(100));
    let renewal = [AckBatch { first: 2, last: 3, types: RENEW }];
    state.acknowledge("a", 50, LIMITS, &renewal).unwrap();
    assert!(!state.expire(99, LIMITS));
    assert!(state.expire(100, LIMITS));
    assert_eq!(state.next_deadline(), Some(150));
    assert_eq!(acknowledge(&mut state, "a", (0, 0), ACCEPT), Err(ErrorCode::INVALID_RECORD_STATE));
    acknowledge(&mut state, "a", (2, 3), ACCEPT).unwrap();
    assert_eq!(acquire(&mut state, "b", 0, (9, true), &[(0, 3)]), [(0, 1, 2)]);
}

#[test]
fn acknowledgements_are_taken_whole_or_not_at_all() {
    let mut state = SharePartition::new(0);
    acquire(&mut state, "a", 0, (2, true), &[(0, 3)]);
    acquire(&mut state, "b", 0, (2, true), &[(0, 3)]);
    let before = state.clone();
    let batches = [
        AckBatch { first: 0, last: 1, types: ACCEPT },
        AckBatch { first: 2, last: 2, types: ACCEPT },
    ];
    assert_eq!(state.acknowledge("a", 0, LIMITS, &batches), Err(ErrorCode::INVALID_RECORD_STATE));
    assert_eq!(acknowledge(&mut state, "a", (1, 4), ACCEPT), Err(ErrorCode::INVALID_REQUEST));
    assert_eq!(state, before);
}

#[test]
fn what_is_said_of_records_before_the_start_does_not_matter() {
    let mut state = SharePartition::new(0);
    acquire(&mut state, "a", 0, (4, true), &[(0, 3)]);
    assert!(state.move_start(2));
    acknowledge(&mut state, "a", (0, 2), ACCEPT).unwrap();
    acknowledge(&mut state, "a", (0, 1), ACCEPT).unwrap();
    assert_eq!(state.start(), 3);
    assert!(!state.move_start(3));
    assert!(state.move_start(20));
    assert_eq!((state.start(), state.next_offset()), (20, 20));
}

#[test]
fn whole_batches_go_out_unless_the_limit_is_strict() {
    let mut state = SharePartition::new(0);
    let batches = [(0, 4), (5, 9), (10, 14)];
    assert_eq!(acquire(&mut state, "a", 0, (6, false), &batches), [(0, 9, 1)]);
    let mut state = SharePartition::new(0);
    assert_eq!(acquire(&mut state, "a", 0, (6, true), &batches), [(0, 5, 1)]);
}

#[test]
fn no_more_than_so_many_records_are_under_way() {
    let mut state = SharePartition::new(0);
    assert_eq!(acquire(&mut state, "a", 0, (99, true), &[(0, 99)]), [(0, 9, 1)]);
    assert!(!state.has_room(LIMITS));
    assert_eq!(acquire(&mut state, "b", 0, (99, true), &[(10, 99)]), []);
    acknowledge(&mut state, "a", (5, 6), ACCEPT).unwrap();
    assert!(state.has_room(LIMITS));
    assert_eq!(acquire(&mut state, "b", 0, (99, true), &[(0, 99)]), [(10, 11, 1)]);
    acknowledge(&mut state, "a", (0, 0), RELEASE).unwrap();
    assert!(state.has_room(LIMITS), "what goes out again needs no room");
    assert_eq!(acquire(&mut state, "b", 0, (99, false), &[(0, 99)]), [(0, 0, 2)]);
}

#[test]
fn a_part_of_a_batch_that_finds_no_room_is_not_skipped() {
    let mut state = SharePartition::new(0);
    assert_eq!(acquire(&mut state, "a", 0, (99, true), &[(0, 11), (12, 13)]), [(0, 9, 1)]);
    acknowledge(&mut state, "a", (0, 9), ACCEPT).unwrap();
    assert_eq!(state.start(), 10);
}

#[test]
fn offsets_without_records_are_waited_for_by_nobody() {
    let mut state = SharePartition::new(0);
    assert_eq!(acquire(&mut state, "a", 0, (2, true), &[(3, 4), (8, 8)]), [(3, 4, 1)]);
    assert_eq!(state.start(), 3);
    assert_eq!(acquire(&mut state, "a", 0, (2, true), &[(8, 8)]), [(8, 8, 1)]);
    // What was to go out again has been compacted away.
    acknowledge(&mut state, "a", (3, 4), RELEASE).unwrap();
    assert_eq!(acquire(&mut state, "a", 0, (2, true), &[(9, 9)]), [(9, 9, 1)]);
    assert_eq!(state.start(), 8);
}

#[test]
fn a_read_that_others_were_faster_than_gets_nothing() {
    let mut state = SharePartition::new(0);
    let from = state.next_offset();
    acquire(&mut state, "a", 0, (9, true), &[(0, 3)]);
    let member = "b".into();
    let late = crate::share::Acquire {
        member: &member,
        now_ms: 0,
        limits: LIMITS,
        max_records: 9,
        strict: true,
    };
    assert_eq!(state.acquire(late, from, &[Span { first: 0, last: 3 }]), []);
    let beyond = [Span { first: 7, last: 8 }];
    assert_eq!(state.acquire(late, 7, &beyond), [], "from behind the end nothing is known");
}

#[test]
fn aborted_records_do_not_go_out() {
    let mut state = SharePartition::new(0);
    let got = acquire(&mut state, "a", 0, (9, true), &[(0, 8)]);
    let got = got.into_iter().map(|(first, last, deliveries)| Acquired { first, last, deliveries });
    let left =
        state.withhold(got.collect(), &[Span { first: 0, last: 1 }, Span { first: 4, last: 5 }]);
    let left: Vec<_> = left.iter().map(|run| (run.first, run.last)).collect();
    assert_eq!(left, [(2, 3), (6, 8)]);
    acknowledge(&mut state, "a", (2, 3), ACCEPT).unwrap();
    assert_eq!(state.start(), 6);
}

#[test]
fn senseless_acknowledgements_are_refused() {
    let batch = |first, last, types| AckBatch { first, last, types };
    let bad = [
        vec![batch(5, 4, ACCEPT)],
        vec![batch(-1, 4, ACCEPT)],
        vec![batch(0, 4, &[])],
        vec![batch(0, 4, &[1, 1])],
        vec![batch(0, 4, &[5])],
        vec![batch(0, 4, &[-1])],
        vec![batch(0, 4, RENEW)],
        vec![batch(0, 4, ACCEPT), batch(4, 5, ACCEPT)],
        vec![batch(0, i64::MAX, ACCEPT)],
        vec![batch(i64::MIN, i64::MAX, ACCEPT)],
    ];
    for batches in bad {
        assert_eq!(check_batches(&batches, false), Err(ErrorCode::INVALID_REQUEST), "{batches:?}");
    }
    assert_eq!(check_batches(&[batch(0, 4, RENEW)], true), Ok(()));
    assert_eq!(check_batches(&[batch(0, 1, &[0, 3]), batch(2, 2, REJECT)], false), Ok(()));
}

#[test]
fn what_is_written_down_is_read_back_without_those_who_had_it() {
    let mut state = SharePartition::new(7);
    acquire(&mut state, "a", 0, (9, true), &[(7, 14)]);
    acknowledge(&mut state, "a", (9, 10), ACCEPT).unwrap();
    acknowledge(&mut state, "a", (12, 12), RELEASE).unwrap();
    let mut again = SharePartition::from_bytes(&state.to_bytes()).unwrap();
    assert_eq!((again.start(), again.next_offset(), again.lag(15)), (7, 7, 6));
    let got = acquire(&mut again, "b", 0, (99, true), &[(7, 14)]);
    assert_eq!(got, [(7, 8, 1), (11, 11, 1), (12, 12, 2), (13, 14, 1)]);
}

#[test]
fn what_is_no_record_is_refused() {
    for bad in [
        "",
        "{}",
        r#"{"form":9,"start":0,"runs":[]}"#,
        r#"{"form":1,"start":5,"runs":[[4,0,1]]}"#,
        r#"{"form":1,"start":5,"runs":[[6,7,1]]}"#,
    ] {
        assert!(SharePartition::from_bytes(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn limits_that_shrink_give_records_up() {
    let mut state = SharePartition::new(0);
    acquire(&mut state, "a", 0, (1, true), &[(0, 0)]);
    assert!(state.release("a", Limits { deliveries: 1, ..LIMITS }));
    assert_eq!(state.start(), 1);
    assert!(!state.release("a", LIMITS));
}
