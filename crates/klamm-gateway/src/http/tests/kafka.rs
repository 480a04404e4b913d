//! Requests that wait for Kafka, whose part is played by whoever says what became of records.

use super::stage::{JSON, Stage, post};
use super::wire::{Reply, Wire};
use crate::forward::{Outcome, Outcomes};
use crate::http::Limits;
use crate::wal::WalReader;
use klamm::ErrorCode;
use serde_json::{Value, json};
use std::time::Duration;

const V2: &str = "content-type: application/vnd.kafka.json.v2+json\r\n";
const V3: &str = "/v3/clusters/c/topics/a";

/// Every record is delivered, but that whose value says it is to be refused.
fn deliver(mut reader: WalReader, outcomes: Outcomes) {
    tokio::spawn(async move {
        while let Some(records) = reader.next(1 << 20).await {
            for (sequence, record) in records {
                outcomes.begun(sequence + 1);
                let refused = record.value.is_some_and(|value| value.ends_with(b"refused\""));
                let outcome = if refused {
                    let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                    Outcome::DeadLetter { error, reason: "there is none".into() }
                } else {
                    let offset = Some(i64::try_from(sequence).unwrap() + 100);
                    Outcome::Delivered { partition: 4, offset, timestamp: 7 }
                };
                outcomes.finish([(sequence, outcome)]);
            }
        }
    });
}

/// With somebody who plays Kafka.
async fn stage() -> Stage {
    let mut stage =
        Stage::limited(Limits { wait: Duration::from_secs(15), ..Limits::default() }).await;
    deliver(stage.take_reader(), stage.outcomes.clone());
    stage
}

#[tokio::test]
async fn who_waits_is_told_where_the_records_are() {
    let stage = stage().await;
    let wait = format!("{JSON}prefer: wait=10\r\n");
    let reply = stage.ask(post("/topics/a?split=array", &wait, "[1,2]")).await;
    assert_eq!((reply.status, reply.header("preference-applied")), (200, Some("wait=10")));
    let id = format!("{}/0", stage.wal.instance());
    let record = |offset| json!({ "partition": 4, "offset": offset, "timestamp": 7 });
    assert_eq!(
        reply.json(),
        json!({ "id": id, "count": 2, "records": [record(100), record(101)] })
    );
    let reply = stage.ask(post("/topics/a?split=array", &wait, "[1,\"refused\"]")).await;
    assert_eq!((reply.status, &reply.json()["records"][1]["error_code"]), (207, &json!(3)));
    let reply = stage.ask(post("/topics/a", &wait, "\"refused\"")).await;
    assert_eq!(reply.status, 422);
    assert_eq!(stage.ask(post("/topics/a", JSON, "1")).await.status, 202);
}

#[tokio::test]
async fn who_waits_too_long_is_told_that_the_records_are_safe() {
    let limits = Limits { wait: Duration::from_millis(30), ..Limits::default() };
    let stage = Stage::limited(limits).await;
    let reply = stage.ask(post("/topics/a", &format!("{JSON}prefer: wait=99\r\n"), "1")).await;
    assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("wait=0")));
    let reply = stage.ask(post("/topics/a", V2, "{\"records\":[{\"value\":1}]}")).await;
    assert_eq!((reply.status, reply.json()["count"].clone()), (202, json!(1)));
}

#[tokio::test]
async fn confluents_version_2_is_answered_with_offsets() {
    let stage = stage().await;
    let records = |values: &str| format!("{{\"records\":[{values}]}}");
    let body = records("{\"key\":\"k\",\"value\":1},{\"value\":\"refused\"}");
    let reply = stage.ask(post("/topics/a", V2, body)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/vnd.kafka.v2+json"));
    let stored = json!({ "partition": 4, "offset": 100, "error_code": null, "error": null });
    let failed =
        json!({ "partition": null, "offset": null, "error_code": 40401, "error": "there is none" });
    assert_eq!(reply.json()["offsets"], json!([stored, failed]));
    let at_once = format!("{V2}prefer: respond-async\r\n");
    let reply = stage.ask(post("/topics/a", &at_once, records("{\"value\":1}"))).await;
    assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("respond-async")));
    for (content_type, body, status) in [
        (V2, records(""), 422),
        (V2, "{".to_owned(), 400),
        ("content-type: application/vnd.kafka.avro.v2+json\r\n", records("{\"value\":1}"), 415),
    ] {
        let reply = stage.ask(post("/topics/a", content_type, body)).await;
        assert_eq!((reply.status, reply.json()["error_code"].clone()), (status, json!(status)));
        assert_eq!(reply.header("content-type"), Some("application/vnd.kafka.v2+json"));
    }
}

#[tokio::test]
async fn a_batch_of_version_3_has_a_report_for_each_entry() {
    let stage = stage().await;
    let value = |data: &str| format!("\"value\":{{\"type\":\"JSON\",\"data\":{data}}}");
    let entries = format!(
        "{{\"entries\":[{{\"id\":\"a\",{}}},{{\"id\":\"b\",\"value\":1}},{{\"id\":\"c\",{}}}]}}",
        value("1"),
        value("\"refused\"")
    );
    let reply = stage.ask(post(&format!("{V3}/records:batch"), JSON, entries)).await;
    assert_eq!(reply.status, 207);
    let answer = reply.json();
    assert_eq!(answer["successes"].as_array().unwrap().len(), 1);
    let success = &answer["successes"][0];
    assert_eq!((&success["id"], &success["offset"]), (&json!("a"), &json!(100)));
    assert_eq!((&success["cluster_id"], &success["topic_name"]), (&json!("c"), &json!("a")));
    let failed: Vec<_> = answer["failures"].as_array().unwrap().iter().collect();
    let codes: Vec<_> = failed.iter().map(|one| (&one["id"], &one["error_code"])).collect();
    assert_eq!(codes, [(&json!("b"), &json!(400)), (&json!("c"), &json!(40401))]);
    let reply = stage.ask(post(&format!("{V3}/records:batch"), JSON, "{\"entries\":[]}")).await;
    assert_eq!((reply.status, reply.json()["error_code"].clone()), (422, json!(42208)));
}

/// The next chunk of a body, as JSON line by line.
async fn chunk(wire: &mut Wire) -> Vec<Value> {
    let text = wire.chunk().await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_stream_is_reported_on_while_it_comes() {
    let stage = stage().await;
    let mut wire = stage.connect().await;
    let head = format!(
        "POST {V3}/records HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n{JSON}\r\n"
    );
    wire.send(head).await;
    assert_eq!(wire.head().await.status, 200);
    let send = async |wire: &mut Wire, text: &str| {
        wire.send(format!("{:x}\r\n{text}\r\n", text.len())).await;
    };
    let record = |data: &str| format!("{{\"value\":{{\"type\":\"STRING\",\"data\":\"{data}\"}}}}");
    send(&mut wire, &record("a")).await;
    let reports = chunk(&mut wire).await;
    assert_eq!((&reports[0]["error_code"], &reports[0]["offset"]), (&json!(200), &json!(100)));
    // Half of a record, then the rest of it with others, one of which is wrong.
    let (half, rest) = "{\"value\":{\"type\":\"STRING\",\"data\":\"b\"}}".split_at(20);
    send(&mut wire, half).await;
    send(&mut wire, &format!("{rest}\n{{\"value\":7}}{}", record("c"))).await;
    let reports = chunk(&mut wire).await;
    let codes: Vec<_> = reports.iter().map(|report| report["error_code"].as_i64()).collect();
    assert_eq!(codes, [Some(200), Some(400), Some(200)]);
    assert_eq!(stage.wal.state().next, 3);
    send(&mut wire, "{\"value\"").await;
    wire.send("0\r\n\r\n").await;
    assert_eq!(chunk(&mut wire).await[0]["error_code"], 400);
    assert_eq!(wire.chunk().await, "", "the end");
    assert_eq!(stage.server.state().admitted_bytes, 0);
}

#[tokio::test]
async fn a_stream_ends_with_the_server_and_a_silent_one_before() {
    let head =
        format!("POST {V3}/records HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let stage = stage().await;
    let mut wire = stage.connect().await;
    wire.send(&head).await;
    wire.head().await;
    assert!(stage.server.drain(Duration::from_secs(10)).await);
    let limits = Limits { idle_timeout: Duration::from_millis(30), ..Limits::default() };
    let stage = Stage::limited(limits).await;
    let mut wire = stage.connect().await;
    wire.send(&head).await;
    wire.head().await;
    assert_eq!(chunk(&mut wire).await[0]["error_code"], 408);
}

#[tokio::test]
async fn lines_that_are_wrong_are_told_apart() {
    let stage = stage().await;
    let lines = "content-type: application/x-ndjson\r\n";
    let reply = stage.ask(post("/topics/a?partial", lines, "1\n{\n3")).await;
    let id = format!("{}/0", stage.wal.instance());
    let answer: Value = reply.json();
    assert_eq!((reply.status, &answer["id"], &answer["count"]), (207, &json!(id), &json!(2)));
    let refused = &answer["refused"][0];
    assert_eq!((&refused["index"], &refused["line"]), (&json!(1), &json!(2)));
    let all: Reply = stage.ask(post("/topics/a?partial", lines, "{\n{")).await;
    assert_eq!((all.status, all.json()["id"].clone()), (207, Value::Null));
    assert_eq!(stage.ask(post("/topics/a?partial", lines, "1\n2")).await.status, 202);
}
