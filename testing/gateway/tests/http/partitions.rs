//! Partitions that a topic does not have: who names one is told so, as long as Kafka is there to say it.

use crate::stage::{Stage, until};
use klamm_broker::Broker;
use serde_json::{Value, json};
use std::time::Duration;

const V2: &str = "content-type: application/vnd.kafka.json.v2+json\r\n";
const JSON: &str = "content-type: application/json\r\n";

/// A topic with three partitions, and a gateway that has reached Kafka.
async fn three() -> Stage {
    let stage = Stage::new(Broker::builder().topic("t", 3)).await;
    until("Kafka is reached", || stage.forwarder.state().connected).await;
    stage
}

async fn status(stage: &Stage, path: &str) -> u16 {
    stage.post(path, JSON, "{}").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_not_there_is_refused_and_nothing_taken() {
    let stage = three().await;
    let reply = stage.post("/topics/t?partition=99", JSON, "{}").await;
    assert_eq!(reply.status, 404, "{reply:?}");
    let detail = "topic t has no partition 99: it has 3, numbered from 0; nothing was taken";
    assert_eq!(reply.json()["detail"], detail);
    assert_eq!(status(&stage, "/topics/t?partition=3").await, 404);
    assert_eq!(stage.wal.state().next, 0);
    assert_eq!(status(&stage, "/topics/t?partition=2").await, 202);
    let refusals = stage.state().refusals;
    assert!(refusals.contains(&("no_topic", 2)), "{refusals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_come_since_is_taken() {
    let stage = three().await;
    assert_eq!(status(&stage, "/topics/t?partition=4").await, 404);
    stage.client().await.admin().add_partitions("t", 5).await.unwrap();
    // Kafka is asked once a second at most.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(status(&stage, "/topics/t?partition=4").await, 202);
    assert_eq!(status(&stage, "/topics/t?partition=5").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_does_not_say_is_taken() {
    let stage = three().await;
    assert_eq!(status(&stage, "/topics/new?partition=99").await, 202, "it may be made like that");
    assert_eq!(status(&stage, "/topics/t?partition=99").await, 404);
    stage.broker.controls().set_node_up(1, false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(status(&stage, "/topics/t?partition=99").await, 202, "Kafka is away");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_confluents_version_2_are_told_by_its_code() {
    let stage = three().await;
    let one = r#"{"records":[{"value":1}]}"#;
    let mixed = r#"{"records":[{"value":1},{"value":2,"partition":99}]}"#;
    for (path, body) in [("/topics/t/partitions/99", one), ("/topics/t", mixed)] {
        let reply = stage.post(path, V2, body).await;
        assert_eq!((reply.status, &reply.json()["error_code"]), (404, &json!(40402)), "{reply:?}");
    }
    assert_eq!(stage.wal.state().next, 0);
    assert_eq!(stage.post("/topics/t/partitions/2", V2, one).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_confluents_version_3_are_told_in_the_records_place() {
    let stage = three().await;
    let record = |id: &str, partition: i32| {
        format!(
            r#"{{"id":"{id}","partition_id":{partition},"value":{{"type":"JSON","data":{partition}}}}}"#
        )
    };
    let path = "/v3/clusters/c/topics/t/records";
    let body = [record("a", 1), record("b", 99), record("c", 2)].join("\n");
    let lines = stage.stream(path, &body).await;
    let codes: Vec<&Value> = lines.iter().map(|line| &line["error_code"]).collect();
    assert_eq!(codes, [200, 40402, 200], "{lines:?}");
    let entries = [record("a", 1), record("b", 99)].join(",");
    let body = format!(r#"{{"entries":[{entries}]}}"#);
    let reply = stage.post(&format!("{path}:batch"), JSON, &body).await.json();
    let failures = &reply["failures"];
    let told = (&failures[0]["id"], &failures[0]["error_code"], &failures[1]);
    assert_eq!(told, (&json!("b"), &json!(40402), &Value::Null), "{reply}");
    assert_eq!(reply["successes"][0]["id"], "a");
}
