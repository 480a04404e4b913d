//! Readers that take nothing of what they asked for: they keep no place, and hold no end up.

use crate::stage::{Stage, until};
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use klamm_broker::Broker;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// More than this is a drain that was held up; its deadline is later by far.
const END_WITHIN: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(60);

/// A topic with more in it than fits between a gateway and its client.
async fn full(write_timeout: Duration) -> Stage {
    let stage = Stage::with(Broker::builder().topic("t", 1), |service, events| {
        service.limits.write_timeout = write_timeout;
        service.limits.body_min_rate = 1 << 20;
        events.buffer_bytes = 64 << 10;
    })
    .await;
    let lines = format!("\"{}\"\n", "x".repeat(64 << 10)).repeat(96);
    for _ in 0..4 {
        stage.put("t", "split=lines", &lines).await;
    }
    stage
}

/// Waits until the reader is told nothing more.
async fn stuck(stage: &Stage) {
    let (mut told, mut since) = (0, Instant::now());
    until("the reader takes nothing more", || {
        let now = stage.state().readers.bytes;
        if now != told {
            (told, since) = (now, Instant::now());
        }
        told > 0 && since.elapsed() > Duration::from_millis(500)
    })
    .await;
    assert_eq!(stage.state().readers.readers, 1);
}

async fn ends_in_time(stage: &Stage) {
    let began = Instant::now();
    assert!(stage.server.drain(DEADLINE).await);
    assert!(began.elapsed() < END_WITHIN, "the end took {:?}", began.elapsed());
}

/// A stream over HTTP/2, of which nothing is read; the connection itself is well.
async fn by_http2(stage: &Stage) -> Incoming {
    let stream = TcpStream::connect(stage.server.address()).await.unwrap();
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut client, connection) = shaken.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://x/topics/t/events?from=earliest");
    let request = request.header("accept", "text/event-stream").body(Empty::<Bytes>::new());
    client.send_request(request.unwrap()).await.unwrap().into_body()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_nothing_holds_no_end_up() {
    let stage = full(Duration::from_secs(30)).await;
    let events = stage.listen("t", "from=earliest", None).await;
    stuck(&stage).await;
    ends_in_time(&stage).await;
    drop(events);
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_that_takes_a_little_now_and_then() {
    let stage = full(Duration::from_secs(30)).await;
    let mut wire = stage.connect().await;
    wire.send("GET /topics/t/events?from=earliest HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n").await;
    stuck(&stage).await;
    let slow = tokio::spawn(async move {
        while wire.take(16 << 10).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    ends_in_time(&stage).await;
    slow.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_of_http2_whose_connection_is_well() {
    let stage = full(Duration::from_secs(30)).await;
    let body = by_http2(&stage).await;
    stuck(&stage).await;
    ends_in_time(&stage).await;
    drop(body);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_http2_that_takes_nothing_keeps_no_place() {
    let stage = full(Duration::from_secs(1)).await;
    let body = by_http2(&stage).await;
    until("the place is free", || {
        let readers = stage.state().readers;
        readers.bytes > 0 && readers.readers == 0
    })
    .await;
    let slow = stage.state().refusals.iter().any(|(name, _)| *name == "slow_reader");
    assert!(slow, "{:?}", stage.state().refusals);
    drop(body);
}
