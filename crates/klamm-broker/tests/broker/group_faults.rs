//! Fault rules for groups and transactions: by partition, by group, by transactional id.

use crate::peer::{Peer, start};
use klamm_broker::{Action, Broker, Rule};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::offset_fetch_request::OffsetFetchRequestTopic;
use klamm_protocol::message::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;

const T: Str = Str::from_static("t");
const G: Str = Str::from_static("g");
const X: Str = Str::from_static("x");
const FAULT: ErrorCode = ErrorCode::COORDINATOR_NOT_AVAILABLE;

/// A broker whose topic has three partitions, and a connection to it.
async fn broker() -> (Broker, Peer) {
    let broker = start(Broker::builder().topic("t", 3)).await;
    let peer = Peer::connect(broker.address()).await;
    (broker, peer)
}

/// Has the API fail for partition 1 of `t`.
fn fail_partition_1(broker: &Broker, api: ApiKey) -> u64 {
    let rule = Rule::new(Action::Error(FAULT)).api(api).topic("t").partition(1);
    broker.controls().add_fault(rule).unwrap()
}

/// Offsets and codes of the three partitions.
async fn committed(peer: &mut Peer) -> Vec<(i64, ErrorCode)> {
    let topic = OffsetFetchRequestTopic { name: T, partition_indexes: vec![0, 1, 2] };
    let request =
        OffsetFetchRequest { group_id: G, topics: Some(vec![topic]), ..Default::default() };
    let response = peer.call(5, &request).await;
    let partitions = response.topics[0].partitions.iter();
    partitions.map(|it| (it.committed_offset, ErrorCode(it.error_code))).collect()
}

async fn commit(peer: &mut Peer) -> Vec<(i32, ErrorCode)> {
    let partition = |partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: 10 + i64::from(partition_index),
        ..OffsetCommitRequestPartition::default()
    };
    let partitions = (0..3).map(partition).collect();
    let topic = OffsetCommitRequestTopic { name: T, partitions, ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: G,
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    let response = peer.call(6, &request).await;
    let partitions = response.topics[0].partitions.iter();
    partitions.map(|it| (it.partition_index, ErrorCode(it.error_code))).collect()
}

const NONE: ErrorCode = ErrorCode::NONE;

#[tokio::test]
async fn a_commit_fails_for_one_partition_and_counts_for_the_others() {
    let (broker, mut peer) = broker().await;
    let rule = fail_partition_1(&broker, ApiKey::OffsetCommit);
    assert_eq!(commit(&mut peer).await, [(0, NONE), (1, FAULT), (2, NONE)]);
    assert_eq!(committed(&mut peer).await, [(10, NONE), (-1, NONE), (12, NONE)]);
    broker.controls().remove_fault(rule);
    commit(&mut peer).await;
    fail_partition_1(&broker, ApiKey::OffsetFetch);
    assert_eq!(committed(&mut peer).await, [(10, NONE), (-1, FAULT), (12, NONE)]);
}

/// Opens a transaction and returns its producer.
async fn begin(peer: &mut Peer) -> InitProducerIdResponse {
    let init = InitProducerIdRequest {
        transactional_id: Some(X),
        transaction_timeout_ms: 60_000,
        ..InitProducerIdRequest::default()
    };
    let producer = peer.call(1, &init).await;
    assert_eq!(producer.error_code, 0);
    producer
}

#[tokio::test]
async fn offsets_of_a_transaction_fail_for_one_partition() {
    let (broker, mut peer) = broker().await;
    fail_partition_1(&broker, ApiKey::TxnOffsetCommit);
    let InitProducerIdResponse { producer_id, producer_epoch, .. } = begin(&mut peer).await;
    let add =
        AddOffsetsToTxnRequest { transactional_id: X, producer_id, producer_epoch, group_id: G };
    assert_eq!(peer.call(1, &add).await.error_code, 0);
    let partition = |partition_index| TxnOffsetCommitRequestPartition {
        partition_index,
        committed_offset: 20 + i64::from(partition_index),
        ..TxnOffsetCommitRequestPartition::default()
    };
    let partitions = (0..3).map(partition).collect();
    let topic = TxnOffsetCommitRequestTopic { name: T, partitions, ..Default::default() };
    let request = TxnOffsetCommitRequest {
        transactional_id: X,
        group_id: G,
        producer_id,
        producer_epoch,
        topics: vec![topic],
        ..TxnOffsetCommitRequest::default()
    };
    let response = peer.call(1, &request).await;
    let codes: Vec<_> =
        response.topics[0].partitions.iter().map(|it| ErrorCode(it.error_code)).collect();
    assert_eq!(codes, [NONE, FAULT, NONE]);
    let end = EndTxnRequest { transactional_id: X, producer_id, producer_epoch, committed: true };
    assert_eq!(peer.call(1, &end).await.error_code, 0);
    assert_eq!(committed(&mut peer).await, [(20, NONE), (-1, NONE), (22, NONE)]);
}

#[tokio::test]
async fn a_partition_that_cannot_join_a_transaction_keeps_the_others_out() {
    let (broker, mut peer) = broker().await;
    let rule = fail_partition_1(&broker, ApiKey::AddPartitionsToTxn);
    let producer = begin(&mut peer).await;
    let add = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: X,
        v3_and_below_producer_id: producer.producer_id,
        v3_and_below_producer_epoch: producer.producer_epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic { name: T, partitions: vec![0, 1] }],
        ..AddPartitionsToTxnRequest::default()
    };
    let codes = |response: AddPartitionsToTxnResponse| -> Vec<ErrorCode> {
        let partitions = &response.results_by_topic_v3_and_below[0].results_by_partition;
        partitions.iter().map(|it| ErrorCode(it.partition_error_code)).collect()
    };
    let refused = codes(peer.call(1, &add).await);
    assert_eq!(refused, [ErrorCode::OPERATION_NOT_ATTEMPTED, FAULT]);
    broker.controls().remove_fault(rule);
    assert_eq!(codes(peer.call(1, &add).await), [NONE, NONE]);
}

#[tokio::test]
async fn rules_choose_by_group_and_by_transactional_id() {
    let (broker, mut peer) = broker().await;
    let error = || Rule::new(Action::Error(FAULT));
    broker.controls().add_fault(error().group("g")).unwrap();
    broker.controls().add_fault(error().transactional_id("x")).unwrap();
    assert_eq!(commit(&mut peer).await, [(0, FAULT), (1, FAULT), (2, FAULT)]);
    for (group, expected) in [("g", FAULT), ("h", ErrorCode::UNKNOWN_MEMBER_ID)] {
        let group_id = Str::from_static(group);
        let heartbeat = HeartbeatRequest { group_id, ..HeartbeatRequest::default() };
        assert_eq!(ErrorCode(peer.call(3, &heartbeat).await.error_code), expected);
    }
    let share = ShareGroupHeartbeatRequest {
        group_id: G,
        member_id: X,
        subscribed_topic_names: Some(vec![T]),
        ..ShareGroupHeartbeatRequest::default()
    };
    assert_eq!(ErrorCode(peer.call(1, &share).await.error_code), FAULT);
    for (key, key_type, expected) in [("g", 0, FAULT), ("g", 1, NONE), ("x", 1, FAULT)] {
        let key = Str::from_static(key);
        let find = FindCoordinatorRequest { key, key_type, ..Default::default() };
        assert_eq!(ErrorCode(peer.call(2, &find).await.error_code), expected);
    }
    for (id, expected) in [(Some("x"), FAULT), (Some("y"), NONE), (None, NONE)] {
        let init = InitProducerIdRequest {
            transactional_id: id.map(Str::from_static),
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        assert_eq!(ErrorCode(peer.call(1, &init).await.error_code), expected);
    }
}
