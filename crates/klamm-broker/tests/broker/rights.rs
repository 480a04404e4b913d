//! What a user may do to some topics of a request and not to others.

use crate::peer::{Peer, start};
use klamm_broker::{AclSettings, Broker, SaslSettings};
use klamm_protocol::message::create_acls_request::AclCreation;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use klamm_protocol::message::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use klamm_protocol::message::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;

/// Codes of Kafka's for what may not be done.
const TOPIC_REFUSED: i16 = 29;
const GROUP_REFUSED: i16 = 30;

/// Kafka's numbers for resources and operations.
const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const TRANSACTIONAL_ID: i8 = 5;
const READ: i8 = 3;
const WRITE: i8 = 4;
const DELETE: i8 = 6;
const DESCRIBE: i8 = 8;

const T: Str = Str::from_static("t");
const U: Str = Str::from_static("u");
const G: Str = Str::from_static("g");

async fn log_in(broker: &Broker, user: &str) -> Peer {
    let mut peer = Peer::connect(broker.address()).await;
    peer.call(1, &SaslHandshakeRequest { mechanism: Str::from_static("PLAIN") }).await;
    let auth_bytes = format!("\0{user}\0secret").into();
    let answer = peer.call(2, &SaslAuthenticateRequest { auth_bytes }).await;
    assert_eq!(answer.error_code, 0);
    peer
}

async fn allow(admin: &mut Peer, resource_type: i8, name: &'static str, operation: i8) {
    let creation = AclCreation {
        resource_type,
        resource_name: Str::from_static(name),
        principal: Str::from_static("User:bob"),
        host: Str::from_static("*"),
        operation,
        permission_type: 3,
        ..AclCreation::default()
    };
    let created = admin.call(2, &CreateAclsRequest { creations: vec![creation] }).await;
    assert_eq!(created.results[0].error_code, 0);
}

/// A broker whose user bob may read the topic t and not u, and the two of them.
async fn users() -> (Broker, Peer, Peer) {
    let sasl = SaslSettings::new().user("admin", "secret").user("bob", "secret");
    let acls = AclSettings::new().super_user("User:admin");
    let broker = start(Broker::builder().topic("t", 1).topic("u", 1).sasl(sasl).acls(acls)).await;
    let (mut admin, bob) = (log_in(&broker, "admin").await, log_in(&broker, "bob").await);
    for (resource, name, operation) in [
        (TOPIC, "t", READ),
        (GROUP, "g", READ),
        (GROUP, "g", DELETE),
        (TRANSACTIONAL_ID, "x", WRITE),
    ] {
        allow(&mut admin, resource, name, operation).await;
    }
    (broker, admin, bob)
}

async fn commit(peer: &mut Peer, committed_offset: i64) -> Vec<i16> {
    let partition = OffsetCommitRequestPartition { committed_offset, ..Default::default() };
    let topic = |name| OffsetCommitRequestTopic {
        name,
        partitions: vec![partition.clone()],
        ..OffsetCommitRequestTopic::default()
    };
    let topics = [T, U].map(topic).into();
    let request = OffsetCommitRequest { group_id: G, topics, ..OffsetCommitRequest::default() };
    let answer = peer.call(8, &request).await;
    answer.topics.iter().map(|topic| topic.partitions[0].error_code).collect()
}

/// Name, offset and code of each topic.
async fn fetch(peer: &mut Peer, names: Option<&[Str]>) -> Vec<(Str, i64, i16)> {
    let topic = |name: &Str| OffsetFetchRequestTopics {
        name: name.clone(),
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    };
    let topics = names.map(|names| names.iter().map(topic).collect());
    let group = OffsetFetchRequestGroup { group_id: G, topics, ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
    let answer = peer.call(8, &request).await;
    assert_eq!(answer.groups[0].error_code, 0);
    let row = |topic: &offset_fetch_response::OffsetFetchResponseTopics| {
        let partition = &topic.partitions[0];
        (topic.name.clone(), partition.committed_offset, partition.error_code)
    };
    answer.groups[0].topics.iter().map(row).collect()
}

#[tokio::test]
async fn offsets_are_committed_and_told_for_topics_that_may_be_read() {
    let (_broker, mut admin, mut bob) = users().await;
    assert_eq!(commit(&mut admin, 1).await, [0, 0]);
    assert_eq!(commit(&mut bob, 5).await, [0, TOPIC_REFUSED]);
    assert_eq!(fetch(&mut admin, None).await, [(T, 5, 0), (U, 1, 0)]);
    assert_eq!(fetch(&mut bob, Some(&[U, T])).await, [(U, -1, TOPIC_REFUSED), (T, 5, 0)]);
    assert_eq!(fetch(&mut bob, None).await, [(T, 5, 0)], "nothing is said of the other");
}

#[tokio::test]
async fn offsets_are_deleted_for_topics_that_may_be_read() {
    let (_broker, mut admin, mut bob) = users().await;
    commit(&mut admin, 1).await;
    let topic = |name| OffsetDeleteRequestTopic {
        name,
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request = OffsetDeleteRequest { group_id: G, topics: [U, T].map(topic).into() };
    let answer = bob.call(0, &request).await;
    let codes = answer.topics.iter().map(|topic| (&topic.name, topic.partitions[0].error_code));
    assert_eq!(codes.collect::<Vec<_>>(), [(&U, TOPIC_REFUSED), (&T, 0)]);
    assert_eq!(fetch(&mut admin, None).await, [(U, 1, 0)]);
}

#[tokio::test]
async fn offsets_in_a_transaction_are_taken_for_topics_that_may_be_read() {
    let (_broker, _admin, mut bob) = users().await;
    let id = Str::from_static("x");
    let init = InitProducerIdRequest {
        transactional_id: Some(id.clone()),
        transaction_timeout_ms: 60_000,
        ..InitProducerIdRequest::default()
    };
    let producer = bob.call(4, &init).await;
    assert_eq!(producer.error_code, 0);
    let partition = TxnOffsetCommitRequestPartition { committed_offset: 1, ..Default::default() };
    let topic = |name| TxnOffsetCommitRequestTopic {
        name,
        partitions: vec![partition.clone()],
        ..TxnOffsetCommitRequestTopic::default()
    };
    let request = TxnOffsetCommitRequest {
        transactional_id: id,
        group_id: G,
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        topics: [T, U].map(topic).into(),
        ..TxnOffsetCommitRequest::default()
    };
    let answer = bob.call(5, &request).await;
    let codes = answer.topics.iter().map(|topic| topic.partitions[0].error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [0, TOPIC_REFUSED]);
}

#[tokio::test]
async fn groups_are_described_one_by_one_with_what_may_be_done_to_them() {
    let (_broker, mut admin, mut bob) = users().await;
    commit(&mut admin, 1).await;
    let mut request = DescribeGroupsRequest {
        groups: vec![G, Str::from_static("h")],
        include_authorized_operations: true,
    };
    let answer = bob.call(5, &request).await;
    let [g, h] = &answer.groups[..] else { panic!("{answer:?}") };
    assert_eq!((g.error_code, g.group_state.as_str()), (0, "Empty"));
    assert_eq!(g.authorized_operations, 1 << READ | 1 << DELETE | 1 << DESCRIBE);
    assert_eq!((h.error_code, h.authorized_operations), (GROUP_REFUSED, i32::MIN));
    request.include_authorized_operations = false;
    let answer = bob.call(5, &request).await;
    assert_eq!(answer.groups[0].authorized_operations, i32::MIN);
}
