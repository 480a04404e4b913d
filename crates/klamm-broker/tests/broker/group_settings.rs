//! Settings of KIP-848 groups, of the broker and of one group.

use crate::peer::{Peer, start};
use klamm_broker::{Broker, BrokerConfig};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use klamm_protocol::message::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    IncrementalAlterConfigsRequest,
};
use klamm_protocol::primitives::Str;
use std::time::Duration;

/// Kafka's number for groups among the resources that have settings.
const GROUP: i8 = 32;

async fn broker(settings: &[(&str, &str)]) -> (Broker, Peer) {
    let mut config = BrokerConfig::default();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    let broker = start(Broker::builder().topic("t", 1).config(config)).await;
    let peer = Peer::connect(broker.address()).await;
    (broker, peer)
}

async fn heartbeat(peer: &mut Peer, epoch: i32) -> ConsumerGroupHeartbeatResponse {
    let joins = epoch == 0;
    let request = ConsumerGroupHeartbeatRequest {
        group_id: Str::from_static("g"),
        member_id: Str::from_static("m"),
        member_epoch: epoch,
        rebalance_timeout_ms: if joins { 60_000 } else { -1 },
        subscribed_topic_names: joins.then(|| vec![Str::from_static("t")]),
        topic_partitions: joins.then(Vec::new),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    peer.call(1, &request).await
}

/// Sets something for the group; returns the code of the answer.
async fn set(peer: &mut Peer, name: &'static str, value: &'static str) -> ErrorCode {
    let config = AlterableConfig {
        name: Str::from_static(name),
        value: Some(Str::from_static(value)),
        ..AlterableConfig::default()
    };
    let resource = AlterConfigsResource {
        resource_type: GROUP,
        resource_name: Str::from_static("g"),
        configs: vec![config],
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![resource],
        ..IncrementalAlterConfigsRequest::default()
    };
    ErrorCode(peer.call(1, &request).await.responses[0].error_code)
}

#[tokio::test]
async fn a_group_has_times_of_its_own_within_those_of_the_broker() {
    let settings = [
        ("group.consumer.heartbeat.interval.ms", "4000"),
        ("group.consumer.min.heartbeat.interval.ms", "1000"),
        ("group.consumer.min.session.timeout.ms", "9000"),
    ];
    let (broker, mut peer) = broker(&settings).await;
    assert_eq!(heartbeat(&mut peer, 0).await.heartbeat_interval_ms, 4000, "the broker's");
    let session = "consumer.session.timeout.ms";
    assert_eq!(set(&mut peer, session, "8999").await, ErrorCode::INVALID_CONFIG);
    assert_eq!(set(&mut peer, session, "9000").await, ErrorCode::NONE);
    assert_eq!(set(&mut peer, "consumer.heartbeat.interval.ms", "1000").await, ErrorCode::NONE);
    let answer = heartbeat(&mut peer, 1).await;
    assert_eq!((answer.error_code, answer.heartbeat_interval_ms), (0, 1000));
    broker.clock().advance(Duration::from_millis(8_000));
    assert_eq!(heartbeat(&mut peer, 1).await.error_code, 0, "still in its session");
    broker.clock().advance(Duration::from_millis(9_500));
    let late = ErrorCode(heartbeat(&mut peer, 1).await.error_code);
    assert_eq!(late, ErrorCode::UNKNOWN_MEMBER_ID, "45 seconds have not passed, 9 have");
}

#[tokio::test]
async fn a_broker_says_how_large_groups_are_and_how_they_assign() {
    let settings = [("group.consumer.max.size", "1"), ("group.consumer.assignors", "range")];
    let (_broker, mut peer) = broker(&settings).await;
    assert_eq!(heartbeat(&mut peer, 0).await.error_code, 0);
    let other = ConsumerGroupHeartbeatRequest {
        group_id: Str::from_static("g"),
        member_id: Str::from_static("n"),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec![Str::from_static("t")]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    let full = ErrorCode(peer.call(1, &other).await.error_code);
    assert_eq!(full, ErrorCode::GROUP_MAX_SIZE_REACHED);
    let uniform = Some(Str::from_static("uniform"));
    let other = ConsumerGroupHeartbeatRequest { server_assignor: uniform, ..other };
    let answer = peer.call(1, &other).await;
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::UNSUPPORTED_ASSIGNOR);
    assert_eq!(answer.error_message.as_deref(), Some("no assignor uniform: there are range"));
    let group_ids = vec![Str::from_static("g")];
    let request = ConsumerGroupDescribeRequest { group_ids, ..Default::default() };
    let described = peer.call(1, &request).await;
    assert_eq!(described.groups[0].assignor_name.as_str(), "range");
}
