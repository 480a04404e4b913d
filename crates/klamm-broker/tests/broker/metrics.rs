//! The page of metrics of a broker at work.

use crate::batch::batch;
use crate::exposition::Exposition;
use crate::peer::{Peer, fetch, produce, start};
use klamm_broker::{Admin, Broker, Rule, SaslSettings};
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::{
    MetadataRequest, OffsetCommitRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use klamm_protocol::primitives::Str;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the broker's admin address answers to Prometheus.
pub(crate) async fn scrape(broker: &Broker) -> Exposition {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let admin = Admin::start(any, broker.controls().clone()).await.unwrap();
    let mut stream = TcpStream::connect(admin.address()).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    Exposition::parse(page)
}

async fn commit(peer: &mut Peer, group: &str, partition_index: i32, committed_offset: i64) {
    let partition = OffsetCommitRequestPartition {
        partition_index,
        committed_offset,
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: Str::from_static("t"),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: Str::from(group.to_owned()),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    assert_eq!(peer.call(8, &request).await.topics[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn requests_are_counted_by_what_became_of_them() {
    let broker = start(Broker::builder().topic("t", 2).nodes(2)).await;
    let mut peer = Peer::connect(broker.address()).await;
    peer.call(9, &produce(0, batch(&["a", "b"]), -1)).await;
    peer.send(9, &produce(0, batch(&["c"]), 0)).await;
    let refused = peer.call(9, &produce(7, batch(&["d"]), -1)).await;
    assert_eq!(refused.responses[0].partition_responses[0].error_code, 3);
    peer.call(11, &fetch(0, 0, 0)).await;
    peer.call(11, &fetch(0, 3, 60)).await;
    let mut waits = Peer::connect(broker.address()).await;
    waits.send(11, &fetch(0, 3, 60_000)).await;
    while scrape(&broker).await.value("klamm_broker_requests_in_flight", &[("api", "Fetch")])
        != Some(1.0)
    {
        tokio::task::yield_now().await;
    }
    let page = scrape(&broker).await;
    let requests = |api: &str, outcome: &str| {
        page.value("klamm_broker_requests_total", &[("api", api), ("outcome", outcome)])
    };
    assert_eq!(requests("Produce", "NONE"), Some(1.0));
    assert_eq!(requests("Produce", "unanswered"), Some(1.0));
    assert_eq!(requests("Produce", "UNKNOWN_TOPIC_OR_PARTITION"), Some(1.0));
    assert_eq!(requests("Fetch", "NONE"), Some(2.0));
    assert_eq!(requests("Metadata", "NONE"), None, "nobody asked");
    let held =
        page.value("klamm_broker_request_hold_duration_seconds_sum", &[("api", "Fetch")]).unwrap();
    assert!(held >= 0.06, "{held}");
    let took = "klamm_broker_request_duration_seconds_count";
    assert_eq!(page.value(took, &[("api", "Produce")]), Some(3.0));
    let bytes = page.value("klamm_broker_response_bytes_total", &[("api", "Fetch")]).unwrap();
    assert!(bytes > 150.0, "{bytes}");
}

#[tokio::test]
async fn topics_partitions_and_groups_are_told() {
    let broker = start(Broker::builder().topic("t", 2).topic("u", 1)).await;
    let mut peer = Peer::connect(broker.address()).await;
    peer.call(9, &produce(0, batch(&["a", "b", "c"]), -1)).await;
    peer.call(9, &produce(1, batch(&["d"]), -1)).await;
    let read = peer.fetch(0, 0).await.len() as f64;
    let group = "odd \"name\"\\\n";
    commit(&mut peer, group, 0, 1).await;
    commit(&mut peer, group, 1, 1).await;
    let page = scrape(&broker).await;
    let t = ("topic", "t");
    assert_eq!(page.value("klamm_broker_topics", &[]), Some(2.0));
    assert_eq!(page.value("klamm_broker_partitions", &[]), Some(3.0));
    assert_eq!(page.value("klamm_broker_topic_received_records_total", &[t]), Some(4.0));
    assert_eq!(page.value("klamm_broker_topic_sent_bytes_total", &[t]), Some(read));
    let partition = [t, ("partition", "0")];
    assert_eq!(page.value("klamm_broker_partition_log_end_offset", &partition), Some(3.0));
    assert_eq!(page.value("klamm_broker_partition_last_stable_offset", &partition), Some(3.0));
    let group = ("group", group);
    assert_eq!(page.value("klamm_broker_group_lag_records", &[group]), Some(2.0));
    let lag = "klamm_broker_group_partition_lag_records";
    assert_eq!(page.value(lag, &[group, t, ("partition", "0")]), Some(2.0));
    assert_eq!(page.value(lag, &[group, t, ("partition", "1")]), Some(0.0));
    let empty = [("type", "Classic"), ("state", "Empty")];
    assert_eq!(page.value("klamm_broker_groups", &empty), Some(1.0));
    assert_eq!(page.value("klamm_broker_log_limit_bytes", &[]), Some((1_u64 << 30) as f64));
}

#[tokio::test]
async fn more_topics_than_are_named_are_summed_up() {
    let mut builder = Broker::builder().topic("t", 1);
    for n in 0..210 {
        builder = builder.topic(&format!("x{n}"), 11);
    }
    let broker = start(builder).await;
    let mut peer = Peer::connect(broker.address()).await;
    peer.call(9, &produce(0, batch(&["a"]), -1)).await;
    let page = scrape(&broker).await;
    let topics = page.labels("klamm_broker_topic_partitions", "topic");
    assert_eq!(topics.len(), 201);
    assert!(topics.contains("t"), "it has the most bytes");
    let others = page.value("klamm_broker_topic_partitions", &[("topic", "(other)")]);
    assert_eq!(others, Some(121.0));
    // 2,000 of 2,311 are named.
    assert_eq!(page.value("klamm_broker_unlisted_partitions", &[]), Some(311.0));
}

#[tokio::test]
async fn connections_logins_and_faults_are_counted() {
    let sasl = SaslSettings::new().user("alice", "secret");
    let broker = start(Broker::builder().topic("t", 1).sasl(sasl)).await;
    let mut peers = Vec::new();
    for password in ["secret", "wrong"] {
        let mut peer = Peer::connect(broker.address()).await;
        peer.call(1, &SaslHandshakeRequest { mechanism: Str::from_static("PLAIN") }).await;
        let auth_bytes = format!("\0alice\0{password}").into();
        peer.call(2, &SaslAuthenticateRequest { auth_bytes }).await;
        peers.push(peer);
    }
    assert!(peers.pop().unwrap().frame().await.is_none(), "a wrong password ends it");
    let _silent = Peer::connect(broker.address()).await;
    let rule: Rule =
        serde_json::from_str(r#"{"api": "Metadata", "action": "disconnect"}"#).unwrap();
    broker.controls().add_fault(rule).unwrap();
    let mut peer = peers.pop().unwrap();
    let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
    peer.send(9, &everything).await;
    assert!(peer.frame().await.is_none());
    let mut page = scrape(&broker).await;
    let at = |page: &Exposition, stage| {
        page.value("klamm_broker_connections", &[("node", "1"), ("stage", stage)])
    };
    while at(&page, "login") != Some(1.0) || at(&page, "open") != Some(0.0) {
        page = scrape(&broker).await;
    }
    assert_eq!(page.value("klamm_broker_connections_accepted_total", &[]), Some(3.0));
    for outcome in ["success", "failure"] {
        let labels = [("mechanism", "PLAIN"), ("outcome", outcome)];
        assert_eq!(page.value("klamm_broker_authentications_total", &labels), Some(1.0));
    }
    for reason in ["login_failed", "closed_by_broker"] {
        let ended = page.value("klamm_broker_connections_closed_total", &[("reason", reason)]);
        assert_eq!(ended, Some(1.0), "{reason}");
    }
    let disconnected = [("api", "Metadata"), ("outcome", "disconnected")];
    assert_eq!(page.value("klamm_broker_requests_total", &disconnected), Some(1.0));
    assert_eq!(page.value("klamm_broker_fault_strikes_total", &[("rule", "1")]), Some(1.0));
}
