//! Requests as clients of Confluent's REST API send them, and what each field of the answer is.
//!
//! The requests are those of its public documentation, and of the shapes that servers of other makes are tested with. A
//! `"*"` in an expected answer is any value that is not null.

use crate::stage::Stage;
use klamm_broker::Broker;
use serde_json::{Value, json};

const V2: &str = "application/vnd.kafka.v2+json";
const V2_JSON: &str = "application/vnd.kafka.json.v2+json";
const V2_BINARY: &str = "application/vnd.kafka.binary.v2+json";
const JSON: &str = "application/json";
const STREAM: &str = "/v3/clusters/cluster-1/topics/t/records";
const BATCH: &str = "/v3/clusters/cluster-1/topics/t/records:batch";

fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), found) if any == "*" => !found.is_null(),
        (Value::Object(expected), Value::Object(found)) => {
            let field = |(name, value): (&String, &Value)| {
                found.get(name).is_some_and(|found| same(value, found))
            };
            expected.len() == found.len() && expected.iter().all(field)
        }
        (Value::Array(expected), Value::Array(found)) => {
            let pairs = || expected.iter().zip(found);
            expected.len() == found.len() && pairs().all(|(expected, found)| same(expected, found))
        }
        (expected, found) => expected == found,
    }
}

async fn stage() -> Stage {
    Stage::new(Broker::builder().topic("t", 3)).await
}

/// Sends requests one after the other, each with its answer.
async fn check(stage: &Stage, answered: &str, rows: Vec<(&str, &str, &str, u16, Value)>) {
    for (path, content_type, body, status, expected) in rows {
        let headers = format!("content-type: {content_type}\r\naccept: {V2}, application/json\r\n");
        let reply = stage.post(path, &headers, body).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some(answered), "{body}");
        assert!(same(&expected, &reply.json()), "{body}: {} is not {expected}", reply.json());
    }
}

fn stored(partition: &Value, offset: &Value) -> Value {
    json!({ "partition": partition, "offset": offset, "error_code": null, "error": null })
}

fn offsets(offsets: &[Value]) -> Value {
    json!({ "offsets": offsets, "key_schema_id": null, "value_schema_id": null })
}

#[tokio::test(flavor = "multi_thread")]
async fn version_2_produces() {
    let stage = stage().await;
    let any = stored(&json!("*"), &json!("*"));
    let at = |partition: i32, offset: i32| stored(&json!(partition), &json!(offset));
    let three = r#"{"records":[{"key":"a2V5","value":"Y29uZmx1ZW50"},{"value":"a2Fma2E=","partition":1},{"value":"bG9ncw=="}]}"#;
    let mixed = r#"{"records":[{"key":"somekey","value":{"foo":"bar"}},{"value":["foo","bar"],"partition":1},{"value":53.5}]}"#;
    let two = r#"{"records":[{"key":"a2V5","value":"Y29uZmx1ZW50"},{"value":"a2Fma2E="}]}"#;
    let one = r#"{"records":[{"value":{"foo":"bar"}}]}"#;
    let in_0 = "/topics/t/partitions/0";
    check(
        &stage,
        V2,
        vec![
            (
                "/topics/t",
                V2_BINARY,
                three,
                200,
                offsets(&[any.clone(), stored(&json!(1), &json!("*")), any.clone()]),
            ),
            (
                "/topics/t",
                V2_JSON,
                mixed,
                200,
                offsets(&[any.clone(), stored(&json!(1), &json!("*")), any.clone()]),
            ),
            ("/topics/t", V2_JSON, one, 200, offsets(std::slice::from_ref(&any))),
            ("/topics/t", V2, two, 200, offsets(&[any.clone(), any])),
            ("/topics/u/partitions/0", V2_BINARY, two, 200, offsets(&[at(0, 0), at(0, 1)])),
            ("/topics/u/partitions/0", V2_JSON, one, 200, offsets(&[at(0, 2)])),
        ],
    )
    .await;
    let (values, _) = stage.poll("t", "from=earliest&partition=1&key=").await;
    assert_eq!(values, [] as [Value; 0]);
    let (values, _) = stage.poll("t", "from=earliest").await;
    for value in [json!("confluent"), json!("kafka"), json!(["foo", "bar"]), json!(53.5)] {
        assert!(values.contains(&value), "{value} in {values:?}");
    }
    assert_eq!(stage.post(in_0, &format!("content-type: {V2_JSON}\r\n"), one).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_2_says_what_is_wrong() {
    let stage = stage().await;
    let error = |code: i32| json!({ "error_code": code, "message": "*" });
    let table = [
        (V2_JSON, r#"{"records":[]}"#, 422),
        (V2_JSON, r#"{"foo":"bar"}"#, 422),
        (V2_JSON, r#"{"records":[{"valur":{"foo":"bar"}}]}"#, 422),
        (V2_JSON, r#"{"records":"#, 400),
        (V2_BINARY, r#"{"records":[{"value":"not base64"}]}"#, 400),
        (V2_BINARY, r#"{"records":"should be an array"}"#, 400),
        (V2_BINARY, r#"{"records":["object with value"]}"#, 400),
        (V2_BINARY, r#"{"records":[{"value":{"a":1}}]}"#, 400),
        ("application/vnd.kafka.avro.v2+json", r#"{"records":[{"value":{"foo":"bar"}}]}"#, 415),
        ("application/vnd.kafka.v3+json", r#"{"records":[{"value":"a2Fma2E="}]}"#, 415),
    ];
    for path in ["/topics/t", "/topics/t/partitions/0"] {
        let row = |(content_type, body, status): (&'static str, &'static str, u16)| {
            (path, content_type, body, status, error(status.into()))
        };
        check(&stage, V2, table.into_iter().map(row).collect()).await;
    }
    assert_eq!(stage.wal.state().next, 0, "nothing of it was taken");
}

fn report(partition: i32, offset: i32, parts: &[(&str, &str, usize)]) -> Value {
    let mut report = json!({
        "error_code": 200,
        "cluster_id": "cluster-1",
        "topic_name": "t",
        "partition_id": partition,
        "offset": offset,
        "timestamp": "2021-02-05T19:14:42Z",
    });
    for (name, kind, size) in parts {
        report[*name] = json!({ "type": kind, "size": size });
    }
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn version_3_reports_on_each_record_of_a_stream() {
    let stage = stage().await;
    let time = r#""timestamp":"2021-02-05T19:14:42Z""#;
    let full = format!(
        r#"{{"partition_id":1,"headers":[{{"name":"Header-1","value":"SGVhZGVyLTE="}},{{"name":"Header-2","value":"SGVhZGVyLTI="}}],"key":{{"type":"BINARY","data":"Zm9vYmFy"}},"value":{{"type":"JSON","data":{{"foo":"bar"}}}},{time}}}"#
    );
    let text =
        format!(r#"{{"partition_id":1,"value":{{"type":"STRING","data":"My message"}},{time}}}"#);
    let nothing =
        format!(r#"{{"partition_id":1,"key":{{"type":"JSON","data":"k"}},"value":null,{time}}}"#);
    let rows = [
        (full, report(1, 0, &[("key", "BINARY", 6), ("value", "JSON", 13)])),
        (text, report(1, 1, &[("value", "STRING", 10)])),
        (nothing, report(1, 2, &[("key", "JSON", 3)])),
    ];
    let body: Vec<&str> = rows.iter().map(|(body, _)| &**body).collect();
    let lines = stage.stream(STREAM, &body.join("\n")).await;
    let expected: Vec<&Value> = rows.iter().map(|(_, report)| report).collect();
    assert_eq!(lines.iter().collect::<Vec<_>>(), expected);
    let record = stage.listen("t", "from=earliest", None).await.next().await.unwrap().json();
    let header = json!({ "name": "Header-1", "value": "Header-1", "encoding": "text" });
    assert!(record["headers"].as_array().unwrap().contains(&header), "{record}");
    assert_eq!(
        (&record["key"], &record["timestamp"]),
        (&json!("foobar"), &json!(1_612_552_482_000_u64))
    );
    // One that is wrong is reported in its place, and the stream goes on.
    let lines = stage
        .stream(STREAM, &format!(r#"{{"value":{{"type":"AVRO","data":1}}}}{}"#, body[1]))
        .await;
    assert!(same(&json!({ "error_code": 400, "message": "*" }), &lines[0]), "{lines:?}");
    assert_eq!(lines[1]["error_code"], json!(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn version_3_answers_batches() {
    let stage = stage().await;
    let time = r#""timestamp":"2021-02-05T19:14:42Z""#;
    let entry = |id: &str| {
        format!(
            r#"{{"id":"{id}","partition_id":2,"value":{{"type":"JSON","data":{{"foo":"bar"}}}},{time}}}"#
        )
    };
    let batch = format!(
        r#"{{"entries":[{},{{"id":"wrong","value":{{"type":"BINARY","data":"@"}}}},{}]}}"#,
        entry("1"),
        entry("2")
    );
    let success = |id: &str, offset| {
        let mut report = report(2, offset, &[("value", "JSON", 13)]);
        report["id"] = json!(id);
        report
    };
    let failure = json!({ "id": "wrong", "error_code": 400, "message": "*" });
    let answer = json!({ "successes": [success("1", 0), success("2", 1)], "failures": [failure] });
    let refused = json!({ "error_code": 42208, "message": "*" });
    let many: Vec<String> = (0..11).map(|id| entry(&id.to_string())).collect();
    let many = format!(r#"{{"entries":[{}]}}"#, many.join(","));
    let twice = format!(r#"{{"entries":[{},{}]}}"#, entry("1"), entry("1"));
    check(
        &stage,
        JSON,
        vec![
            (BATCH, JSON, &batch, 207, answer),
            (BATCH, JSON, r#"{"entries":[]}"#, 422, refused.clone()),
            (BATCH, JSON, &many, 422, refused.clone()),
            (BATCH, JSON, &twice, 422, refused),
            (BATCH, JSON, "{", 400, json!({ "error_code": 400, "message": "*" })),
        ],
    )
    .await;
}
