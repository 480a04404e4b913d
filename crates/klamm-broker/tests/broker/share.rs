//! Share groups over a socket.

use crate::batch::{batch, in_transaction};
use crate::peer::{Peer, produce, start};
use crate::restart::Scratch;
use klamm_broker::{Broker, Builder, Durability};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use klamm_protocol::message::share_fetch_request::{
    AcknowledgementBatch, FetchPartition, FetchTopic,
};
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Str, Uuid};
use std::time::Duration;

const GROUP: Str = Str::from_static("g");

/// What a fetch got: first and last offset, deliveries.
type Got = Vec<(i64, i64, i16)>;

/// A member of the group that reads partition 0 of `t`.
struct Member {
    peer: Peer,
    id: Str,
    topic: Uuid,
    epoch: i32,
}

impl Member {
    async fn join(broker: &Broker, id: &'static str) -> Self {
        let mut peer = Peer::connect(broker.address()).await;
        let id = Str::from_static(id);
        let request = ShareGroupHeartbeatRequest {
            group_id: GROUP,
            member_id: id.clone(),
            subscribed_topic_names: Some(vec![Str::from_static("t")]),
            ..ShareGroupHeartbeatRequest::default()
        };
        let joined = peer.call(1, &request).await;
        assert_eq!(joined.error_code, 0, "{joined:?}");
        let topic = joined.assignment.unwrap().topic_partitions[0].topic_id;
        Self { peer, id, topic, epoch: 0 }
    }

    fn request(&self, wait_ms: i32, acks: Vec<AcknowledgementBatch>) -> ShareFetchRequest {
        let partition =
            FetchPartition { acknowledgement_batches: acks, ..FetchPartition::default() };
        ShareFetchRequest {
            group_id: Some(GROUP),
            member_id: Some(self.id.clone()),
            share_session_epoch: self.epoch,
            max_wait_ms: wait_ms,
            min_bytes: 1,
            max_bytes: 1 << 20,
            max_records: 2,
            share_acquire_mode: 1,
            topics: vec![FetchTopic { topic_id: self.topic, partitions: vec![partition] }],
            ..ShareFetchRequest::default()
        }
    }

    async fn fetch(&mut self, wait_ms: i32, acks: Vec<AcknowledgementBatch>) -> Got {
        let request = self.request(wait_ms, acks);
        let response = self.peer.call(2, &request).await;
        self.epoch += 1;
        got(&response)
    }

    /// Says something of records without fetching; returns the code for the partition.
    async fn acknowledge(&mut self, first_offset: i64, last_offset: i64, kind: i8) -> i16 {
        use share_acknowledge_request as request;
        let batch = request::AcknowledgementBatch {
            first_offset,
            last_offset,
            acknowledge_types: vec![kind],
        };
        let partition = request::AcknowledgePartition {
            partition_index: 0,
            acknowledgement_batches: vec![batch],
        };
        let request = ShareAcknowledgeRequest {
            group_id: Some(GROUP),
            member_id: Some(self.id.clone()),
            share_session_epoch: self.epoch,
            topics: vec![request::AcknowledgeTopic {
                topic_id: self.topic,
                partitions: vec![partition],
            }],
            ..ShareAcknowledgeRequest::default()
        };
        let response = self.peer.call(2, &request).await;
        assert_eq!(response.error_code, 0);
        self.epoch += 1;
        response.responses[0].partitions[0].error_code
    }

    async fn offset(&mut self) -> i64 {
        let request = DescribeShareGroupOffsetsRequest {
            groups: vec![
                describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup {
                    group_id: GROUP,
                    topics: None,
                },
            ],
        };
        let described = self.peer.call(1, &request).await;
        described.groups[0].topics[0].partitions[0].start_offset
    }
}

fn got(response: &ShareFetchResponse) -> Got {
    assert_eq!(response.error_code, 0);
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let acquired = partitions.flat_map(|partition| {
        assert_eq!((partition.error_code, partition.acknowledge_error_code), (0, 0));
        &partition.acquired_records
    });
    acquired.map(|run| (run.first_offset, run.last_offset, run.delivery_count)).collect()
}

fn ack(first: i64, last: i64, kind: i8) -> Vec<AcknowledgementBatch> {
    let acknowledge_types = vec![kind];
    vec![AcknowledgementBatch { first_offset: first, last_offset: last, acknowledge_types }]
}

/// Sets something for the group.
async fn set(broker: &Broker, name: &'static str, value: &'static str) {
    let mut peer = Peer::connect(broker.address()).await;
    let config = AlterableConfig {
        name: Str::from_static(name),
        value: Some(Str::from_static(value)),
        ..AlterableConfig::default()
    };
    let resource =
        AlterConfigsResource { resource_type: 32, resource_name: GROUP, configs: vec![config] };
    let request =
        IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    assert_eq!(peer.call(1, &request).await.responses[0].error_code, 0);
}

/// Has the group begin at the first record there is.
async fn from_the_start(broker: &Broker) {
    set(broker, "share.auto.offset.reset", "earliest").await;
}

async fn broker() -> Broker {
    let broker = start(Broker::builder().topic("t", 1)).await;
    from_the_start(&broker).await;
    broker
}

#[tokio::test]
async fn two_members_share_a_partition() {
    let broker = broker().await;
    let (mut a, mut b) = (Member::join(&broker, "a").await, Member::join(&broker, "b").await);
    a.peer.produce(0, batch(&["0", "1", "2", "3", "4"])).await;
    assert_eq!(a.fetch(0, vec![]).await, [(0, 1, 1)]);
    assert_eq!(b.fetch(0, vec![]).await, [(2, 3, 1)]);
    assert_eq!(b.fetch(0, ack(2, 3, 1)).await, [(4, 4, 1)]);
    assert_eq!(a.offset().await, 0);
    assert_eq!(a.fetch(0, ack(0, 1, 1)).await, []);
    assert_eq!(a.offset().await, 4);
}

#[tokio::test]
async fn a_fetch_waits_for_records_and_for_what_others_give_back() {
    let broker = broker().await;
    let (mut a, mut b) = (Member::join(&broker, "a").await, Member::join(&broker, "b").await);
    assert_eq!(a.fetch(0, vec![]).await, []);
    let waits = a.request(20_000, vec![]);
    a.peer.send(2, &waits).await;
    b.peer.produce(0, batch(&["0", "1"])).await;
    let (_, response) = a.peer.receive::<ShareFetchRequest>(2).await;
    a.epoch += 1;
    assert_eq!(got(&response), [(0, 1, 1)]);
    assert_eq!(b.fetch(0, vec![]).await, []);
    let waits = b.request(20_000, vec![]);
    b.peer.send(2, &waits).await;
    assert_eq!(a.acknowledge(0, 0, 2).await, 0);
    let (_, response) = b.peer.receive::<ShareFetchRequest>(2).await;
    assert_eq!(got(&response), [(0, 0, 2)]);
}

#[tokio::test]
async fn who_goes_away_gives_everything_back() {
    let broker = broker().await;
    let (mut a, mut b) = (Member::join(&broker, "a").await, Member::join(&broker, "b").await);
    a.peer.produce(0, batch(&["0", "1"])).await;
    assert_eq!(a.fetch(0, vec![]).await, [(0, 1, 1)]);
    drop(a);
    assert_eq!(b.fetch(20_000, vec![]).await, [(0, 1, 2)]);
    let close = ShareAcknowledgeRequest {
        group_id: Some(GROUP),
        member_id: Some(b.id.clone()),
        share_session_epoch: -1,
        ..ShareAcknowledgeRequest::default()
    };
    assert_eq!(b.peer.call(2, &close).await.error_code, 0);
    assert_eq!(b.peer.call(2, &close).await.error_code, ErrorCode::SHARE_SESSION_NOT_FOUND.0);
    let mut c = Member::join(&broker, "c").await;
    assert_eq!(c.fetch(0, vec![]).await, [(0, 1, 3)]);
}

#[tokio::test]
async fn a_restart_takes_records_and_sessions_back() {
    let broker = broker().await;
    let mut a = Member::join(&broker, "a").await;
    a.peer.produce(0, batch(&["0", "1"])).await;
    assert_eq!(a.fetch(0, vec![]).await, [(0, 1, 1)]);
    broker.controls().restart().await.unwrap();
    let mut b = Member::join(&broker, "b").await;
    let again = b.fetch(20_000, vec![]).await;
    assert_eq!(again.iter().map(|&(first, last, _)| (first, last)).collect::<Vec<_>>(), [(0, 1)]);
}

#[tokio::test]
async fn time_takes_records_back() {
    let broker = broker().await;
    let (mut a, mut b) = (Member::join(&broker, "a").await, Member::join(&broker, "b").await);
    a.peer.produce(0, batch(&["0", "1"])).await;
    assert_eq!(a.fetch(0, vec![]).await, [(0, 1, 1)]);
    broker.clock().advance(Duration::from_secs(31));
    assert_eq!(b.fetch(20_000, vec![]).await, [(0, 1, 2)]);
    let late = a.request(0, ack(0, 0, 1));
    let response = a.peer.call(2, &late).await;
    let code = response.responses[0].partitions[0].acknowledge_error_code;
    assert_eq!(code, ErrorCode::INVALID_RECORD_STATE.0);
}

#[tokio::test]
async fn sessions_are_as_their_epochs_say() {
    let broker = broker().await;
    let mut a = Member::join(&broker, "a").await;
    let first_with_acks = a.request(0, ack(0, 0, 1));
    let code = |response: ShareFetchResponse| ErrorCode(response.error_code);
    assert_eq!(code(a.peer.call(2, &first_with_acks).await), ErrorCode::INVALID_REQUEST);
    a.epoch = 1;
    let unknown = a.request(0, vec![]);
    assert_eq!(code(a.peer.call(2, &unknown).await), ErrorCode::SHARE_SESSION_NOT_FOUND);
    a.epoch = 0;
    a.fetch(0, vec![]).await;
    a.epoch = 7;
    let wrong = a.request(0, vec![]);
    assert_eq!(code(a.peer.call(2, &wrong).await), ErrorCode::INVALID_SHARE_SESSION_EPOCH);
    let stranger =
        ShareFetchRequest { group_id: Some(Str::from_static("x")), ..a.request(0, vec![]) };
    assert_eq!(code(a.peer.call(2, &stranger).await), ErrorCode::GROUP_ID_NOT_FOUND);
}

#[tokio::test]
async fn what_was_processed_is_processed_after_a_restart() {
    let scratch = Scratch::new("share");
    let builder = || -> Builder {
        Broker::builder().data(&scratch.0).durability(Durability::Always).topic("t", 1)
    };
    let broker = start(builder()).await;
    from_the_start(&broker).await;
    let mut a = Member::join(&broker, "a").await;
    a.peer.produce(0, batch(&["0", "1", "2", "3"])).await;
    assert_eq!(a.fetch(0, vec![]).await, [(0, 1, 1)]);
    assert_eq!(a.fetch(0, ack(1, 1, 1)).await, [(2, 3, 1)]);
    a.fetch(0, ack(3, 3, 2)).await;
    drop(a);
    broker.stop().await.unwrap();
    let broker = start(builder()).await;
    let mut b = Member::join(&broker, "b").await;
    assert_eq!(b.offset().await, 0);
    assert_eq!(b.fetch(0, vec![]).await.len(), 2);
    let rest = b.fetch(0, vec![]).await;
    assert!(rest.iter().all(|run| run.0 == 3), "{rest:?}");
    assert_eq!(b.fetch(0, ack(0, 0, 1)).await, []);
    assert_eq!(b.offset().await, 2);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn offsets_of_a_group_are_set_only_while_it_has_no_members() {
    use alter_share_group_offsets_request as alter;
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    peer.produce(0, batch(&["0", "1", "2", "3"])).await;
    let partition =
        alter::AlterShareGroupOffsetsRequestPartition { partition_index: 0, start_offset: 3 };
    let topic = alter::AlterShareGroupOffsetsRequestTopic {
        topic_name: Str::from_static("t"),
        partitions: vec![partition],
    };
    let request = AlterShareGroupOffsetsRequest { group_id: GROUP, topics: vec![topic] };
    let altered = peer.call(0, &request).await;
    assert_eq!((altered.error_code, altered.responses[0].partitions[0].error_code), (0, 0));
    let mut a = Member::join(&broker, "a").await;
    assert_eq!(a.offset().await, 3);
    assert_eq!(a.fetch(0, vec![]).await, [(3, 3, 1)]);
    let busy = ErrorCode::NON_EMPTY_GROUP.0;
    assert_eq!(peer.call(0, &request).await.error_code, busy);
    let delete = DeleteGroupsRequest { groups_names: vec![GROUP] };
    assert_eq!(peer.call(2, &delete).await.results[0].error_code, busy);
    let leave = ShareGroupHeartbeatRequest {
        group_id: GROUP,
        member_id: a.id.clone(),
        member_epoch: -1,
        ..ShareGroupHeartbeatRequest::default()
    };
    assert_eq!(a.peer.call(1, &leave).await.error_code, 0);
    assert_eq!(peer.call(2, &delete).await.results[0].error_code, 0);
    let mut b = Member::join(&broker, "b").await;
    assert_eq!(b.fetch(0, vec![]).await, [(0, 1, 1)], "the deleted group has left nothing");
}

/// Writes one record in a transaction of its own; returns the producer as it is after the end.
async fn transaction(
    peer: &mut Peer,
    producer: (i64, i16),
    end: bool,
    committed: bool,
) -> (i64, i16) {
    let transactional_id = Str::from_static("id");
    let mut request = produce(0, in_transaction(producer, "x"), -1);
    request.transactional_id = Some(transactional_id.clone());
    let written = peer.call(12, &request).await;
    assert_eq!(written.responses[0].partition_responses[0].error_code, 0);
    if !end {
        return producer;
    }
    let (producer_id, producer_epoch) = producer;
    let request = EndTxnRequest { transactional_id, producer_id, producer_epoch, committed };
    let ended = peer.call(5, &request).await;
    assert_eq!(ended.error_code, 0);
    (ended.producer_id, ended.producer_epoch)
}

#[tokio::test]
async fn a_group_that_wants_committed_records_gets_no_others() {
    let broker = broker().await;
    set(&broker, "share.isolation.level", "read_committed").await;
    let mut a = Member::join(&broker, "a").await;
    let init = InitProducerIdRequest {
        transactional_id: Some(Str::from_static("id")),
        transaction_timeout_ms: 60_000,
        ..InitProducerIdRequest::default()
    };
    let given = a.peer.call(4, &init).await;
    let producer = (given.producer_id, given.producer_epoch);
    // Offset 0 is aborted, 1 says so; 2 is not decided.
    let producer = transaction(&mut a.peer, producer, true, false).await;
    let producer = transaction(&mut a.peer, producer, false, false).await;
    assert_eq!(a.fetch(0, vec![]).await, []);
    let end = EndTxnRequest {
        transactional_id: Str::from_static("id"),
        producer_id: producer.0,
        producer_epoch: producer.1,
        committed: true,
    };
    assert_eq!(a.peer.call(5, &end).await.error_code, 0);
    assert_eq!(a.fetch(20_000, vec![]).await, [(2, 3, 1)], "with the marker, which clients skip");
    assert_eq!(a.offset().await, 2);
}

#[tokio::test]
async fn records_that_retention_took_are_waited_for_by_nobody() {
    use klamm_protocol::message::delete_records_request as delete;
    let broker = broker().await;
    let mut a = Member::join(&broker, "a").await;
    for _ in 0..3 {
        a.peer.produce(0, batch(&["x"])).await;
    }
    assert_eq!(a.fetch(0, vec![]).await, [(0, 1, 1)]);
    let partition = delete::DeleteRecordsPartition { partition_index: 0, offset: 2 };
    let topic =
        delete::DeleteRecordsTopic { name: Str::from_static("t"), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 5_000 };
    assert_eq!(a.peer.call(1, &request).await.topics[0].partitions[0].error_code, 0);
    assert_eq!(a.fetch(0, vec![]).await, [(2, 2, 1)]);
    assert_eq!(a.acknowledge(0, 1, 1).await, 0, "whoever had them may say so");
    assert_eq!(a.offset().await, 2);
}
