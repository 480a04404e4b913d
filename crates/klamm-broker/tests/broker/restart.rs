//! A broker with a directory, ended and started again.

use crate::batch::{batch, from_producer, records};
use crate::peer::{Peer, start};
use klamm_broker::{Broker, Builder, Durability};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{InitProducerIdRequest, MetadataRequest};
use std::path::PathBuf;

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
