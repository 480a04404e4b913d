//! Markers that come as requests, and transactions by the names of their ids.

use crate::batch::in_transaction;
use crate::peer::{Peer, broker, produce};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use klamm_protocol::message::{
    InitProducerIdRequest, ListTransactionsRequest, WriteTxnMarkersRequest,
};
use klamm_protocol::primitives::Str;

async fn init(peer: &mut Peer, id: &str) -> (i64, i16) {
    let request = InitProducerIdRequest {
        transactional_id: Some(Str::from(id)),
        transaction_timeout_ms: 60_000,
        ..InitProducerIdRequest::default()
    };
    let given = peer.call(4, &request).await;
    assert_eq!(given.error_code, 0);
    (given.producer_id, given.producer_epoch)
}

async fn mark(peer: &mut Peer, producer: (i64, i16), transaction_version: i8) -> ErrorCode {
    let name = Str::from_static("t");
    let marker = WritableTxnMarker {
        producer_id: producer.0,
        producer_epoch: producer.1,
        topics: vec![WritableTxnMarkerTopic { name, partition_indexes: vec![0] }],
        transaction_version,
        ..WritableTxnMarker::default()
    };
    let version = if transaction_version == 0 { 1 } else { 2 };
    let response = peer.call(version, &WriteTxnMarkersRequest { markers: vec![marker] }).await;
    ErrorCode(response.markers[0].topics[0].partitions[0].error_code)
}

#[tokio::test]
async fn a_marker_of_the_second_protocol_needs_a_higher_epoch() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    let (id, epoch) = init(&mut peer, "id").await;
    let mut request = produce(0, in_transaction((id, epoch), "x"), -1);
    request.transactional_id = Some(Str::from_static("id"));
    let written = peer.call(12, &request).await;
    assert_eq!(written.responses[0].partition_responses[0].error_code, 0);
    let stale = ErrorCode::INVALID_PRODUCER_EPOCH;
    assert_eq!(mark(&mut peer, (id, epoch), 2).await, stale);
    assert_eq!(mark(&mut peer, (id, epoch + 1), 2).await, ErrorCode::NONE);
    assert_eq!(mark(&mut peer, (id, epoch + 1), 2).await, ErrorCode::NONE, "the same again");
    assert_eq!(mark(&mut peer, (id, epoch), 2).await, stale);
    // Of the first protocol, and of those that do not say.
    assert_eq!(mark(&mut peer, (id, epoch + 1), 1).await, ErrorCode::NONE);
    assert_eq!(mark(&mut peer, (id, epoch + 1), 0).await, ErrorCode::NONE);
}

async fn listed(peer: &mut Peer, pattern: Option<&str>) -> Result<Vec<String>, ErrorCode> {
    let transactional_id_pattern = pattern.map(Str::from);
    let request = ListTransactionsRequest {
        transactional_id_pattern,
        duration_filter: -1,
        ..ListTransactionsRequest::default()
    };
    let response = peer.call(2, &request).await;
    ErrorCode(response.error_code).check()?;
    let ids = response.transaction_states.into_iter();
    Ok(ids.map(|state| state.transactional_id.as_str().to_owned()).collect())
}

#[tokio::test]
async fn transactions_are_listed_by_a_pattern_that_the_whole_id_matches() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    for id in ["orders-1", "orders-22", "payments"] {
        init(&mut peer, id).await;
    }
    for (pattern, ids) in [
        (None, &["orders-1", "orders-22", "payments"][..]),
        (Some(""), &["orders-1", "orders-22", "payments"]),
        (Some(r"orders-\d"), &["orders-1"]),
        (Some("orders"), &[]),
        (Some(".*s|orders.*"), &["orders-1", "orders-22", "payments"]),
    ] {
        assert_eq!(listed(&mut peer, pattern).await.unwrap(), ids, "{pattern:?}");
    }
    let refused = listed(&mut peer, Some("(")).await;
    assert_eq!(refused, Err(ErrorCode::INVALID_REGULAR_EXPRESSION));
}
