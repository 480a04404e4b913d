//! Topics that are made by asking for them: the first answer says that there is none, one of some milliseconds later
//! describes it.

use crate::peer::{Peer, start};
use klamm_broker::{Broker, BrokerConfig, Builder, ErrorCode, Release};
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::{DeleteTopicsRequest, MetadataRequest};
use klamm_protocol::primitives::Str;
use std::time::Duration;

const UNKNOWN: ErrorCode = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;

/// Asks for a topic; gives the code and how many partitions it has.
async fn ask(peer: &mut Peer, version: i16, name: &'static str, make: bool) -> (ErrorCode, usize) {
    let topic = MetadataRequestTopic { name: Some(Str::from_static(name)), ..Default::default() };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: make,
        ..MetadataRequest::default()
    };
    let answer = peer.call(version, &request).await;
    let [topic] = &answer.topics[..] else { panic!("{answer:?}") };
    (ErrorCode(topic.error_code), topic.partitions.len())
}

/// Less than a topic takes to come to whoever asked for it; twice of it is more.
const NOT_YET: Duration = Duration::from_millis(20);

async fn broker(builder: Builder) -> (Broker, Peer) {
    let broker = start(builder.without_sockets()).await;
    let peer = Peer::in_process(&broker).await;
    (broker, peer)
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_made_by_asking_shows_a_moment_later() {
    let mut config = BrokerConfig::default();
    config.num_partitions = 3;
    let (broker, mut peer) = broker(Broker::builder().config(config)).await;
    // Before version 4 whoever asks makes.
    for (version, name) in [(13, "a"), (4, "b"), (1, "c"), (0, "d")] {
        assert_eq!(ask(&mut peer, version, name, true).await, (UNKNOWN, 0), "{version}");
        tokio::time::sleep(NOT_YET).await;
        assert_eq!(ask(&mut peer, version, name, true).await, (UNKNOWN, 0), "{version}");
        let mut other = Peer::in_process(&broker).await;
        assert_eq!(ask(&mut other, version, name, true).await, (ErrorCode::NONE, 3), "{version}");
        tokio::time::sleep(NOT_YET).await;
        assert_eq!(ask(&mut peer, version, name, true).await, (ErrorCode::NONE, 3), "{version}");
    }
    for _ in 0..2 {
        assert_eq!(ask(&mut peer, 9, "e", false).await, (UNKNOWN, 0), "nobody makes it");
        let invalid = ErrorCode::INVALID_TOPIC_EXCEPTION;
        assert_eq!(ask(&mut peer, 9, "no/name", true).await, (invalid, 0));
        tokio::time::sleep(2 * NOT_YET).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_deleted_is_not_there_when_it_is_asked_for() {
    let (_broker, mut peer) = broker(Broker::builder().topic("t", 2)).await;
    let topic_names = vec![Str::from_static("t")];
    let request = DeleteTopicsRequest { topic_names, ..DeleteTopicsRequest::default() };
    assert_eq!(peer.call(4, &request).await.responses[0].error_code, 0);
    assert_eq!(ask(&mut peer, 6, "t", true).await, (UNKNOWN, 0));
    tokio::time::sleep(2 * NOT_YET).await;
    assert_eq!(ask(&mut peer, 6, "t", true).await, (ErrorCode::NONE, 1), "another one");
}

#[tokio::test(start_paused = true)]
async fn the_old_release_says_that_it_comes_to_be() {
    let (_broker, mut peer) = broker(Broker::builder().release(Release::V2_8)).await;
    let coming = ErrorCode::LEADER_NOT_AVAILABLE;
    assert_eq!(ask(&mut peer, 9, "t", true).await, (coming, 0));
    tokio::time::sleep(2 * NOT_YET).await;
    assert_eq!(ask(&mut peer, 9, "t", true).await, (ErrorCode::NONE, 1));
}
