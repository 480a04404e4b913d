//! The topics that belong to Kafka itself.

use crate::batch::batch;
use crate::peer::{Peer, produce, start};
use klamm_broker::{Broker, BrokerConfig};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_configs_request::DescribeConfigsResource;
use klamm_protocol::message::{DescribeConfigsRequest, FindCoordinatorRequest, MetadataRequest};
use klamm_protocol::primitives::Str;

/// Every topic there is: its name, whether it is internal, its partitions.
async fn topics(peer: &mut Peer) -> Vec<(String, bool, usize)> {
    let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let topics = peer.call(12, &everything).await.topics.into_iter();
    let name = |name: Option<Str>| name.unwrap_or_default().as_str().to_owned();
    topics.map(|t| (name(t.name), t.is_internal, t.partitions.len())).collect()
}

async fn find(peer: &mut Peer, key_type: i8) -> i16 {
    let request = FindCoordinatorRequest {
        key_type,
        coordinator_keys: vec![Str::from_static("k")],
        ..FindCoordinatorRequest::default()
    };
    peer.call(4, &request).await.coordinators[0].error_code
}

#[tokio::test]
async fn they_are_made_when_a_coordinator_is_first_asked_for() {
    let mut config = BrokerConfig::default();
    config.set("transaction.state.log.num.partitions", "7").unwrap();
    let broker = start(Broker::builder().topic("t", 2).config(config)).await;
    let mut peer = Peer::connect(broker.address()).await;
    let t = ("t".to_owned(), false, 2);
    assert_eq!(topics(&mut peer).await, std::slice::from_ref(&t));
    let offsets = ("__consumer_offsets".to_owned(), true, 50);
    for _ in 0..2 {
        assert_eq!(find(&mut peer, 0).await, 0);
        assert_eq!(topics(&mut peer).await, [offsets.clone(), t.clone()]);
    }
    assert_eq!(find(&mut peer, 1).await, 0);
    let transactions = ("__transaction_state".to_owned(), true, 7);
    assert_eq!(topics(&mut peer).await, [offsets, transactions, t]);
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: Str::from_static("__consumer_offsets"),
        configuration_keys: Some(vec![Str::from_static("cleanup.policy")]),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let described = peer.call(4, &request).await;
    assert_eq!(described.results[0].configs[0].value.as_deref(), Some("compact"));
}

#[tokio::test]
async fn clients_do_not_write_to_them() {
    let broker = start(Broker::builder().topic("t", 2)).await;
    let mut peer = Peer::connect(broker.address()).await;
    find(&mut peer, 0).await;
    let mut request = produce(0, batch(&["x"]), -1);
    request.topic_data[0].name = Str::from_static("__consumer_offsets");
    let answer = peer.call(9, &request).await;
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::INVALID_TOPIC_EXCEPTION.0);
    assert_eq!(peer.produce(0, batch(&["x"])).await.error_code, 0);
}
