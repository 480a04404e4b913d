//! The admin address over HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use klamm_broker::storage::{Call, Fault, FaultyStorage, Misdeed};
use klamm_broker::{Admin, AdminError, Broker, Durability};
use klamm_protocol::header::encode_request;
use klamm_protocol::message::ApiVersionsRequest;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn start() -> (Broker, Admin) {
    let broker = Broker::builder().nodes(2).topic("t", 1).start().await.unwrap();
    let admin = Admin::start(ANY, broker.controls().clone()).await.unwrap();
    (broker, admin)
}

async fn send(admin: &Admin, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let stream = TcpStream::connect(admin.address()).await.unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn call(admin: &Admin, method: Method, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let body = Full::new(Bytes::from(body.to_owned()));
    let (status, body) = send(admin, request.body(body).unwrap()).await;
    (status.as_u16(), body)
}

fn parsed((status, body): (u16, String), expected: u16) -> Value {
    assert_eq!(status, expected, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Asks a node for its versions; true when it answers.
async fn is_answered(broker: &Broker, node: usize) -> bool {
    let Ok(mut stream) = TcpStream::connect(broker.addresses()[node - 1]).await else {
        return false;
    };
    let frame = encode_request(&ApiVersionsRequest::default(), 0, 1, "me").unwrap();
    stream.write_all(&frame.parts().concat()).await.unwrap();
    stream.read_u32().await.is_ok()
}

#[tokio::test]
async fn rules_come_strike_and_go() {
    let (broker, admin) = start().await;
    let rule = json!({"api": "ApiVersions", "action": "disconnect", "times": 1}).to_string();
    let added = parsed(call(&admin, Method::POST, "/faults", &rule).await, 201);
    assert_eq!(added, json!({"id": 1}));
    assert!(!is_answered(&broker, 1).await);
    assert!(is_answered(&broker, 1).await);
    let list = parsed(call(&admin, Method::GET, "/faults", "").await, 200);
    let expected = json!([{"id": 1, "matched": 2, "struck": 1, "api": "ApiVersions", "times": 1, "action": "disconnect"}]);
    assert_eq!(list, expected);
    assert_eq!(call(&admin, Method::POST, "/faults/1/release", "").await.0, 204);
    assert_eq!(call(&admin, Method::DELETE, "/faults/1", "").await.0, 204);
    assert_eq!(call(&admin, Method::DELETE, "/faults/1", "").await.0, 404);
    assert_eq!(call(&admin, Method::DELETE, "/faults", "").await.0, 204);
}

#[tokio::test]
async fn mistakes_are_problems_that_name_them() {
    let (_broker, admin) = start().await;
    let large = "x".repeat(70_000);
    for (method, path, body, status, says) in [
        (Method::POST, "/faults", r#"{"action":"hold","tpoic":"t"}"#, 400, "tpoic"),
        (Method::POST, "/faults", r#"{"action":"hold","times":0}"#, 400, "times"),
        (Method::POST, "/faults", large.as_str(), 413, "65536"),
        (Method::GET, "/requests?apis=x", "", 400, "apis"),
        (Method::GET, "/requests?wait=1&timeout_ms=1&client=nobody", "", 408, "in time"),
        (Method::PUT, "/nodes/3", r#"{"up":true}"#, 404, "3"),
        (Method::GET, "/topics/u/0/leader", "", 404, "u"),
        (Method::GET, "/topics/t/x/leader", "", 400, "x"),
        (Method::GET, "/nowhere", "", 404, "/nowhere"),
        (Method::PUT, "/nodes/3/metadata", r#"{"frozen":true}"#, 404, "3"),
        (Method::PUT, "/coordinators", r#"{"type":"group","node":3}"#, 404, "3"),
        (Method::PUT, "/coordinators", r#"{"type":"topic","node":1}"#, 400, "topic"),
        (Method::PATCH, "/coordinators", "", 404, "/coordinators"),
        (Method::POST, "/clock", r#"{"advance_ms":-1}"#, 400, "-1"),
    ] {
        let problem = parsed(call(&admin, method, path, body).await, status);
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    let request = Request::get("/live").header("host", "x").header("origin", "http://evil");
    let (status, _) = send(&admin, request.body(Full::default()).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn requests_are_listed_waited_for_and_counted() {
    let (broker, admin) = start().await;
    let wait = call(&admin, Method::GET, "/requests?wait=1&api=apiversions&client=me", "");
    let (waited, answered) = tokio::join!(wait, is_answered(&broker, 2));
    assert!(answered);
    let waited = parsed(waited, 200);
    assert_eq!((&waited[0]["api"], &waited[0]["node"]), (&json!("ApiVersions"), &json!(2)));
    let since = parsed(call(&admin, Method::GET, "/requests?since=1", "").await, 200);
    assert_eq!(since, json!([]));
    let (_, metrics) = call(&admin, Method::GET, "/metrics", "").await;
    let count = "klamm_broker_requests_total{api=\"ApiVersions\",outcome=\"NONE\"} 1\n";
    assert!(metrics.contains(count), "{metrics}");
}

#[tokio::test]
async fn nodes_leaders_and_clock_are_moved() {
    let (broker, admin) = start().await;
    assert_eq!(call(&admin, Method::PUT, "/nodes/1", r#"{"up":false}"#).await.0, 204);
    assert!(!is_answered(&broker, 1).await);
    assert_eq!(call(&admin, Method::GET, "/ready", "").await.0, 200);
    assert_eq!(call(&admin, Method::PUT, "/nodes/2", r#"{"up":false}"#).await.0, 204);
    assert_eq!(call(&admin, Method::GET, "/ready", "").await.0, 503);
    assert_eq!(call(&admin, Method::GET, "/live", "").await.0, 200);
    assert_eq!(call(&admin, Method::PUT, "/nodes/1", r#"{"up":true}"#).await.0, 204);
    assert!(is_answered(&broker, 1).await);
    let path = "/topics/t/0/leader";
    let moved = parsed(call(&admin, Method::PUT, path, r#"{"node":2}"#).await, 200);
    assert_eq!(moved, json!({"node": 2, "epoch": 1}));
    let bumped = parsed(call(&admin, Method::POST, path, "").await, 200);
    assert_eq!(bumped, json!({"node": 2, "epoch": 2}));
    let before = parsed(call(&admin, Method::GET, "/clock", "").await, 200);
    let hour = r#"{"advance_ms":3600000}"#;
    let after = parsed(call(&admin, Method::POST, "/clock", hour).await, 200);
    assert!(after["now_ms"].as_i64().unwrap() - before["now_ms"].as_i64().unwrap() >= 3_600_000);
    parsed(call(&admin, Method::POST, "/retention", "").await, 200);
}

#[tokio::test]
async fn coordinators_are_moved_metadata_freezes_and_the_broker_restarts() {
    let (broker, admin) = start().await;
    let to = json!({"type": "group", "key": "g", "node": 2, "loading_ms": 7}).to_string();
    assert_eq!(call(&admin, Method::PUT, "/coordinators", &to).await.0, 204);
    let all = json!({"type": "transaction", "node": 1}).to_string();
    assert_eq!(call(&admin, Method::PUT, "/coordinators", &all).await.0, 204);
    let moved = parsed(call(&admin, Method::GET, "/coordinators", "").await, 200);
    assert_eq!((&moved[0]["type"], &moved[0]["key"]), (&json!("group"), &json!("g")));
    assert_eq!((&moved[1]["type"], &moved[1]["key"]), (&json!("transaction"), &Value::Null));
    assert_eq!(call(&admin, Method::DELETE, "/coordinators", "").await.0, 204);
    assert_eq!(parsed(call(&admin, Method::GET, "/coordinators", "").await, 200), json!([]));
    for frozen in [true, false] {
        let frozen = json!({"frozen": frozen}).to_string();
        assert_eq!(call(&admin, Method::PUT, "/nodes/1/metadata", &frozen).await.0, 204);
    }
    let compacted = parsed(call(&admin, Method::POST, "/compaction", "").await, 200);
    assert_eq!(compacted, json!({"removed_records": 0}));
    let mut stream = TcpStream::connect(broker.addresses()[0]).await.unwrap();
    assert_eq!(call(&admin, Method::POST, "/restart", "").await.0, 204);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    let leader = parsed(call(&admin, Method::GET, "/topics/t/0/leader", "").await, 200);
    assert_eq!(leader["epoch"], 1);
    assert!(is_answered(&broker, 1).await);
}

#[tokio::test]
async fn a_broker_that_cannot_write_is_not_ready() {
    let storage = FaultyStorage::new();
    let builder = Broker::builder().storage(Arc::new(storage.clone())).topic("t", 1);
    let broker = builder.durability(Durability::Os).start().await.unwrap();
    let admin = Admin::start(ANY, broker.controls().clone()).await.unwrap();
    assert_eq!(call(&admin, Method::GET, "/ready", "").await.0, 200);
    let (call_kind, misdeed) = (Some(Call::Write), Misdeed::Full);
    storage.inject(Fault { call: call_kind, after: 0, misdeed, lasting: true });
    let path = "/topics/t/0/leader";
    assert_eq!(call(&admin, Method::POST, path, "").await.0, 503);
    let ready = parsed(call(&admin, Method::GET, "/ready", "").await, 503);
    assert!(ready["detail"].as_str().unwrap().contains("no space left"), "{ready}");
    storage.heal();
    parsed(call(&admin, Method::POST, path, "").await, 200);
    assert_eq!(call(&admin, Method::GET, "/ready", "").await.0, 200);
}

#[tokio::test]
async fn only_the_loopback_interface_is_listened_on() {
    let broker = Broker::builder().start().await.unwrap();
    let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Admin::start(anywhere, broker.controls().clone()).await;
    assert!(matches!(refused, Err(AdminError::NotLoopback(_))));
}
