//! What requests are answered with.

use super::stage::{JSON, Stage, post};
use crate::http::Limits;
use crate::wal::WalConfig;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::time::Duration;

#[tokio::test]
async fn what_is_taken_is_in_the_log() {
    let mut stage = Stage::new().await;
    let instance = stage.wal.instance().to_owned();
    let reply = stage.ask(post("/topics/a", JSON, "{\"n\":1}")).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.body, format!("{{\"id\":\"{instance}/0\",\"count\":1}}"));
    let lines = "content-type: application/x-ndjson\r\n";
    let reply = stage.ask(post("/topics/a/partitions/3?key=k", lines, "1\n2\n3")).await;
    assert_eq!(reply.body, format!("{{\"id\":\"{instance}/1\",\"count\":3}}"));
    assert_eq!(stage.values(4).await, ["{\"n\":1}", "1", "2", "3"]);
    let state = stage.server.state();
    assert_eq!((state.records, state.body_bytes, state.admitted_bytes), (4, 12, 0));
    assert_eq!(state.answers[0].count, 2);
}

#[tokio::test]
async fn requests_follow_each_other_without_waiting() {
    let stage = Stage::new().await;
    let mut wire = stage.connect().await;
    let three: Vec<u8> = (0..3).flat_map(|n| post("/topics/a", JSON, n.to_string())).collect();
    wire.send(three).await;
    for n in 0..3 {
        let reply = wire.reply().await;
        assert!(reply.body.contains(&format!("/{n}\"")), "{reply:?}");
    }
    assert_eq!(stage.server.state().accepted, 1);
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let stage = Stage::limited(Limits { record_bytes: 50, ..Limits::default() }).await;
    let encoded = "content-encoding: br\r\n";
    let avro = "content-type: application/vnd.kafka.avro.v2+json\r\n";
    let table = [
        (post("/topics/a", JSON, "{\"n\":}"), 400),
        (post("/topics/a", avro, "{}"), 415),
        (post("/topics/a", encoded, "{}"), 415),
        (post("/topics/a", JSON, format!("\"{}\"", "x".repeat(50))), 413),
        (post("/topics/..", JSON, "{}"), 400),
        (post("/other", JSON, "{}"), 404),
        (post("/topics/a?split=xml", JSON, "{}"), 400),
        (b"GET /topics/a HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), 405),
    ];
    for (request, status) in table {
        let text = String::from_utf8_lossy(&request).into_owned();
        let reply = stage.ask(request).await;
        assert_eq!(reply.status, status, "{text}");
        let problem = reply.json();
        if text.contains("vnd.kafka") {
            assert!(problem["error_code"].is_number(), "{text}");
        } else {
            assert_eq!(problem["status"], status, "{text}");
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        }
    }
    let reply = stage.ask(post("/topics/a", JSON, "{\n\"n\":}")).await;
    assert_eq!((&reply.json()["line"], &reply.json()["column"]), (&2.into(), &5.into()));
    let reply = stage.ask(b"PUT /topics/a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(reply.header("allow"), Some("POST"));
    assert_eq!(stage.wal.state().next, 0, "nothing was taken");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let stage = Stage::limited(Limits { body_bytes: 10, ..Limits::default() }).await;
    let mut wire = stage.connect().await;
    let head = |length| {
        format!(
            "POST /topics/a HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    wire.send(head(11)).await;
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (413, Some("close")));
    assert_eq!(wire.rest().await, "");
    let mut wire = stage.connect().await;
    wire.send(head(10)).await;
    assert_eq!(wire.head().await.status, 100);
    wire.send("0123456789").await;
    assert_eq!(wire.reply().await.status, 202);
}

#[tokio::test]
async fn bodies_in_chunks_are_bounded_while_they_come() {
    let mut stage = Stage::limited(Limits { body_bytes: 100, ..Limits::default() }).await;
    let chunked = "POST /topics/a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("28\r\n{}\r\n", "x".repeat(40));
    let reply = stage.ask(format!("{chunked}{chunk}{chunk}0\r\n\r\n")).await;
    assert_eq!(reply.status, 202);
    assert_eq!(stage.values(1).await, ["x".repeat(80)]);
    let mut wire = stage.connect().await;
    // It never ends.
    wire.send(format!("{chunked}{chunk}{chunk}{chunk}")).await;
    assert_eq!(wire.reply().await.status, 413);
    assert_eq!(stage.server.state().admitted_bytes, 0);
}

#[tokio::test]
async fn without_room_a_client_is_told_when_to_come_back() {
    let stage = Stage::limited(Limits { budget_bytes: 5, ..Limits::default() }).await;
    let reply = stage.ask(post("/topics/a", JSON, "123456")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(stage.ask(post("/topics/a", JSON, "12345")).await.status, 202);
    let config = WalConfig { max_bytes: 4096, ..WalConfig::default() };
    let stage = Stage::with(Limits::default(), config).await;
    let request = |n: i32| post(&format!("/topics/{}", n % 3), "", "x".repeat(300));
    let mut full = stage.ask(request(0)).await;
    for n in 1..40 {
        if full.status != 202 {
            break;
        }
        full = stage.ask(request(n)).await;
    }
    assert_eq!(full.status, 503, "{full:?}");
    let seconds: u64 = full.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
}

#[tokio::test]
async fn who_finds_no_room_for_little_keeps_the_connection() {
    let stage = Stage::limited(Limits { budget_bytes: 5, ..Limits::default() }).await;
    let mut wire = stage.connect().await;
    for body in ["123456".to_owned(), "1".repeat(64 << 10)] {
        wire.send(post("/topics/a", JSON, body)).await;
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.header("connection")), (503, None));
    }
    wire.send(post("/topics/a", JSON, "12345")).await;
    assert_eq!(wire.reply().await.status, 202);
    // What is not on its way yet, and what is much, is not waited for.
    let mut asks = stage.connect().await;
    asks.send(
        "POST /topics/a HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 6\r\n\r\n",
    )
    .await;
    let mut much = stage.connect().await;
    much.send("POST /topics/a HTTP/1.1\r\nhost: x\r\ncontent-length: 65537\r\n\r\n").await;
    for mut wire in [asks, much] {
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.header("connection")), (503, Some("close")));
    }
    assert_eq!(stage.server.state().admitted_bytes, 0);
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let mut stage = Stage::new().await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"{\"packed\":true}").unwrap();
    let encoded = format!("{JSON}content-encoding: gzip\r\n");
    let reply = stage.ask(post("/topics/a", &encoded, gzip.finish().unwrap())).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(stage.values(1).await, ["{\"packed\":true}"]);
    let reply = stage.ask(post("/topics/a", &encoded, "{}")).await;
    assert_eq!(reply.status, 400);
    assert_eq!(stage.server.state().admitted_bytes, 0);
}

#[tokio::test]
async fn what_is_open_is_finished_before_the_end() {
    let stage = Stage::new().await;
    let mut idle = stage.connect().await;
    idle.send(post("/topics/a", JSON, "1")).await;
    assert_eq!(idle.reply().await.status, 202);
    let mut open = stage.connect().await;
    let request = post("/topics/a", JSON, "{\"half\":1}");
    open.send(&request[..request.len() - 4]).await;
    while stage.server.state().open_requests == 0 {
        tokio::task::yield_now().await;
    }
    let drained = async { stage.server.drain(Duration::from_secs(10)).await };
    let finish = async {
        assert_eq!(idle.rest().await, "", "closed at once");
        open.send(&request[request.len() - 4..]).await;
        let reply = open.reply().await;
        assert_eq!((reply.status, reply.header("connection")), (202, Some("close")));
        assert_eq!(open.rest().await, "");
    };
    let (finished, ()) = tokio::join!(drained, finish);
    assert!(finished);
    assert!(tokio::net::TcpStream::connect(stage.address()).await.is_err());
    assert_eq!(stage.server.state().connections, 0);
}

#[tokio::test]
async fn what_does_not_end_is_ended() {
    let stage = Stage::new().await;
    let mut open = stage.connect().await;
    open.send("POST /topics/a HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1").await;
    while stage.server.state().open_requests == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!stage.server.drain(Duration::from_millis(20)).await);
    assert_eq!(open.rest().await, "");
}
