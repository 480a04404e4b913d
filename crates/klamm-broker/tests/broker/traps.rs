//! What has broken brokers that were written from the protocol's schemas alone: each is a client that exists.

use crate::batch::{batch, records};
use crate::peer::{Peer, broker, fetch, produce};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::header::encode_request;
use klamm_protocol::message::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, MetadataRequest, ProduceRequest,
};
use klamm_protocol::primitives::{Encoder, Str};

async fn versions(peer: &mut Peer) -> ApiVersionsResponse {
    let request = ApiVersionsRequest {
        client_software_name: Str::from_static("test"),
        client_software_version: Str::from_static("1"),
        ..ApiVersionsRequest::default()
    };
    peer.call(3, &request).await
}

/// librdkafka before 2.11.1 sends everything uncompressed when Produce does not start at 0.
#[tokio::test]
async fn produce_is_offered_from_zero_and_answered_from_three() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    let offered = versions(&mut peer).await;
    let produce_range = offered.api_keys.iter().find(|api| api.api_key == 0).unwrap();
    assert_eq!((produce_range.min_version, produce_range.max_version), (0, 13));
    let mut old = Encoder::for_frame();
    old.put_i16(ApiKey::Produce as i16);
    old.put_i16(2);
    old.put_i32(1);
    old.put_str(Some("old"), false).unwrap();
    peer.send_raw(&old.into_frame().unwrap().parts().concat()).await;
    assert!(peer.frame().await.is_none(), "a version that is not answered ends the connection");
}

/// librdkafka before 2.11 looks for exact versions before it uses a feature.
#[tokio::test]
async fn exact_versions_of_old_clients_are_kept() {
    let broker = broker().await;
    let offered = versions(&mut Peer::connect(broker.address()).await).await;
    let wanted = [(0, 7), (1, 4), (1, 10), (2, 1), (3, 0), (18, 0), (22, 0)];
    for (key, version) in wanted {
        let api = offered.api_keys.iter().find(|api| api.api_key == key).unwrap();
        assert!((api.min_version..=api.max_version).contains(&version), "{key} v{version}");
    }
}

/// A telemetry API that is offered is used, by librdkafka and franz-go, and fills their logs.
#[tokio::test]
async fn telemetry_is_not_offered() {
    let broker = broker().await;
    let offered = versions(&mut Peer::connect(broker.address()).await).await;
    assert!(offered.api_keys.iter().all(|api| !matches!(api.api_key, 71 | 72)));
}

/// Clients step down by what the answer to a version nobody knows says, in the layout of version 0.
#[tokio::test]
async fn unknown_version_of_api_versions_is_answered_in_version_zero() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    let mut newer = Encoder::for_frame();
    newer.put_i16(ApiKey::ApiVersions as i16);
    newer.put_i16(99);
    newer.put_i32(7);
    newer.put_str(Some("newer"), false).unwrap();
    newer.put_slice(&[0, 9, 9, 9]);
    peer.send_raw(&newer.into_frame().unwrap().parts().concat()).await;
    let (id, answer) = peer.receive::<ApiVersionsRequest>(0).await;
    assert_eq!((id, answer.error_code), (7, ErrorCode::UNSUPPORTED_VERSION.0));
    assert_eq!((answer.api_keys.len(), answer.api_keys[0].api_key), (1, 18));
    // And the connection goes on.
    assert_eq!(versions(&mut peer).await.error_code, 0);
}

/// librdkafka takes null records for a message set of size -1, and stops.
#[tokio::test]
async fn a_fetch_without_records_has_none_and_not_null() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    for version in [4, 11] {
        let response = peer.call(version, &fetch(0, 0, 0)).await;
        let data = &response.responses[0].partitions[0];
        assert!(data.records.as_ref().is_some_and(|records| records.is_empty()));
    }
}

/// A consumer seeks to an offset, not to the start of whatever batch holds it.
#[tokio::test]
async fn a_fetch_from_inside_a_batch_returns_the_whole_batch() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    peer.produce(0, batch(&["a", "b", "c"])).await;
    peer.produce(0, batch(&["d"])).await;
    let read = records(peer.fetch(0, 1).await);
    let offsets: Vec<i64> = read.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3]);
}

/// Acks of none have no answer, and the answers behind them must not wait for one.
#[tokio::test]
async fn acks_of_none_do_not_stall_the_pipeline() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    let mut wanted = Vec::new();
    for _ in 0..20 {
        peer.send(9, &produce(0, batch(&["x"]), 0)).await;
        wanted.push(peer.send(9, &produce(1, batch(&["y"]), 1)).await);
    }
    for id in wanted {
        assert_eq!(peer.receive::<ProduceRequest>(9).await.0, id);
    }
    assert_eq!(records(peer.fetch(0, 0).await).len(), 20);
}

/// A long poll waits; what was asked behind it on the same connection is done, and answered after it.
#[tokio::test]
async fn answers_keep_the_order_of_requests_over_a_long_poll() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    let poll = peer.send(11, &fetch(0, 0, 10_000)).await;
    let write = peer.send(9, &produce(0, batch(&["x"]), 1)).await;
    let (first, data) = peer.receive::<FetchRequest>(11).await;
    assert_eq!(first, poll);
    let records = data.responses[0].partitions[0].records.clone().unwrap();
    assert!(!records.is_empty(), "woken by the record behind it");
    assert_eq!(peer.receive::<ProduceRequest>(9).await.0, write);
}

/// An empty list asks for all topics in version 0 and for none in later ones.
#[tokio::test]
async fn metadata_of_no_topics_depends_on_the_version() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    let none = MetadataRequest { topics: Some(Vec::new()), ..MetadataRequest::default() };
    assert_eq!(peer.call(0, &none).await.topics.len(), 1);
    assert_eq!(peer.call(1, &none).await.topics.len(), 0);
    let all = MetadataRequest { topics: None, ..MetadataRequest::default() };
    assert_eq!(peer.call(9, &all).await.topics.len(), 1);
}

/// librdkafka puts three bytes behind the Metadata request of its `list_topics`.
#[tokio::test]
async fn bytes_behind_a_request_are_let_be() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let frame = encode_request(&request, 9, 5, "test").unwrap().parts().concat();
    let longer = [&frame[..], &[0, 0, 0]].concat();
    let size = u32::try_from(longer.len() - 4).unwrap().to_be_bytes();
    peer.send_raw(&[&size[..], &longer[4..]].concat()).await;
    let (id, response) = peer.receive::<MetadataRequest>(9).await;
    assert_eq!((id, response.topics.len()), (5, 1));
}
