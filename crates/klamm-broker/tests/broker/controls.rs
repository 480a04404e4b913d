//! What tests do to a broker as a whole, seen by clients.

use crate::batch::{batch, from_producer, keyed, records};
use crate::peer::{Peer, fetch, start};
use klamm_broker::{Broker, BrokerConfig, CoordinatorType, RequestOutcome};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use klamm_protocol::message::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use klamm_protocol::message::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::offset_fetch_request::OffsetFetchRequestTopic;
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const T: Str = Str::from_static("t");
const G: Str = Str::from_static("g");

async fn to_node(broker: &Broker, node: i32) -> Peer {
    Peer::connect(broker.addresses()[usize::try_from(node).unwrap() - 1]).await
}

/// Commits an offset of partition 0 without being a member; the answer is the code.
async fn commit(peer: &mut Peer, offset: i64) -> ErrorCode {
    let partition = OffsetCommitRequestPartition {
        committed_offset: offset,
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: T,
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: G,
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    ErrorCode(peer.call(6, &request).await.topics[0].partitions[0].error_code)
}

async fn committed(peer: &mut Peer) -> i64 {
    let topic = OffsetFetchRequestTopic { name: T, partition_indexes: vec![0] };
    let request =
        OffsetFetchRequest { group_id: G, topics: Some(vec![topic]), ..Default::default() };
    let response = peer.call(5, &request).await;
    assert_eq!(response.error_code, 0);
    response.topics[0].partitions[0].committed_offset
}

async fn coordinator(peer: &mut Peer, key_type: i8, key: &'static str) -> i32 {
    let key = Str::from_static(key);
    let request = FindCoordinatorRequest { key, key_type, ..Default::default() };
    peer.call(2, &request).await.node_id
}

fn join() -> JoinGroupRequest {
    let protocol =
        JoinGroupRequestProtocol { name: Str::from_static("range"), ..Default::default() };
    JoinGroupRequest {
        group_id: G,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: Str::from_static("consumer"),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    }
}

#[tokio::test]
async fn a_restart_ends_connections_and_sessions_and_begins_new_epochs() {
    let broker = start(Broker::builder().nodes(2).topic("t", 2)).await;
    let mut peer = to_node(&broker, 1).await;
    let mut other = to_node(&broker, 2).await;
    other.call(0, &ApiVersionsRequest::default()).await;
    let init = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    let id = peer.call(1, &init).await.producer_id;
    assert_eq!(peer.produce(0, from_producer(id, 0, &["a"])).await.base_offset, 0);
    let session = FetchRequest { session_epoch: 0, ..fetch(0, 0, 0) };
    let session_id = peer.call(11, &session).await.session_id;
    assert_ne!(session_id, 0);
    let coordinator = coordinator(&mut peer, 0, "g").await;
    assert_eq!(commit(&mut to_node(&broker, coordinator).await, 7).await, ErrorCode::NONE);

    broker.controls().restart().await.unwrap();
    assert!(peer.frame().await.is_none() && other.frame().await.is_none());
    assert_eq!(broker.controls().leader("t", 0).unwrap(), (1, 1));
    assert_eq!(broker.controls().leader("t", 1).unwrap(), (2, 1));
    let mut peer = to_node(&broker, 1).await;
    let next = FetchRequest { session_id, session_epoch: 1, topics: vec![], ..fetch(0, 0, 0) };
    let forgotten = ErrorCode(peer.call(11, &next).await.error_code);
    assert_eq!(forgotten, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    // What is written down is still there, the producer's window included.
    assert_eq!(peer.produce(0, from_producer(id, 0, &["a"])).await.base_offset, 0);
    assert_eq!(peer.produce(0, from_producer(id, 1, &["b"])).await.base_offset, 1);
    assert_eq!(records(peer.read_all(0).await).len(), 2);
    assert_eq!(committed(&mut to_node(&broker, coordinator).await).await, 7);
}

#[tokio::test]
async fn a_restart_forgets_a_rebalance_under_way() {
    let mut config = BrokerConfig::default();
    config.set("group.initial.rebalance.delay.ms", "3600000").unwrap();
    let broker = start(Broker::builder().config(config)).await;
    let mut member = Peer::connect(broker.address()).await;
    member.send(2, &join()).await;
    let waits = |entry: &klamm_broker::RequestEntry| entry.api == ApiKey::JoinGroup;
    assert!(broker.controls().wait_for_request(waits, LIMIT).await.is_some());
    broker.controls().restart().await.unwrap();
    assert!(member.frame().await.is_none());
    let mut peer = Peer::connect(broker.address()).await;
    let described = DescribeGroupsRequest { groups: vec![G], ..Default::default() };
    let described = peer.call(4, &described).await;
    assert_eq!(&*described.groups[0].group_state, "Dead");
}

#[tokio::test]
async fn a_group_goes_to_another_coordinator() {
    let broker = start(Broker::builder().nodes(2).topic("t", 1)).await;
    let controls = broker.controls();
    let from = coordinator(&mut to_node(&broker, 1).await, 0, "g").await;
    let to = 3 - from;
    let mut old = to_node(&broker, from).await;
    let mut new = to_node(&broker, to).await;
    assert_eq!(commit(&mut old, 5).await, ErrorCode::NONE);
    assert_eq!(commit(&mut new, 6).await, ErrorCode::NOT_COORDINATOR);
    let loading = Duration::from_secs(3600);
    controls.move_coordinator(CoordinatorType::Group, Some("g"), to, loading).unwrap();
    assert_eq!(controls.moved_coordinators()[0].node, to);
    assert_eq!(commit(&mut old, 6).await, ErrorCode::NOT_COORDINATOR);
    assert_eq!(commit(&mut new, 6).await, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(coordinator(&mut old, 0, "g").await, to);
    controls.advance_clock(loading);
    assert_eq!(committed(&mut new).await, 5);
    assert_eq!(commit(&mut new, 6).await, ErrorCode::NONE);
    controls.reset_coordinators();
    assert_eq!(committed(&mut old).await, 6);
    assert!(controls.move_coordinator(CoordinatorType::Group, None, 3, loading).is_err());
}

#[tokio::test]
async fn who_waits_at_a_coordinator_hears_that_it_has_gone() {
    let mut config = BrokerConfig::default();
    config.set("group.initial.rebalance.delay.ms", "3600000").unwrap();
    let broker = start(Broker::builder().nodes(2).config(config)).await;
    let from = coordinator(&mut to_node(&broker, 1).await, 0, "g").await;
    let mut member = to_node(&broker, from).await;
    member.send(2, &join()).await;
    let waits = |entry: &klamm_broker::RequestEntry| entry.api == ApiKey::JoinGroup;
    let waiting = broker.controls().wait_for_request(waits, LIMIT).await.unwrap();
    assert_eq!(waiting.outcome, RequestOutcome::Pending);
    // Another group's move is none of its business.
    let controls = broker.controls();
    let now = Duration::ZERO;
    controls.move_coordinator(CoordinatorType::Group, Some("h"), 3 - from, now).unwrap();
    controls.move_coordinator(CoordinatorType::Group, None, 3 - from, now).unwrap();
    let (_, answer) = member.receive::<JoinGroupRequest>(2).await;
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::NOT_COORDINATOR);
}

#[tokio::test]
async fn a_transactional_id_goes_to_another_coordinator() {
    let broker = start(Broker::builder().nodes(2).topic("t", 1)).await;
    let from = coordinator(&mut to_node(&broker, 1).await, 1, "x").await;
    let mut old = to_node(&broker, from).await;
    let mut new = to_node(&broker, 3 - from).await;
    let id = Str::from_static("x");
    let init = InitProducerIdRequest {
        transactional_id: Some(id.clone()),
        transaction_timeout_ms: 60_000,
        ..InitProducerIdRequest::default()
    };
    let producer = old.call(1, &init).await;
    assert_eq!(producer.error_code, 0);
    let add = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: id.clone(),
        v3_and_below_producer_id: producer.producer_id,
        v3_and_below_producer_epoch: producer.producer_epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic { name: T, partitions: vec![0] }],
        ..AddPartitionsToTxnRequest::default()
    };
    let code = |added: AddPartitionsToTxnResponse| {
        let partitions = &added.results_by_topic_v3_and_below[0].results_by_partition;
        ErrorCode(partitions[0].partition_error_code)
    };
    assert_eq!(code(new.call(1, &add).await), ErrorCode::NOT_COORDINATOR);
    assert_eq!(code(old.call(1, &add).await), ErrorCode::NONE);
    let (kind, now) = (CoordinatorType::Transaction, Duration::ZERO);
    broker.controls().move_coordinator(kind, Some("x"), 3 - from, now).unwrap();
    assert_eq!(code(old.call(1, &add).await), ErrorCode::NOT_COORDINATOR);
    let end = EndTxnRequest {
        transactional_id: id,
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        committed: true,
    };
    let refused = ErrorCode(old.call(1, &end).await.error_code);
    assert_eq!(refused, ErrorCode::NOT_COORDINATOR);
    assert_eq!(new.call(1, &end).await.error_code, 0, "the transaction goes on where it was");
    assert_eq!(coordinator(&mut new, 0, "x").await, from, "groups stay");
}

async fn leader(peer: &mut Peer) -> i32 {
    let response = peer.call(9, &MetadataRequest { topics: None, ..Default::default() }).await;
    response.topics.iter().find(|topic| topic.name == Some(T)).unwrap().partitions[0].leader_id
}

#[tokio::test]
async fn a_frozen_node_tells_of_old_leaders_and_knows_nothing_new() {
    let broker = start(Broker::builder().nodes(2).topic("t", 1)).await;
    let controls = broker.controls();
    let mut frozen = to_node(&broker, 1).await;
    let mut other = to_node(&broker, 2).await;
    controls.freeze_metadata(1, true).unwrap();
    controls.move_leader("t", 0, 2).unwrap();
    assert_eq!((leader(&mut frozen).await, leader(&mut other).await), (1, 2));
    let refused = frozen.produce(0, batch(&["x"])).await;
    assert_eq!(ErrorCode(refused.error_code), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let topic = MetadataRequestTopic { name: Some(Str::from_static("u")), ..Default::default() };
    let asks = MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    };
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
    assert_eq!(frozen.call(9, &asks).await.topics[0].error_code, unknown);
    assert_eq!(other.call(9, &asks).await.topics[0].error_code, unknown);
    let mut another = to_node(&broker, 2).await;
    assert_eq!(another.call(9, &asks).await.topics[0].error_code, 0, "made by asking");
    assert_eq!(frozen.call(9, &asks).await.topics[0].error_code, unknown);
    controls.set_node_up(2, false).await.unwrap();
    let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
    assert_eq!(frozen.call(9, &everything).await.brokers.len(), 2);
    controls.freeze_metadata(1, false).unwrap();
    assert_eq!(frozen.call(9, &everything).await.brokers.len(), 1);
    assert_eq!(frozen.call(9, &asks).await.topics[0].error_code, 0);
}

#[tokio::test]
async fn compaction_takes_place_when_it_is_asked_for() {
    let broker = start(Broker::builder()).await;
    let mut peer = Peer::connect(broker.address()).await;
    let compact = CreatableTopicConfig {
        name: Str::from_static("cleanup.policy"),
        value: Some(Str::from_static("compact")),
    };
    let topic = CreatableTopic {
        name: T,
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![compact],
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    assert_eq!(peer.call(5, &request).await.topics[0].error_code, 0);
    for n in 0..20 {
        peer.produce(0, keyed(&format!("k{}", n % 2), &n.to_string())).await;
    }
    assert_eq!(broker.controls().compact().unwrap(), 18);
    let left = records(peer.read_all(0).await);
    assert_eq!(left, [(18, "18".to_owned()), (19, "19".to_owned())]);
}
