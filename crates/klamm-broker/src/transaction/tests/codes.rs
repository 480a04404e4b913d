//! Every request in every state: the code it gets.

use super::{ID, TIMEOUT_MS, World};
use crate::transaction::state::Producer;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use klamm_protocol::message::{AddPartitionsToTxnRequest, InitProducerIdRequest};
use klamm_protocol::primitives::Str;

const OK: ErrorCode = ErrorCode::NONE;
const BUSY: ErrorCode = ErrorCode::CONCURRENT_TRANSACTIONS;
const STATE: ErrorCode = ErrorCode::INVALID_TXN_STATE;
const FENCED: ErrorCode = ErrorCode::PRODUCER_FENCED;

/// A world in the named state, and the producer that is valid in it. Ends are of the first protocol.
fn world_in(state: &str) -> (World, Producer) {
    let mut world = World::new();
    let producer = world.init();
    if state != "Empty" {
        world.add(producer, 0, 3).unwrap();
        world.settle();
    }
    if state.ends_with("Commit") || state.ends_with("Abort") {
        world.end(producer, state.ends_with("Commit"), 4).unwrap();
    }
    if state.starts_with("Complete") {
        world.settle();
    }
    assert_eq!(world.state(), state);
    (world, producer)
}

fn code<T>(answer: Result<T, ErrorCode>) -> ErrorCode {
    answer.err().unwrap_or(OK)
}

#[test]
fn each_state_answers_its_producer() {
    let rows = [
        // state, init, add, add offsets, commit v4, abort v4, commit v5, abort v5
        ("Empty", [OK, OK, OK, STATE, STATE, STATE, OK]),
        ("Ongoing", [BUSY, OK, OK, OK, OK, OK, OK]),
        ("PrepareCommit", [BUSY, BUSY, BUSY, BUSY, STATE, FENCED, FENCED]),
        ("PrepareAbort", [BUSY, BUSY, BUSY, STATE, BUSY, FENCED, FENCED]),
        ("CompleteCommit", [OK, OK, OK, OK, STATE, STATE, OK]),
        ("CompleteAbort", [OK, OK, OK, STATE, OK, STATE, OK]),
    ];
    for (state, expected) in rows {
        let ask = |which: usize| {
            let (mut world, producer) = world_in(state);
            match which {
                0 => code(world.init_as(None, 5)),
                1 => code(world.add(producer, 0, 3)),
                2 => code(world.add_offsets(producer, "g", 4)),
                3 => code(world.end(producer, true, 4)),
                4 => code(world.end(producer, false, 4)),
                5 => code(world.end(producer, true, 5)),
                _ => code(world.end(producer, false, 5)),
            }
        };
        assert_eq!(std::array::from_fn(ask), expected, "{state}");
    }
}

#[test]
fn each_state_refuses_strangers() {
    for state in
        ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"]
    {
        let (mut world, producer) = world_in(state);
        let stranger = Producer { id: producer.id + 1, ..producer };
        let mapping = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
        assert_eq!(code(world.add(stranger, 0, 3)), mapping, "{state}");
        assert_eq!(code(world.produce(stranger, 0)), mapping, "{state}");
        assert_eq!(code(world.add_offsets(stranger, "g", 3)), mapping, "{state}");
        assert_eq!(code(world.init_as(Some(stranger), 5)), FENCED, "{state}");
        for epoch in [producer.epoch + 1, producer.epoch - 1, i16::MAX] {
            let other = Producer { epoch, ..producer };
            assert_eq!(code(world.add(other, 0, 3)), FENCED, "{state} {epoch}");
            assert_eq!(code(world.add_offsets(other, "g", 3)), FENCED, "{state} {epoch}");
        }
        for (version, fenced) in
            [(0, ErrorCode::INVALID_PRODUCER_EPOCH), (2, FENCED), (4, FENCED), (5, FENCED)]
        {
            assert_eq!(code(world.end(stranger, true, version)), mapping, "{state}");
            for epoch in [producer.epoch + 1, producer.epoch - 1, i16::MAX] {
                let other = Producer { epoch, ..producer };
                assert_eq!(code(world.end(other, true, version)), fenced, "{state} {version}");
            }
        }
    }
}

#[test]
fn unsound_initialization_is_refused() {
    let rows = [
        (Some(""), 1, -1, -1, ErrorCode::INVALID_REQUEST),
        (Some(ID), 0, -1, -1, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
        (Some(ID), -1, -1, -1, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
        (Some(ID), 900_001, -1, -1, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
        (Some(ID), TIMEOUT_MS, 5, -1, ErrorCode::INVALID_REQUEST),
        (Some(ID), TIMEOUT_MS, -1, 5, ErrorCode::INVALID_REQUEST),
        (None, 0, 5, -1, ErrorCode::INVALID_REQUEST),
        (Some(ID), 900_000, -1, -1, OK),
        (None, -7, -1, -1, OK),
    ];
    for (id, transaction_timeout_ms, producer_id, producer_epoch, expected) in rows {
        let request = InitProducerIdRequest {
            transactional_id: id.map(Str::from),
            transaction_timeout_ms,
            producer_id,
            producer_epoch,
            ..Default::default()
        };
        let answer = World::new().coordinator.handle_init_producer_id(&request, 5, 0);
        assert_eq!(ErrorCode(answer.error_code), expected, "{request:?}");
        assert_eq!(answer.producer_id >= 0, expected.is_ok());
    }
}

#[test]
fn an_unknown_partition_keeps_the_others_out() {
    let mut world = World::new();
    let producer = world.init();
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: Str::from(ID),
        v3_and_below_producer_id: producer.id,
        v3_and_below_producer_epoch: producer.epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic {
            name: Str::from("topic"),
            partitions: vec![0, 9],
        }],
        ..Default::default()
    };
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let known = |_: &str, partition| if partition < 9 { Ok(()) } else { Err(unknown) };
    let answer = world.coordinator.handle_add_partitions_to_txn(&request, 3, known, world.now_ms);
    let results = &answer.results_by_topic_v3_and_below[0].results_by_partition;
    let codes: Vec<_> = results.iter().map(|it| ErrorCode(it.partition_error_code)).collect();
    assert_eq!(codes, [ErrorCode::OPERATION_NOT_ATTEMPTED, unknown]);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn brokers_verify_without_adding() {
    let (mut world, producer) = world_in("Ongoing");
    let asked = |verify_only| AddPartitionsToTxnTransaction {
        transactional_id: Str::from(ID),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        verify_only,
        topics: vec![AddPartitionsToTxnTopic { name: Str::from("topic"), partitions: vec![0, 1] }],
    };
    let mut ask = |verify_only| {
        let request = AddPartitionsToTxnRequest {
            transactions: vec![asked(verify_only)],
            ..Default::default()
        };
        let now_ms = world.now_ms;
        let answer =
            world.coordinator.handle_add_partitions_to_txn(&request, 5, |_, _| Ok(()), now_ms);
        let results = &answer.results_by_transaction[0].topic_results[0].results_by_partition;
        results.iter().map(|it| ErrorCode(it.partition_error_code)).collect::<Vec<_>>()
    };
    assert_eq!(ask(true), [OK, ErrorCode::TRANSACTION_ABORTABLE]);
    assert_eq!(ask(true), [OK, ErrorCode::TRANSACTION_ABORTABLE]);
    assert_eq!(ask(false), [OK, OK]);
    assert_eq!(ask(true), [OK, OK]);
}

#[test]
fn the_first_protocol_names_groups_and_partitions_beforehand() {
    let (mut world, producer) = world_in("Ongoing");
    let now_ms = world.now_ms;
    let partition = |world: &mut World, index| {
        code(world.coordinator.verify_or_add_partition(
            ID,
            producer,
            ("topic", index),
            false,
            now_ms,
        ))
    };
    let group = |world: &mut World, tv2| {
        code(world.coordinator.verify_or_add_group(ID, producer, "g", tv2, now_ms))
    };
    assert_eq!(partition(&mut world, 0), OK);
    assert_eq!(partition(&mut world, 1), ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(group(&mut world, false), ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(group(&mut world, true), OK);
    assert_eq!(group(&mut world, false), OK);
}
