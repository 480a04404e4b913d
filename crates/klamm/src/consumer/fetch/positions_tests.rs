use super::budget::Budget;
use super::partition::Phase;
use super::plan::{PlanSettings, plan};
use super::positions::{
    EpochEnd, FetchLease, Leader, Lease, Position, PositionEvent, PositionSettings, Positions,
    Reaction, ResetTarget, StallCause, Told,
};
use crate::consumer::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Uuid;
use proptest::prelude::*;
use std::time::{Duration, Instant};

pub(super) const SETTINGS: PositionSettings = PositionSettings {
    reset: Some(ResetTarget::Earliest),
    read_committed: false,
    retry_backoff: Duration::from_millis(100),
    replica_lease: Duration::from_secs(300),
    stall_timeout: Duration::from_secs(30),
};
const NO_POLICY: PositionSettings = PositionSettings { reset: None, ..SETTINGS };

pub(super) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

pub(super) fn at(offset: i64, leader_epoch: i32) -> Position {
    Position { offset, leader_epoch }
}

pub(super) fn leader(node: i32, epoch: i32) -> Leader {
    Leader { node: Some(node), epoch, topic_id: Uuid::ZERO }
}

pub(super) fn told(error: ErrorCode, high_watermark: i64) -> Told {
    Told {
        error,
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: 0,
        preferred_read_replica: -1,
        diverging: None,
        has_records: false,
    }
}

fn records(high_watermark: i64) -> Told {
    Told { has_records: true, ..told(ErrorCode::NONE, high_watermark) }
}

/// A partition led by node 1 in epoch 5, read from `offset` on.
fn reading(settings: PositionSettings, offset: i64, now: Instant) -> Positions {
    let mut positions = Positions::new(settings);
    let lease = positions.assign(tp(0), now);
    positions.leader_changed(&tp(0), leader(1, 5), now);
    assert_eq!(positions.start(&tp(0), lease, Some(at(offset, -1)), now), None);
    positions
}

/// Asks `node` for whatever is due.
fn ask(positions: &mut Positions, node: i32, now: Instant) -> Option<FetchLease> {
    let budget = Budget::new(1 << 20, |_| {});
    let settings = PlanSettings { max_bytes: 1 << 16, partition_max_bytes: 1 << 16 };
    let plan = plan(positions, node, |_| true, &budget, &settings, false, now).ok()?;
    Some(plan.leases[0])
}

/// Fetches and hands out all up to `next`, of epoch 5.
fn fetch(positions: &mut Positions, next: i64, now: Instant) {
    let lease = ask(positions, 1, now).unwrap();
    let reaction = positions.fetch_answered(&tp(0), lease, 1, &records(1_000), now);
    assert!(reaction.take);
    assert!(positions.decoded(&tp(0), lease, at(next, 5), 10, true, now));
    assert!(positions.handed_out(&tp(0), lease.lease, at(next, 5), 10, now));
}

#[test]
fn what_is_handed_out_is_the_position_and_what_is_fetched_is_ahead_of_it() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 10, now);
    assert_eq!((positions.position(&tp(0)), positions.lag(&tp(0))), (Some(at(10, -1)), None));
    let lease = ask(&mut positions, 1, now).unwrap();
    assert_eq!(ask(&mut positions, 1, now), None, "one request at a time");
    assert!(positions.fetch_answered(&tp(0), lease, 1, &records(100), now).take);
    assert_eq!(ask(&mut positions, 1, now), None, "not before it is decoded");
    assert!(positions.decoded(&tp(0), lease, at(20, 5), 7, false, now));
    assert!(positions.decoded(&tp(0), lease, at(30, 5), 7, true, now));
    assert_eq!((positions.position(&tp(0)), positions.lag(&tp(0))), (Some(at(10, -1)), Some(90)));
    assert!(positions.handed_out(&tp(0), lease.lease, at(20, 5), 7, now));
    assert_eq!(positions.position(&tp(0)), Some(at(20, 5)));
    assert_eq!(positions.offsets(&tp(0)), Some((100, 0)));
    assert_eq!(positions.unassign(&tp(0)), Some(at(20, 5)), "what to commit");
}

#[test]
fn markers_and_gaps_move_the_position_though_nothing_is_handed_out() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 10, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    positions.fetch_answered(&tp(0), lease, 1, &records(12), now);
    positions.decoded(&tp(0), lease, at(12, 5), 0, true, now);
    assert_eq!((positions.position(&tp(0)), positions.lag(&tp(0))), (Some(at(12, 5)), Some(0)));
}

#[test]
fn late_answers_change_nothing() {
    let now = Instant::now();
    type Move = fn(&mut Positions, Instant);
    let moves: [Move; 4] = [
        |p, now| assert!(p.seek(&tp(0), at(50, -1), now)),
        |p, now| assert!(p.reset(&tp(0), ResetTarget::Latest, now)),
        |p, now| {
            p.unassign(&tp(0));
            p.assign(tp(0), now);
        },
        |p, now| p.leader_changed(&tp(0), leader(2, 6), now),
    ];
    for (index, moved) in moves.into_iter().enumerate() {
        let mut positions = reading(SETTINGS, 10, now);
        let lease = ask(&mut positions, 1, now).unwrap();
        moved(&mut positions, now);
        let before = positions.position(&tp(0));
        assert_eq!(positions.is_current(&tp(0), lease.lease), index == 3);
        let errors = [ErrorCode::NONE, ErrorCode::OFFSET_OUT_OF_RANGE, ErrorCode::CORRUPT_MESSAGE];
        for error in errors {
            let late = Told { has_records: true, ..told(error, 99) };
            let reaction = positions.fetch_answered(&tp(0), lease, 1, &late, now);
            assert_eq!(reaction, Reaction::default(), "{index} {error:?}");
        }
        assert!(!positions.decoded(&tp(0), lease, at(99, 5), 1, true, now));
        if index < 3 {
            assert!(!positions.handed_out(&tp(0), lease.lease, at(99, 5), 1, now));
        }
        positions.fetch_unanswered(&tp(0), lease, now);
        assert_eq!(positions.position(&tp(0)), before, "{index}");
    }
}

#[test]
fn seek_lets_go_what_was_fetched_and_decoding_of_it_is_refused() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 0, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    positions.fetch_answered(&tp(0), lease, 1, &records(100), now);
    assert!(positions.decoded(&tp(0), lease, at(5, 5), 1, false, now));
    positions.seek(&tp(0), at(3, -1), now);
    assert!(!positions.decoded(&tp(0), lease, at(10, 5), 1, true, now));
    assert!(!positions.handed_out(&tp(0), lease.lease, at(5, 5), 1, now));
    assert!(ask(&mut positions, 1, now).is_some(), "it is asked for anew at once");
    assert_eq!(positions.position(&tp(0)), Some(at(3, -1)));
    assert!(!positions.skip_to(&tp(0), 3, now), "skipping goes forward only");
    assert!(positions.skip_to(&tp(0), 4, now));
    assert!(!positions.seek(&tp(1), at(0, -1), now), "not assigned");
}

#[test]
fn partitions_do_not_concern_each_other() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 0, now);
    let lease = positions.assign(tp(1), now);
    positions.leader_changed(&tp(1), leader(2, 1), now);
    positions.start(&tp(1), lease, Some(at(7, -1)), now);
    let first = ask(&mut positions, 1, now).unwrap();
    positions.pause(&tp(1), true, now);
    positions.seek(&tp(1), at(8, -1), now);
    positions.leader_changed(&tp(1), leader(1, 2), now);
    positions.unassign(&tp(1));
    assert!(positions.fetch_answered(&tp(0), first, 1, &records(10), now).take);
}

#[test]
fn a_paused_partition_keeps_what_it_has_and_is_not_asked_for() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 0, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    assert!(positions.pause(&tp(0), true, now) && positions.is_paused(&tp(0)));
    assert!(positions.fetch_answered(&tp(0), lease, 1, &records(100), now).take);
    assert!(positions.decoded(&tp(0), lease, at(5, 5), 1, true, now));
    assert_eq!(ask(&mut positions, 1, now), None);
    positions.pause(&tp(0), false, now);
    assert!(ask(&mut positions, 1, now).is_some());
    assert!(positions.handed_out(&tp(0), lease.lease, at(5, 5), 1, now));
}

#[test]
fn without_a_committed_offset_the_policy_decides() {
    let now = Instant::now();
    for committed in [None, Some(at(-1, -1))] {
        let mut positions = Positions::new(NO_POLICY);
        let lease = positions.assign(tp(0), now);
        let event = positions.start(&tp(0), lease, committed, now);
        assert_eq!(event, Some(PositionEvent::NoOffset));
        assert_eq!(positions.resets_due(now), []);
        let mut positions = Positions::new(SETTINGS);
        let lease = positions.assign(tp(0), now);
        assert_eq!(positions.start(&tp(0), lease, committed, now), None);
        assert_eq!(positions.resets_due(now), [], "there is nobody to ask yet");
        positions.leader_changed(&tp(0), leader(1, 5), now);
        let due = positions.resets_due(now);
        assert_eq!((due.len(), due[0].2), (1, ResetTarget::Earliest));
        assert_eq!(positions.resets_due(now), [], "asked once");
        positions.reset_answered(&tp(0), due[0].1, Ok(at(40, 4)), now);
        assert_eq!(positions.position(&tp(0)), Some(at(40, 4)));
        let late = positions.reset_answered(&tp(0), due[0].1, Ok(at(1, 1)), now);
        assert_eq!((late, positions.position(&tp(0))), (Reaction::default(), Some(at(40, 4))));
        assert!(ask(&mut positions, 1, now).is_some());
    }
}

#[test]
fn a_time_after_the_last_record_means_the_end_and_a_negative_offset_is_no_answer() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 0, now);
    positions.reset(&tp(0), ResetTarget::AtTime(5), now);
    let due = positions.resets_due(now);
    positions.reset_answered(&tp(0), due[0].1, Ok(at(-1, -1)), now);
    let due = positions.resets_due(now);
    assert_eq!(due[0].2, ResetTarget::Latest);
    positions.reset_answered(&tp(0), due[0].1, Ok(at(-1, -1)), now);
    assert_eq!(positions.resets_due(now), [], "after a pause");
    let later = now + SETTINGS.retry_backoff;
    assert_eq!(positions.next_timeout(now), Some(later));
    assert_eq!(positions.resets_due(later).len(), 1);
}

#[test]
fn out_of_range_is_what_the_leader_says_and_the_policy_answers_it() {
    let now = Instant::now();
    let out_of_range = told(ErrorCode::OFFSET_OUT_OF_RANGE, -1);
    let mut positions = reading(SETTINGS, 10, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    let reaction = positions.fetch_answered(&tp(0), lease, 1, &out_of_range, now);
    assert_eq!(reaction, Reaction::default());
    assert_eq!(positions.resets_due(now).len(), 1);

    let mut positions = reading(NO_POLICY, 10, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    let reaction = positions.fetch_answered(&tp(0), lease, 1, &out_of_range, now);
    assert_eq!(reaction.event, Some(PositionEvent::OffsetOutOfRange { position: 10 }));
    assert_eq!(ask(&mut positions, 1, now), None, "it waits for the application");
    assert_eq!(positions.position(&tp(0)), Some(at(10, -1)));
    positions.seek(&tp(0), at(0, -1), now);
    assert!(ask(&mut positions, 1, now).is_some());

    // A follower says so: the leader is asked, at once, and nothing is reset.
    let mut positions = reading(NO_POLICY, 10, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    let to_follower = Told { preferred_read_replica: 2, ..told(ErrorCode::NONE, 100) };
    assert!(!positions.fetch_answered(&tp(0), lease, 1, &to_follower, now).take);
    assert_eq!(ask(&mut positions, 1, now), None);
    let lease = ask(&mut positions, 2, now).unwrap();
    let reaction = positions.fetch_answered(&tp(0), lease, 2, &out_of_range, now);
    assert_eq!(reaction, Reaction::default());
    assert!(ask(&mut positions, 1, now).is_some());
}

#[test]
fn out_of_range_waits_until_what_is_buffered_is_handed_out() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 0, now);
    let first = ask(&mut positions, 1, now).unwrap();
    positions.fetch_answered(&tp(0), first, 1, &records(100), now);
    positions.decoded(&tp(0), first, at(5, 5), 1, true, now);
    let second = ask(&mut positions, 1, now).unwrap();
    let told = told(ErrorCode::OFFSET_OUT_OF_RANGE, -1);
    positions.fetch_answered(&tp(0), second, 1, &told, now);
    assert_eq!(positions.resets_due(now), []);
    assert!(positions.handed_out(&tp(0), first.lease, at(5, 5), 1, now));
    let later = now + SETTINGS.retry_backoff;
    let third = ask(&mut positions, 1, later).unwrap();
    positions.fetch_answered(&tp(0), third, 1, &told, later);
    assert_eq!(positions.resets_due(later).len(), 1);
}

#[test]
fn a_follower_is_read_from_for_the_time_of_its_lease() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 10, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    let to_follower = Told { preferred_read_replica: 2, ..told(ErrorCode::NONE, 100) };
    positions.fetch_answered(&tp(0), lease, 1, &to_follower, now);
    let budget = Budget::new(1 << 20, |_| {});
    let settings = PlanSettings { max_bytes: 100, partition_max_bytes: 100 };
    let gone = plan(&mut positions, 1, |node| node != 2, &budget, &settings, false, now);
    let gone = gone.expect("a follower that nobody can reach is left for the leader");
    assert!(gone.leader_only, "it would name the same follower again");
    positions.fetch_without_news(&tp(0), gone.leases[0], now);
    let almost = now + SETTINGS.replica_lease - Duration::from_millis(1);
    let lease = ask(&mut positions, 2, almost).unwrap();
    positions.fetch_without_news(&tp(0), lease, almost);
    let later = now + SETTINGS.replica_lease;
    assert_eq!(ask(&mut positions, 2, later), None);
    let lease = ask(&mut positions, 1, later).unwrap();
    positions.fetch_answered(&tp(0), lease, 1, &to_follower, later);
    // Its error, or silence, leads back to the leader.
    let lease = ask(&mut positions, 2, later).unwrap();
    positions.fetch_unanswered(&tp(0), lease, later);
    assert_eq!(ask(&mut positions, 1, later), None, "after a pause");
    let later = later + SETTINGS.retry_backoff;
    let plan = plan(&mut positions, 1, |_| true, &budget, &settings, false, later).unwrap();
    assert!(plan.leader_only, "what could not serve is not asked at once again");
    positions.fetch_answered(&tp(0), plan.leases[0], 1, &told(ErrorCode::NONE, 100), later);
    let after = super::plan::plan(&mut positions, 1, |_| true, &budget, &settings, false, later);
    assert!(!after.unwrap().leader_only);
}

#[test]
fn every_error_leaves_the_position_where_it_is() {
    let now = Instant::now();
    for code in -1..=200 {
        let error = ErrorCode(code);
        if error.is_ok() || error == ErrorCode::OFFSET_OUT_OF_RANGE {
            continue;
        }
        let mut positions = reading(SETTINGS, 10, now);
        let lease = ask(&mut positions, 1, now).unwrap();
        let reaction = positions.fetch_answered(&tp(0), lease, 1, &told(error, -1), now);
        assert!(!reaction.take, "{error:?}");
        assert_eq!(positions.position(&tp(0)), Some(at(10, -1)));
        assert_eq!(positions.resets_due(now), []);
        assert_eq!(ask(&mut positions, 1, now), None, "{error:?}: not without a pause");
        let later = now + SETTINGS.retry_backoff;
        let stopped = PositionEvent::Refused { error, stopped: true };
        assert_eq!(ask(&mut positions, 1, later).is_none(), reaction.event == Some(stopped));
    }
}

#[test]
fn a_refusal_is_told_once_until_it_has_passed() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 10, now);
    let mut at = now;
    let mut answer = |error| {
        at += SETTINGS.retry_backoff;
        let lease = ask(&mut positions, 1, at).unwrap();
        positions.fetch_answered(&tp(0), lease, 1, &told(error, 10), at).event
    };
    let error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    let refused = Some(PositionEvent::Refused { error, stopped: false });
    assert_eq!(answer(error), refused);
    assert_eq!(answer(error), None);
    assert_eq!(answer(ErrorCode::NONE), None);
    assert_eq!(answer(error), refused);
}

/// A partition that has read up to 50 in epoch 5, whose leader has changed: it is being validated.
fn validating(settings: PositionSettings, now: Instant) -> (Positions, Lease) {
    let mut positions = reading(settings, 10, now);
    fetch(&mut positions, 50, now);
    positions.leader_changed(&tp(0), leader(2, 6), now);
    assert_eq!(ask(&mut positions, 2, now), None, "not before it is validated");
    let due = positions.validations_due(now);
    assert_eq!((due.len(), due[0].2, due[0].3), (1, 6, 5));
    assert_eq!(positions.validations_due(now), [], "asked once");
    (positions, due[0].1)
}

#[test]
fn a_new_leader_with_the_same_log_is_read_on_from() {
    let now = Instant::now();
    for end in [
        EpochEnd { epoch: 5, end_offset: 50 },
        EpochEnd { epoch: 5, end_offset: 70 },
        // Not known is not lost.
        EpochEnd { epoch: -1, end_offset: -1 },
    ] {
        let (mut positions, lease) = validating(SETTINGS, now);
        let reaction = positions.validation_answered(&tp(0), lease, Ok(end), now);
        assert_eq!(reaction, Reaction::default());
        assert_eq!(positions.position(&tp(0)), Some(at(50, 5)));
        assert!(ask(&mut positions, 2, now).is_some());
    }
}

#[test]
fn a_truncated_log_is_an_event_with_the_diverging_offset() {
    let now = Instant::now();
    let end = EpochEnd { epoch: 4, end_offset: 30 };
    let truncated = PositionEvent::LogTruncated { position: 50, diverging_offset: 30 };
    for (settings, next) in [(SETTINGS, Some(at(30, 4))), (NO_POLICY, None)] {
        let (mut positions, lease) = validating(settings, now);
        let reaction = positions.validation_answered(&tp(0), lease, Ok(end), now);
        assert_eq!(reaction.event, Some(truncated));
        assert_eq!(ask(&mut positions, 2, now).is_some(), next.is_some());
        assert_eq!(positions.position(&tp(0)), next.or(Some(at(50, 5))));
        let late = positions.validation_answered(&tp(0), lease, Ok(end), now);
        assert_eq!(late, Reaction::default());
    }
    // The same, told with the answer to a fetch.
    let mut positions = reading(SETTINGS, 10, now);
    fetch(&mut positions, 50, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    let diverging = Told { diverging: Some(end), ..told(ErrorCode::NONE, 60) };
    let reaction = positions.fetch_answered(&tp(0), lease, 1, &diverging, now);
    assert_eq!(reaction, Reaction { event: Some(truncated), ..Reaction::default() });
}

#[test]
fn what_is_only_buffered_is_truncated_without_a_word() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 10, now);
    fetch(&mut positions, 50, now);
    let ahead = ask(&mut positions, 1, now).unwrap();
    positions.fetch_answered(&tp(0), ahead, 1, &records(100), now);
    positions.decoded(&tp(0), ahead, at(80, 5), 9, true, now);
    positions.leader_changed(&tp(0), leader(2, 6), now);
    let due = positions.validations_due(now);
    let end = EpochEnd { epoch: 5, end_offset: 60 };
    assert_eq!(positions.validation_answered(&tp(0), due[0].1, Ok(end), now).event, None);
    assert!(
        !positions.handed_out(&tp(0), ahead.lease, at(80, 5), 9, now),
        "it is not there any more"
    );
    let due = positions.validations_due(now);
    let reaction = positions.validation_answered(&tp(0), due[0].1, Ok(end), now);
    assert_eq!((reaction.event, positions.position(&tp(0))), (None, Some(at(50, 5))));
    assert!(ask(&mut positions, 2, now).is_some());
}

#[test]
fn validation_waits_for_what_is_being_decoded() {
    let now = Instant::now();
    let mut positions = reading(SETTINGS, 10, now);
    let lease = ask(&mut positions, 1, now).unwrap();
    positions.fetch_answered(&tp(0), lease, 1, &records(100), now);
    assert!(positions.decoded(&tp(0), lease, at(20, 5), 1, false, now));
    positions.leader_changed(&tp(0), leader(2, 6), now);
    // Nothing to compare was known before; now there is.
    positions.leader_changed(&tp(0), leader(2, 7), now);
    assert_eq!(positions.validations_due(now), []);
    assert!(
        positions.decoded(&tp(0), lease, at(30, 6), 1, true, now),
        "read from a leader of its time"
    );
    let due = positions.validations_due(now);
    assert_eq!((due.len(), due[0].3), (1, 6));
}

#[test]
fn errors_of_lookups_never_move_a_position() {
    let now = Instant::now();
    for code in -1..=200 {
        let error = ErrorCode(code);
        if error.is_ok() {
            continue;
        }
        let (mut positions, lease) = validating(SETTINGS, now);
        positions.validation_answered(&tp(0), lease, Err(error), now);
        assert_eq!(positions.position(&tp(0)), Some(at(50, 5)), "{error:?}");
        let later = now + SETTINGS.retry_backoff;
        let again = positions.validations_due(later).len();
        assert_eq!(again, usize::from(error != ErrorCode::UNSUPPORTED_VERSION), "{error:?}");
    }
    let (mut positions, lease) = validating(SETTINGS, now);
    positions.lookup_unanswered(&tp(0), lease, now);
    assert_eq!(positions.validations_due(now), []);
    assert_eq!(positions.validations_due(now + SETTINGS.retry_backoff).len(), 1);
}

#[test]
fn an_older_epoch_is_no_news() {
    let now = Instant::now();
    let (mut positions, _) = validating(SETTINGS, now);
    positions.leader_changed(&tp(0), leader(1, 5), now);
    positions.leader_changed(&tp(0), leader(2, 6), now);
    assert_eq!(positions.validations_due(now), [], "still the one that was asked");
}

fn stalled(positions: &mut Positions, now: Instant) -> Option<StallCause> {
    let told = positions.stalled(now);
    assert!(told.len() <= 1);
    told.into_iter().next().map(|(_, event)| match event {
        PositionEvent::Stalled { cause } => cause,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_stall_is_told_once_with_its_cause_and_put_in_order() {
    let start = Instant::now();
    let late = start + SETTINGS.stall_timeout;

    let mut positions = Positions::new(SETTINGS);
    let lease = positions.assign(tp(0), start);
    assert_eq!(positions.next_timeout(start), Some(late));
    assert_eq!(stalled(&mut positions, late - Duration::from_millis(1)), None);
    assert_eq!(stalled(&mut positions, late), Some(StallCause::NoLeader));
    assert_eq!(stalled(&mut positions, late), None, "once");
    positions.leader_changed(&tp(0), leader(1, 5), start);
    positions.start(&tp(0), lease, None, start);
    assert_eq!(positions.resets_due(start).len(), 1);
    assert_eq!(stalled(&mut positions, late), Some(StallCause::NoPosition));
    assert_eq!(positions.resets_due(late).len(), 1, "it is looked up again");

    let (mut positions, _) = validating(SETTINGS, start);
    assert_eq!(stalled(&mut positions, late), Some(StallCause::NotValidated));
    assert_eq!(positions.validations_due(late).len(), 1);

    let mut positions = reading(SETTINGS, 10, start);
    let lost = ask(&mut positions, 1, start).unwrap();
    assert_eq!(stalled(&mut positions, late), Some(StallCause::NoAnswer));
    assert!(ask(&mut positions, 1, late).is_some(), "it is asked for again");
    let reaction = positions.fetch_answered(&tp(0), lost, 1, &records(50), late);
    assert_eq!(reaction, Reaction::default(), "and the first answer comes too late");

    let mut positions = reading(SETTINGS, 10, start);
    let lease = ask(&mut positions, 1, start).unwrap();
    let error = ErrorCode::KAFKA_STORAGE_ERROR;
    assert!(positions.fetch_answered(&tp(0), lease, 1, &told(error, -1), start).refresh);
    assert_eq!(stalled(&mut positions, late), Some(StallCause::Error(error)));
    fetch(&mut positions, 20, late);
    let later = late + SETTINGS.stall_timeout;
    let lease = ask(&mut positions, 1, late).unwrap();
    positions.fetch_answered(&tp(0), lease, 1, &told(ErrorCode::NONE, 50), late);
    assert_eq!(stalled(&mut positions, later), Some(StallCause::NothingSent), "moved between");
}

#[test]
fn an_open_transaction_is_named_as_the_cause() {
    let start = Instant::now();
    let late = start + SETTINGS.stall_timeout;
    let settings = PositionSettings { read_committed: true, ..SETTINGS };
    let mut positions = reading(settings, 10, start);
    let lease = ask(&mut positions, 1, start).unwrap();
    let open = Told { last_stable_offset: 10, ..told(ErrorCode::NONE, 50) };
    positions.fetch_answered(&tp(0), lease, 1, &open, start);
    assert_eq!(positions.lag(&tp(0)), Some(0));
    let again = ask(&mut positions, 1, start).unwrap();
    assert_eq!(stalled(&mut positions, late), Some(StallCause::OpenTransaction));
    assert!(!positions.fetch_answered(&tp(0), again, 1, &open, late).take, "it still counts");
}

#[test]
fn at_the_end_of_the_log_a_broker_that_is_away_is_the_cause_and_no_transaction() {
    let start = Instant::now();
    for read_committed in [false, true] {
        let settings = PositionSettings { read_committed, ..SETTINGS };
        let mut positions = reading(settings, 10, start);
        let lease = ask(&mut positions, 1, start).unwrap();
        positions.fetch_answered(&tp(0), lease, 1, &told(ErrorCode::NONE, 10), start);
        let lease = ask(&mut positions, 1, start).unwrap();
        positions.fetch_unanswered(&tp(0), lease, start);
        assert_eq!(
            stalled(&mut positions, start + SETTINGS.stall_timeout),
            Some(StallCause::NoAnswer)
        );
    }
}

#[test]
fn what_has_nothing_to_read_or_is_not_to_move_is_no_stall() {
    let start = Instant::now();
    let late = start + 3 * SETTINGS.stall_timeout;
    // At the end.
    let mut positions = reading(SETTINGS, 10, start);
    let lease = ask(&mut positions, 1, start).unwrap();
    positions.fetch_answered(&tp(0), lease, 1, &told(ErrorCode::NONE, 10), start);
    assert_eq!(stalled(&mut positions, late), None);
    // At the end for long, and now behind: the time counts from now.
    let lease = ask(&mut positions, 1, late).unwrap();
    positions.fetch_answered(&tp(0), lease, 1, &told(ErrorCode::NONE, 11), late);
    assert_eq!(stalled(&mut positions, late), None);
    // Paused.
    positions.pause(&tp(0), true, late);
    assert_eq!(stalled(&mut positions, late + late.duration_since(start)), None);
    // The application has something to take.
    let mut positions = reading(SETTINGS, 10, start);
    let lease = ask(&mut positions, 1, start).unwrap();
    positions.fetch_answered(&tp(0), lease, 1, &records(100), start);
    positions.decoded(&tp(0), lease, at(20, 5), 5, true, start);
    assert_eq!(stalled(&mut positions, late), None);
    // It waits for the application.
    let mut positions = reading(SETTINGS, 10, start);
    positions.stop(&tp(0));
    assert_eq!(stalled(&mut positions, late), None);
    assert_eq!(positions.partitions[&tp(0)].phase, Phase::Stopped);
    assert_eq!(positions.assigned().count(), 1);
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Ask,
    Answer { behind: bool },
    Late,
    Decode { records: i64, done: bool },
    HandOut,
    Seek(i64),
    Pause(bool),
    Leader(i32),
    Validate { end: i64 },
    Reassign,
    Lose,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Ask),
        4 => any::<bool>().prop_map(|behind| Op::Answer { behind }),
        1 => Just(Op::Late),
        4 => (0..5i64, any::<bool>()).prop_map(|(records, done)| Op::Decode { records, done }),
        3 => Just(Op::HandOut),
        1 => (0..100i64).prop_map(Op::Seek),
        1 => any::<bool>().prop_map(Op::Pause),
        1 => (0..3i32).prop_map(Op::Leader),
        2 => (0..100i64).prop_map(|end| Op::Validate { end }),
        1 => Just(Op::Reassign),
        1 => Just(Op::Lose),
    ]
}

proptest! {
    /// Whatever happens in whatever order: what is handed out follows on what was handed out before, or on
    /// the place the application or a truncation moved it to.
    #[test]
    fn nothing_is_skipped_and_nothing_comes_twice(ops in proptest::collection::vec(op(), 0..80)) {
        let now = Instant::now();
        let mut positions = reading(SETTINGS, 0, now);
        let (mut expected, mut epoch, mut node) = (0, 5, 1);
        let mut asked: Vec<FetchLease> = Vec::new();
        let mut decoding: Option<FetchLease> = None;
        // What the shell buffers: from, next, the lease it was read under.
        let mut buffered: Vec<(i64, i64, Lease)> = Vec::new();
        for op in ops {
            match op {
                Op::Ask => asked.extend(ask(&mut positions, node, now)),
                Op::Answer { behind } => {
                    let Some(lease) = asked.pop() else { continue };
                    let told = if behind { records(100) } else { told(ErrorCode::NONE, 0) };
                    if positions.fetch_answered(&tp(0), lease, node, &told, now).take {
                        decoding = Some(lease);
                    }
                }
                Op::Late => {
                    for lease in &asked {
                        positions.fetch_unanswered(&tp(0), *lease, now - SETTINGS.retry_backoff);
                    }
                }
                Op::Decode { records, done } => {
                    let Some(lease) = decoding else { continue };
                    let from = positions.partitions[&tp(0)].fetch_at;
                    let next = at(from.offset + records, epoch);
                    let bytes = usize::from(records > 0);
                    if positions.decoded(&tp(0), lease, next, bytes, done, now) && records > 0 {
                        buffered.push((from.offset, next.offset, lease.lease));
                    }
                    if done {
                        decoding = None;
                    }
                }
                Op::HandOut if !buffered.is_empty() => {
                    let (from, next, lease) = buffered.remove(0);
                    if positions.handed_out(&tp(0), lease, at(next, epoch), 1, now) {
                        prop_assert_eq!(from, expected);
                        expected = next;
                    }
                }
                Op::HandOut => {}
                Op::Seek(offset) => {
                    positions.seek(&tp(0), at(offset, -1), now);
                    expected = offset;
                }
                Op::Pause(paused) => { positions.pause(&tp(0), paused, now); }
                Op::Leader(newer) => {
                    epoch += newer;
                    node = 1 + newer;
                    positions.leader_changed(&tp(0), leader(node, epoch), now);
                }
                Op::Validate { end } => {
                    for (tp, lease, _, epoch) in positions.validations_due(now) {
                        let end = EpochEnd { epoch, end_offset: end };
                        let event = positions.validation_answered(&tp, lease, Ok(end), now).event;
                        if let Some(PositionEvent::LogTruncated { position, diverging_offset }) = event {
                            prop_assert_eq!(position, expected);
                            prop_assert!(diverging_offset < expected);
                            expected = diverging_offset;
                        }
                    }
                }
                Op::Reassign => {
                    let committed = positions.unassign(&tp(0));
                    let lease = positions.assign(tp(0), now);
                    positions.leader_changed(&tp(0), leader(node, epoch), now);
                    positions.start(&tp(0), lease, committed, now);
                }
                Op::Lose => asked.clear(),
            }
            // Markers and gaps may have moved it with nothing to hand out.
            if buffered.iter().all(|(.., lease)| !positions.is_current(&tp(0), *lease)) {
                let position = positions.position(&tp(0)).unwrap();
                prop_assert!(position.offset >= expected);
                prop_assert_eq!(position.offset, expected);
            }
        }
    }
}
