//! Requests of HTTP/2, by a client that knows it is spoken.

use super::stage::Stage;
use crate::http::Limits;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test]
async fn many_requests_share_a_connection() {
    let mut stage = Stage::new().await;
    let stream = TcpStream::connect(stage.address()).await.unwrap();
    let (client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let mut asked = Vec::new();
    for n in 0..50 {
        let mut client = client.clone();
        let body = Full::new(Bytes::from(n.to_string()));
        let request = Request::post("http://x/topics/a").body(body).unwrap();
        asked.push(tokio::spawn(async move { client.send_request(request).await.unwrap() }));
    }
    for answer in asked {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 202);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.ends_with(b"\"count\":1}"));
    }
    let mut values = stage.values(50).await;
    values.sort_by_key(|value| value.parse::<u32>().unwrap());
    assert!(values.iter().map(|value| value.parse::<u32>().unwrap()).eq(0..50));
    assert_eq!(stage.server.state().accepted, 1);
    drop(client);
    let _ = driving.await;
}

#[tokio::test]
async fn a_refused_body_ends_its_request_alone() {
    let stage = Stage::new().await;
    let stream = TcpStream::connect(stage.address()).await.unwrap();
    let (mut client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (path, status) in [("none", 404), ("topics/a", 202), ("none", 404), ("topics/a", 202)] {
        let body = Full::new(Bytes::from_static(b"{}"));
        let request = Request::post(format!("http://x/{path}")).body(body).unwrap();
        assert_eq!(client.send_request(request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_connection_without_requests_is_ended_in_order() {
    let limits = Limits { idle_timeout: Duration::from_millis(40), ..Limits::default() };
    let stage = Stage::limited(limits).await;
    let stream = TcpStream::connect(stage.address()).await.unwrap();
    let (mut client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = Request::post("http://x/topics/a").body(Full::new(Bytes::from_static(b"1")));
    assert_eq!(client.send_request(request.unwrap()).await.unwrap().status(), 202);
    driving.await.unwrap().unwrap();
    while stage.server.state().connections > 0 {
        tokio::task::yield_now().await;
    }
}
