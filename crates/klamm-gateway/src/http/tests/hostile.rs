//! Clients that mean no good: each is refused, and the others do not notice.

use super::stage::{JSON, Stage, post};
use super::wire::Wire;
use crate::http::Limits;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::time::Duration;

const CHUNKED: &str = "POST /topics/a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n";

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_hides_no_other() {
    let mut stage = Stage::new().await;
    // Whoever goes by the length would take what follows the last chunk for the next request.
    for both in ["content-length: 5\r\n", "content-length: 66\r\n"] {
        let hidden = post("/topics/hidden", "", "x");
        for head in [
            format!("{CHUNKED}{both}\r\n"),
            CHUNKED.replace("transfer", &format!("{both}transfer")) + "\r\n",
        ] {
            let mut wire = stage.connect().await;
            let mut request = format!("{head}1\r\ny\r\n0\r\n\r\n").into_bytes();
            request.extend_from_slice(&hidden);
            wire.send(request).await;
            let all = wire.rest().await;
            assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
        }
    }
    let taken = stage.wal.state().next as usize;
    assert!(stage.values(taken).await.iter().all(|value| value == "y"));
}

#[tokio::test]
async fn lengths_and_chunks_that_are_wrong_are_refused() {
    let stage = Stage::new().await;
    let start = "POST /topics/a HTTP/1.1\r\nhost: x\r\n";
    let wrong = [
        format!("{start}content-length: 1\r\ncontent-length: 2\r\n\r\n12"),
        format!("{start}content-length: 1, 2\r\n\r\n12"),
        format!("{start}content-length: +1\r\n\r\n1"),
        format!("{start}content-length: -1\r\n\r\n1"),
        format!("{start}content-length: 99999999999999999999999\r\n\r\n1"),
        format!("{start}transfer-encoding: chunked, identity\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        format!("{start}transfer-encoding: xchunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        format!("{start}content-length : 1\r\n\r\n1"),
        format!("{start}x: a\r\n folded\r\ncontent-length: 1\r\n\r\n1"),
        format!("{CHUNKED}\r\nzz\r\nx\r\n0\r\n\r\n"),
        format!("{CHUNKED}\r\n-1\r\nx\r\n0\r\n\r\n"),
        format!("{CHUNKED}\r\nffffffffffffffffff\r\nx\r\n0\r\n\r\n"),
        format!("{CHUNKED}\r\n1\r\nxyz0\r\n\r\n"),
        "POST /topics/a HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
            .to_owned(),
        "POST /topics/a HTTP/9.9\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nand nonsense behind it".to_owned(),
        "\u{16}\u{3}\u{1} a handshake of TLS".to_owned(),
    ];
    for request in wrong {
        let mut wire = stage.connect().await;
        wire.send(&request).await;
        let all = wire.rest().await;
        let refused = all.starts_with("HTTP/1.1 4") && all.matches("HTTP/1.1 ").count() == 1;
        assert!(refused || request.starts_with("PRI"), "{request}: {all}");
    }
    assert_eq!(stage.wal.state().next, 0);
    assert_eq!(stage.ask(post("/topics/a", JSON, "1")).await.status, 202);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_taken_by_nobody() {
    let stage = Stage::new().await;
    for request in [
        "POST /topics/a HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1".to_owned(),
        format!("{CHUNKED}\r\n1\r\nx\r\n"),
    ] {
        let mut wire = stage.connect().await;
        wire.send(&request).await;
        drop(wire);
    }
    assert_eq!(stage.ask(post("/topics/a", JSON, "1")).await.status, 202);
    while stage.server.state().connections > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((stage.wal.state().next, stage.server.state().admitted_bytes), (1, 0));
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let stage = Stage::new().await;
    let long = "x".repeat(200_000);
    let many = "a: b\r\n".repeat(5000);
    for request in [
        format!("POST /topics/a HTTP/1.1\r\nhost: x\r\nlong: {long}\r\n\r\n"),
        format!("POST /topics/a HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("POST /topics/{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("{CHUNKED}\r\n1\r\n1\r\n0\r\n{many}\r\n"),
    ] {
        let mut wire = stage.connect().await;
        let _ = wire.try_send(request.as_bytes()).await;
        let all = wire.rest().await;
        assert!(all.starts_with("HTTP/1.1 4"), "{}: {all}", &request[..60]);
    }
    assert_eq!(stage.wal.state().next, 0);
}

#[tokio::test]
async fn bombs_and_abysses_are_refused() {
    let stage = Stage::new().await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&vec![b'1'; 32 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    let encoded = format!("{JSON}content-encoding: gzip\r\n");
    assert_eq!(stage.ask(post("/topics/a", &encoded, bomb)).await.status, 413);
    let deep = "[".repeat(1_000_000);
    assert_eq!(stage.ask(post("/topics/a", JSON, deep)).await.status, 400);
    let confluent = "content-type: application/vnd.kafka.json.v2+json\r\n";
    let deep = format!("{{\"records\":{}", "[{\"value\":".repeat(100_000));
    assert_eq!(stage.ask(post("/topics/a", confluent, deep)).await.status, 400);
    assert_eq!((stage.wal.state().next, stage.server.state().admitted_bytes), (0, 0));
}

#[tokio::test]
async fn many_records_in_few_bytes_need_their_room() {
    let stage = Stage::limited(Limits { budget_bytes: 100_000, ..Limits::default() }).await;
    let lines = "content-type: application/x-ndjson\r\n";
    let reply = stage.ask(post("/topics/a", lines, "1\n".repeat(5000))).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(stage.ask(post("/topics/a", lines, "1\n".repeat(100))).await.status, 202);
    let reply = stage.ask(post("/topics/a?partial", lines, "{\n".repeat(5000))).await;
    assert_eq!((reply.status, reply.json()["refused_count"].as_u64()), (207, Some(5000)));
    assert!(reply.body.len() < 200_000);
    assert_eq!((stage.wal.state().next, stage.server.state().admitted_bytes), (100, 0));
}

/// Sockets that each hold on to a request that never ends.
async fn hold(stage: &Stage, count: usize, request: &str) -> Vec<Wire> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut wire = stage.connect().await;
        wire.send(request).await;
        held.push(wire);
    }
    held
}

#[tokio::test]
async fn two_thousand_slow_heads_keep_nobody_out() {
    let stage =
        Stage::limited(Limits { header_timeout: Duration::from_secs(1), ..Limits::default() })
            .await;
    let held = hold(&stage, 2000, "POST /topics/a HTTP/1.1\r\nx: ").await;
    for n in 0..200 {
        assert_eq!(stage.ask(post("/topics/a", JSON, n.to_string())).await.status, 202);
    }
    for mut wire in held {
        assert_eq!(wire.rest().await, "");
    }
    assert_eq!(stage.refusals("slow_head"), 2000);
    assert_eq!(stage.server.state().admitted_bytes, 0);
}

#[tokio::test]
async fn two_hundred_slow_bodies_hold_only_what_they_asked_for() {
    let limits = Limits { body_timeout: Duration::from_secs(1), ..Limits::default() };
    let stage = Stage::limited(limits).await;
    let request = "POST /topics/a HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nx";
    let held = hold(&stage, 200, request).await;
    for n in 0..200 {
        assert_eq!(stage.ask(post("/topics/a", JSON, n.to_string())).await.status, 202);
    }
    assert!(stage.server.state().admitted_bytes <= 200 * 100_000);
    for mut wire in held {
        assert_eq!(wire.reply().await.status, 408);
    }
    assert_eq!((stage.refusals("slow_body"), stage.server.state().admitted_bytes), (200, 0));
}
