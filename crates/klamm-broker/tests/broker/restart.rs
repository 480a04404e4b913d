//! A broker with a directory, ended and started again.

use crate::batch::{batch, from_producer, records};
use crate::peer::{Peer, fetch, start};
use klamm_broker::{Broker, Builder, Durability};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::message::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use klamm_protocol::message::{
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest,
};
use klamm_protocol::primitives::Str;
use std::path::{Path, PathBuf};

/// A directory that goes with the test.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("klamm-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        Self(dir)
    }

    fn builder(&self) -> Builder {
        Broker::builder().data(&self.0).durability(Durability::Always).topic("t", 2)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[tokio::test]
async fn records_topics_and_the_cluster_are_the_same_after_a_restart() {
    let scratch = Scratch::new("restart");
    let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let mut before = None;
    for round in 0..3 {
        let broker = start(scratch.builder()).await;
        let mut peer = Peer::connect(broker.address()).await;
        let metadata = peer.call(12, &everything).await;
        let identity = (metadata.cluster_id.clone(), metadata.topics[0].topic_id);
        assert_eq!(*before.get_or_insert_with(|| identity.clone()), identity);
        assert_eq!(peer.produce(0, batch(&["x"])).await.base_offset, round);
        assert_eq!(records(peer.read_all(0).await).len() as i64, round + 1);
        drop(peer);
        broker.stop().await.unwrap();
    }
}

async fn producer_id(peer: &mut Peer) -> i64 {
    let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    let response = peer.call(1, &request).await;
    assert_eq!(response.error_code, 0);
    response.producer_id
}

#[tokio::test]
async fn a_retry_after_a_restart_is_recognised() {
    let scratch = Scratch::new("window");
    let broker = start(scratch.builder()).await;
    let mut peer = Peer::connect(broker.address()).await;
    let id = producer_id(&mut peer).await;
    for n in 0..5 {
        assert_eq!(peer.produce(0, from_producer(id, n, &["x"])).await.base_offset, i64::from(n));
    }
    broker.stop().await.unwrap();
    let broker = start(scratch.builder()).await;
    let mut peer = Peer::connect(broker.address()).await;
    for n in 0..5 {
        let again = peer.produce(0, from_producer(id, n, &["x"])).await;
        assert_eq!((again.error_code, again.base_offset), (0, i64::from(n)), "the original offset");
    }
    let gap = peer.produce(0, from_producer(id, 6, &["x"])).await;
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0);
    let next = producer_id(&mut peer).await;
    assert!(next > id, "ids are never given out twice");
    assert_eq!(records(peer.read_all(0).await).len(), 5);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let scratch = Scratch::new("lock");
    let broker = start(scratch.builder()).await;
    let second = scratch.builder().start().await.unwrap_err();
    assert!(second.to_string().contains("in use by another process"), "{second}");
    broker.stop().await.unwrap();
    start(scratch.builder()).await.stop().await.unwrap();
    let newer = scratch.0.join("klamm.format");
    std::fs::write(newer, "2\n").unwrap();
    let refused = scratch.builder().start().await.unwrap_err();
    assert!(refused.to_string().contains("format 2"), "{refused}");
}

/// What a crash of the process would leave of a directory: all that was written, and no mark of an end.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

async fn listed(peer: &mut Peer, timestamp: i64, current_leader_epoch: i32) -> (i64, i32) {
    let partitions = vec![ListOffsetsPartition {
        timestamp,
        current_leader_epoch,
        ..ListOffsetsPartition::default()
    }];
    let topics = vec![ListOffsetsTopic { name: Str::from_static("t"), partitions }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    let response = peer.call(7, &request).await;
    let found = &response.topics[0].partitions[0];
    assert_eq!(found.error_code, 0);
    (found.offset, found.leader_epoch)
}

async fn end_of(peer: &mut Peer, epochs: (i32, i32)) -> (i16, i32, i64) {
    let (current_leader_epoch, leader_epoch) = epochs;
    let asked = OffsetForLeaderPartition { partition: 0, current_leader_epoch, leader_epoch };
    let topics =
        vec![OffsetForLeaderTopic { topic: Str::from_static("t"), partitions: vec![asked] }];
    let request = OffsetForLeaderEpochRequest { replica_id: -1, topics };
    let response = peer.call(4, &request).await;
    let found = &response.topics[0].partitions[0];
    (found.error_code, found.leader_epoch, found.end_offset)
}

#[tokio::test]
async fn all_answers_agree_on_the_epoch_that_a_crash_begins() {
    let (scratch, crashed) = (Scratch::new("epoch"), Scratch::new("epoch-crashed"));
    let broker = start(scratch.builder()).await;
    let mut peer = Peer::connect(broker.address()).await;
    assert_eq!(peer.produce(0, batch(&["x", "y"])).await.base_offset, 0);
    copy(&scratch.0, &crashed.0);
    broker.stop().await.unwrap();
    let broker = start(crashed.builder()).await;
    let mut peer = Peer::connect(broker.address()).await;
    let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let metadata = peer.call(12, &everything).await;
    assert_eq!(metadata.topics[0].partitions[0].leader_epoch, 1);
    // The records are of the epoch before, and the end is of this one.
    assert_eq!(listed(&mut peer, 0, 1).await, (0, 0));
    assert_eq!(listed(&mut peer, -2, 1).await, (0, 0));
    assert_eq!(listed(&mut peer, -1, 1).await, (2, 1));
    assert_eq!(end_of(&mut peer, (1, 0)).await, (0, 0, 2));
    assert_eq!(end_of(&mut peer, (1, 1)).await, (0, 1, 2));
    assert_eq!(end_of(&mut peer, (0, 0)).await.0, ErrorCode::FENCED_LEADER_EPOCH.0);
    assert_eq!(end_of(&mut peer, (2, 0)).await.0, ErrorCode::UNKNOWN_LEADER_EPOCH.0);
    for (current, last, code) in [
        (0, -1, ErrorCode::FENCED_LEADER_EPOCH),
        (2, -1, ErrorCode::UNKNOWN_LEADER_EPOCH),
        (1, 2, ErrorCode::OFFSET_OUT_OF_RANGE),
        (1, 0, ErrorCode::NONE),
    ] {
        let mut request = fetch(0, 2, 0);
        let partition = &mut request.topics[0].partitions[0];
        (partition.current_leader_epoch, partition.last_fetched_epoch) = (current, last);
        let response = peer.call(12, &request).await;
        let found = &response.responses[0].partitions[0];
        assert_eq!(ErrorCode(found.error_code), code, "{current}, {last}");
    }
    // What is written now is of the new epoch.
    assert_eq!(peer.produce(0, batch(&["z"])).await.base_offset, 2);
    assert_eq!(end_of(&mut peer, (1, 0)).await, (0, 0, 2));
    assert_eq!(end_of(&mut peer, (1, 1)).await, (0, 1, 3));
    broker.stop().await.unwrap();
}
