//! One producer's life after the other.

use super::{ID, TIMEOUT_MS, World};
use crate::transaction::Limits;
use crate::transaction::state::Producer;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{InitProducerIdRequest, ListTransactionsRequest};
use klamm_protocol::primitives::Str;

const LAST: i16 = i16::MAX - 1;

fn raised(from: Producer) -> Producer {
    Producer { epoch: from.epoch + 1, ..from }
}

/// A producer in epoch 32766, the last one, by way of the coordinator's own rules.
fn in_last_epoch(world: &mut World) -> Producer {
    let mut producer = world.init();
    while producer.epoch < LAST {
        producer = world.init();
    }
    producer
}

#[test]
fn first_protocol_commits_and_aborts_in_one_epoch() {
    let mut world = World::new();
    let producer = world.init();
    for commit in [true, false] {
        world.add(producer, 0, 3).unwrap();
        world.add(producer, 1, 3).unwrap();
        world.add_offsets(producer, "group", 3).unwrap();
        world.settle();
        assert_eq!(world.state(), "Ongoing");
        world.end(producer, commit, 4).unwrap();
        assert_eq!(world.state(), if commit { "PrepareCommit" } else { "PrepareAbort" });
        world.settle();
        assert_eq!(world.state(), if commit { "CompleteCommit" } else { "CompleteAbort" });
        let marker = world.markers.last().unwrap();
        assert_eq!((marker.producer_id, marker.producer_epoch), (producer.id, producer.epoch));
        assert_eq!((marker.commit, marker.tv2), (commit, false));
        assert_eq!(marker.partitions, [("topic".to_owned(), [0, 1].into())].into());
        assert_eq!(marker.groups, ["group".to_owned()].into());
    }
}

#[test]
fn second_protocol_raises_the_epoch_with_each_end() {
    let mut world = World::new();
    let first = world.init();
    world.produce(first, 3).unwrap();
    world.settle();
    let second = world.end(first, true, 5).unwrap();
    assert_eq!(second, raised(first));
    world.settle();
    let marker = world.markers.last().unwrap();
    assert_eq!((marker.producer_epoch, marker.commit, marker.tv2), (second.epoch, true, true));
    assert_eq!(world.produce(first, 3), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    world.produce(second, 3).unwrap();
    assert_eq!(world.end(second, false, 5).unwrap(), raised(second));
}

#[test]
fn a_repeated_end_is_answered_as_the_first() {
    let mut world = World::new();
    let first = world.init();
    world.produce(first, 0).unwrap();
    let second = world.end(first, true, 5).unwrap();
    assert_eq!(world.end(first, true, 5), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(world.end(first, false, 5), Err(ErrorCode::INVALID_TXN_STATE));
    world.settle();
    assert_eq!(world.end(first, true, 5), Ok(second));
    assert_eq!(world.end(first, false, 5), Err(ErrorCode::INVALID_TXN_STATE));

    let mut world = World::new();
    let producer = world.init();
    world.add(producer, 0, 3).unwrap();
    world.end(producer, false, 3).unwrap();
    assert_eq!(world.end(producer, false, 3).err(), Some(ErrorCode::CONCURRENT_TRANSACTIONS));
    world.settle();
    assert!(world.end(producer, false, 3).is_ok());
    assert_eq!(world.end(producer, true, 3).err(), Some(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(world.markers.len(), 1);
}

#[test]
fn a_late_end_does_not_touch_the_next_transaction() {
    let mut world = World::new();
    let first = world.init();
    world.produce(first, 0).unwrap();
    let second = world.end(first, true, 5).unwrap();
    world.settle();
    world.produce(second, 1).unwrap();
    for commit in [true, false] {
        assert_eq!(world.end(first, commit, 5), Err(ErrorCode::PRODUCER_FENCED));
    }
    world.settle();
    assert_eq!(world.state(), "Ongoing");
    assert_eq!(world.markers.len(), 1);
}

#[test]
fn a_new_producer_aborts_what_the_old_one_left() {
    let mut world = World::new();
    let old = world.init();
    world.add(old, 0, 3).unwrap();
    world.settle();
    assert_eq!(world.init_as(None, 5), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(world.init_as(None, 5), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    world.settle();
    let marker = world.markers.last().unwrap();
    assert_eq!((marker.producer_epoch, marker.commit), (old.epoch + 1, false));
    let new = world.init_as(None, 5).unwrap();
    assert_eq!(new, Producer { id: old.id, epoch: old.epoch + 2 });
    // In every form that the old one may try.
    assert_eq!(world.add(old, 0, 3), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(world.add(old, 0, 1), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(world.add_offsets(old, "g", 2), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(world.add_offsets(old, "g", 1), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(world.produce(old, 0), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    for version in [2, 4, 5] {
        assert_eq!(world.end(old, true, version).err(), Some(ErrorCode::PRODUCER_FENCED));
    }
    assert_eq!(world.end(old, true, 1).err(), Some(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(world.init_as(Some(old), 4), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(world.init_as(Some(old), 3), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    world.produce(new, 0).unwrap();
}

#[test]
fn a_producer_that_knows_itself_resumes() {
    let mut world = World::new();
    let first = world.init();
    let second = world.init_as(Some(first), 5).unwrap();
    assert_eq!(second, raised(first));
    // The answer was lost: the same again, and no third epoch.
    assert_eq!(world.init_as(Some(first), 5), Ok(second));
    assert_eq!(world.init_as(Some(second), 5), Ok(raised(second)));
    assert_eq!(world.init_as(Some(first), 5), Err(ErrorCode::PRODUCER_FENCED));
    let stranger = Producer { id: first.id + 1, epoch: 0 };
    assert_eq!(world.init_as(Some(stranger), 5), Err(ErrorCode::PRODUCER_FENCED));
}

#[test]
fn a_producer_of_the_past_does_not_abort_the_present() {
    let mut world = World::new();
    let old = world.init();
    let new = world.init();
    world.produce(new, 0).unwrap();
    assert_eq!(world.init_as(Some(old), 5), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(world.state(), "Ongoing");
}

#[test]
fn after_the_last_epoch_comes_a_new_producer_id() {
    let mut world = World::new();
    let last = in_last_epoch(&mut world);
    let next = world.init_as(Some(last), 5).unwrap();
    assert_eq!(next.epoch, 0);
    assert_ne!(next.id, last.id);
    assert_eq!(world.init_as(Some(last), 5), Ok(next), "asked again");

    let mut world = World::new();
    let last = in_last_epoch(&mut world);
    world.produce(last, 0).unwrap();
    let next = world.end(last, true, 5).unwrap();
    world.settle();
    let marker = world.markers.last().unwrap();
    assert_eq!((marker.producer_id, marker.producer_epoch), (last.id, i16::MAX));
    assert_eq!(next.epoch, 0);
    assert_ne!(next.id, last.id);
    assert_eq!(world.end(last, true, 5), Ok(next), "asked again");
    assert_eq!(world.end(last, false, 5), Err(ErrorCode::INVALID_TXN_STATE));
    world.produce(next, 0).unwrap();

    let mut world = World::new();
    let last = in_last_epoch(&mut world);
    world.produce(last, 0).unwrap();
    let new = world.init();
    assert_eq!((new.epoch, world.markers.last().unwrap().producer_epoch), (0, i16::MAX));
    assert_ne!(new.id, last.id);
}

#[test]
fn time_aborts_what_is_left_open() {
    let mut world = World::new();
    let producer = world.init();
    world.produce(producer, 0).unwrap();
    world.now_ms += i64::from(TIMEOUT_MS);
    world.coordinator.handle_tick(world.now_ms);
    world.settle();
    assert_eq!(world.state(), "Ongoing");
    world.now_ms += 1;
    world.coordinator.handle_tick(world.now_ms);
    world.settle();
    assert_eq!(world.state(), "CompleteAbort");
    let marker = world.markers.last().unwrap();
    assert_eq!((marker.producer_epoch, marker.commit), (producer.epoch + 1, false));
    for commit in [true, false] {
        for version in [4, 5] {
            let answer = world.end(producer, commit, version);
            assert_eq!(answer.err(), Some(ErrorCode::PRODUCER_FENCED));
        }
    }
    assert_eq!(world.init(), Producer { epoch: producer.epoch + 2, ..producer });
}

#[test]
fn time_goes_on_over_a_restart() {
    let mut world = World::new();
    let producer = world.init();
    world.produce(producer, 0).unwrap();
    world.settle();
    world.crash();
    world.now_ms += i64::from(TIMEOUT_MS) + 1;
    world.coordinator.handle_tick(world.now_ms);
    world.settle();
    assert_eq!(world.state(), "CompleteAbort");
}

#[test]
fn an_unused_id_is_forgotten() {
    let mut world = World::new();
    let producer = world.init();
    world.now_ms += Limits::default().expiration_ms - 1;
    world.coordinator.handle_tick(world.now_ms);
    assert_eq!(world.state(), "Empty");
    world.now_ms += 1;
    world.coordinator.handle_tick(world.now_ms);
    world.settle();
    assert_eq!(world.produce(producer, 0), Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    assert!(!world.journal.contains_key("transaction/t"));
    assert_ne!(world.init().id, producer.id);
}

#[test]
fn an_abort_of_nothing_raises_the_epoch() {
    let mut world = World::new();
    let first = world.init();
    assert_eq!(world.end(first, true, 5), Err(ErrorCode::INVALID_TXN_STATE));
    let second = world.end(first, false, 5).unwrap();
    world.settle();
    let third = world.end(second, false, 5).unwrap();
    world.settle();
    assert_eq!((second, third), (raised(first), raised(second)));
    assert_eq!(world.end(second, false, 5), Ok(third), "asked again");
    assert!(world.markers.iter().all(|marker| marker.partitions.is_empty()));
    assert_eq!(world.end(third, false, 4).err(), None, "already aborted");
}

#[test]
fn a_crash_before_the_markers_is_made_good() {
    for commit in [true, false] {
        let mut world = World::new();
        let first = world.init();
        world.produce(first, 0).unwrap();
        world.settle();
        let second = world.end(first, commit, 5).unwrap();
        assert!(world.step(), "the decision is in the journal");
        world.crash();
        assert_eq!(world.end(first, commit, 5), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
        world.settle();
        let marker = world.markers.last().unwrap();
        assert_eq!((marker.commit, marker.coordinator_epoch), (commit, 2));
        assert_eq!(world.end(first, commit, 5), Ok(second));
        // Nothing is left to be done after the next one.
        world.crash();
        world.settle();
        assert_eq!(world.markers.len(), 1);
    }
}

#[test]
fn producers_without_a_transactional_id_get_new_ids() {
    let mut world = World::new();
    let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    let mut last = -1;
    for round in 0..10 {
        for _ in 0..300 {
            let answer = world.coordinator.handle_init_producer_id(&request, 5, world.now_ms);
            assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
            assert!(answer.producer_id > last, "round {round}");
            last = answer.producer_id;
        }
        world.settle();
        world.crash();
    }
}

#[test]
fn lists_are_filtered() {
    let mut world = World::new();
    let producer = world.init();
    world.produce(producer, 0).unwrap();
    world.now_ms += 500;
    let list = |request: ListTransactionsRequest, matches: fn(&str) -> bool| {
        let answer = world.coordinator.handle_list_transactions(&request, matches, world.now_ms);
        (answer.transaction_states.len(), answer.unknown_state_filters)
    };
    let any = || ListTransactionsRequest { duration_filter: -1, ..Default::default() };
    let states =
        |name: &str| ListTransactionsRequest { state_filters: vec![Str::from(name)], ..any() };
    let of = |id| ListTransactionsRequest { producer_id_filters: vec![id], ..any() };
    let longer = |ms| ListTransactionsRequest { duration_filter: ms, ..any() };
    assert_eq!(list(any(), |id| id == ID), (1, vec![]));
    assert_eq!(list(any(), |_| false), (0, vec![]));
    assert_eq!(list(states("Ongoing"), |_| true), (1, vec![]));
    assert_eq!(list(states("Dead"), |_| true), (0, vec![]));
    assert_eq!(list(states("Alive"), |_| true), (0, vec![Str::from("Alive")]));
    assert_eq!(list(of(producer.id), |_| true).0, 1);
    assert_eq!(list(of(producer.id + 1), |_| true).0, 0);
    assert_eq!(list(longer(499), |_| true).0, 1);
    assert_eq!(list(longer(500), |_| true).0, 0);
}
