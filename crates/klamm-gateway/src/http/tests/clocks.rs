//! Clients that take their time, with clocks that are short.

use super::stage::{JSON, Stage, post};
use super::wire::Wire;
use crate::http::Limits;
use std::time::Duration;

/// Everything is over soon.
fn brief() -> Limits {
    let soon = Duration::from_millis(40);
    Limits {
        header_timeout: soon,
        body_timeout: soon,
        idle_timeout: soon,
        linger_timeout: soon,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_slow_body_is_told_and_closed() {
    let stage = Stage::limited(brief()).await;
    let mut wire = stage.connect().await;
    wire.send("POST /topics/a HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1").await;
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (408, Some("close")));
    assert_eq!(wire.rest().await, "");
    assert_eq!((stage.refusals("slow_body"), stage.server.state().admitted_bytes), (1, 0));
}

#[tokio::test]
async fn a_body_that_brings_enough_may_take_longer() {
    let limits = Limits { body_min_rate: 1, ..brief() };
    let stage = Stage::limited(limits).await;
    let mut wire = stage.connect().await;
    wire.send("POST /topics/a HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n12345678").await;
    // Eight bytes buy eight seconds, many times what a body of none has.
    tokio::time::sleep(Duration::from_millis(120)).await;
    wire.send("9").await;
    assert_eq!(wire.reply().await.status, 202);
}

#[tokio::test]
async fn a_slow_head_is_closed_however_it_comes() {
    let stage = Stage::limited(Limits { idle_timeout: Duration::from_secs(60), ..brief() }).await;
    let mut one = stage.connect().await;
    one.send("P").await;
    let mut pieces = stage.connect().await;
    pieces.send("POST /topics/a HTTP/1.1\r\n").await;
    while pieces.try_send(b"x: y\r\n").await.is_ok() && stage.refusals("slow_head") < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(one.rest().await + &pieces.rest().await, "");
    assert_eq!(stage.refusals("slow_head"), 2);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let stage = Stage::limited(brief()).await;
    let mut used = stage.connect().await;
    let mut fresh = stage.connect().await;
    used.send(post("/topics/a", JSON, "1")).await;
    assert_eq!(used.reply().await.status, 202);
    assert_eq!(used.rest().await + &fresh.rest().await, "");
    while stage.server.state().connections > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn only_so_many_connections_are_open() {
    let stage = Stage::limited(Limits { connections: 2, ..Limits::default() }).await;
    let mut first = stage.connect().await;
    first.send(post("/topics/a", JSON, "1")).await;
    assert_eq!(first.reply().await.status, 202);
    let second = stage.connect().await;
    let mut third = stage.connect().await;
    assert!(third.rest().await.starts_with("HTTP/1.1 503"));
    assert_eq!(stage.refusals("connections"), 1);
    drop(second);
    while stage.server.state().connections == 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.ask(post("/topics/a", JSON, "1")).await.status, 202);
}

#[tokio::test]
async fn an_address_has_only_so_many_connections() {
    let limits = Limits { connections_per_address: 1, ..Limits::default() };
    let stage = Stage::limited(limits).await;
    let mut first = Wire::connect(stage.address()).await;
    first.send(post("/topics/a", JSON, "1")).await;
    assert_eq!(first.reply().await.status, 202);
    let mut second = stage.connect().await;
    assert!(second.rest().await.starts_with("HTTP/1.1 503"));
    assert_eq!(stage.refusals("connections_per_address"), 1);
}
