//! Server-Sent Events: nothing is missed, nothing comes twice, and nobody takes more than they may.

use crate::events::{Event, Events};
use crate::stage::{Stage, until};
use klamm_broker::Broker;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

async fn numbers(events: &mut Events, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let event = events.next().await.unwrap();
        assert_eq!(event.name, "", "{event:?}");
        numbers.push(event.value().as_u64().unwrap());
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_goes_on_exactly_there() {
    let stage = Stage::new(Broker::builder().topic("t", 3)).await;
    stage.put_numbers("t", 0..40).await;
    let mut events = stage.listen("t", "from=earliest", None).await;
    let mut seen = numbers(&mut events, 13).await;
    let place = events.id.clone();
    drop(events);
    let mut events = stage.listen("t", "from=earliest", Some(&place)).await;
    seen.extend(numbers(&mut events, 27).await);
    stage.put_numbers("t", 40..45).await;
    seen.extend(numbers(&mut events, 5).await);
    let all: BTreeSet<u64> = seen.iter().copied().collect();
    assert_eq!((seen.len(), all), (45, (0..45).collect()));
    // The place where a stream began is one to go on at, too.
    let latest = stage.listen("t", "", None).await.id;
    stage.put_numbers("t", 45..46).await;
    assert_eq!(numbers(&mut stage.listen("t", "", Some(&latest)).await, 1).await, [45]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_told_whole() {
    let stage = Stage::new(Broker::builder().topic("t", 2)).await;
    let headers = "content-type: application/octet-stream\r\nprefer: wait=30\r\n";
    let path = "/topics/t?partition=1&key=a%20b&timestamp=1700000000000";
    assert_eq!(stage.post(path, headers, "\u{7f}\r\n").await.status, 200);
    let event = stage.listen("t", "from=earliest", None).await.next().await.unwrap();
    let record = event.json();
    let place = (&record["topic"], &record["partition"], &record["offset"]);
    assert_eq!(place, (&json!("t"), &json!(1), &json!(0)));
    assert_eq!(record["timestamp"], json!(1_700_000_000_000_u64));
    assert_eq!((&record["key"], &record["key_encoding"]), (&json!("a b"), &json!("text")));
    let value = (&record["value"], &record["value_encoding"]);
    assert_eq!(value, (&json!("\u{7f}\r\n"), &json!("text")));
    let id = format!("{}/0", stage.wal.instance());
    let header = json!({ "name": "klamm-id", "value": id, "encoding": "text" });
    assert!(record["headers"].as_array().unwrap().contains(&header), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_is_passed_and_the_place_moves_on() {
    let stage = Stage::with(Broker::builder().topic("t", 1), |_, events| {
        events.heartbeat = Duration::from_millis(20);
    })
    .await;
    let mut events = stage.listen("t", "key=k3", None).await;
    let begin = events.id.clone();
    stage.put_numbers("t", 0..3).await;
    // A sign of life says how far it has come: all three were passed.
    let end = stage.poll("t", "").await.1;
    while events.id != end {
        assert_eq!(events.block().await, Some(None));
    }
    assert!(events.comments > 0 && end != begin);
    stage.put_numbers("t", 3..12).await;
    assert_eq!(numbers(&mut events, 2).await, [3, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_says_where_to_go_on() {
    let stage = Stage::new(Broker::builder().topic("t", 2)).await;
    let mut events = stage.listen("t", "from=earliest", None).await;
    stage.put_numbers("t", 0..2).await;
    numbers(&mut events, 2).await;
    let place = events.id.clone();
    assert!(stage.server.drain(Duration::from_secs(30)).await, "a reader holds nothing up");
    let end = events.next().await.unwrap();
    assert_eq!((&*end.name, &end.id), ("end", &place));
    assert_eq!(events.next().await, None);
    until("the place is free", || stage.state().readers.readers == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_their_time_is_up() {
    let stage = Stage::with(Broker::builder().topic("t", 1), |_, events| {
        events.max_time = Duration::from_millis(30);
    })
    .await;
    let mut events = stage.listen("t", "", None).await;
    let end = events.next().await.unwrap();
    assert_eq!((&*end.name, &end.id), ("end", &events.id));
    assert_eq!(events.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_holds_little_and_is_let_go() {
    let stage = Stage::with(Broker::builder().topic("t", 1), |service, events| {
        service.limits.write_timeout = Duration::from_secs(2);
        events.buffer_bytes = 64 << 10;
    })
    .await;
    let lines = format!("\"{}\"\n", "x".repeat(64 << 10)).repeat(96);
    for _ in 0..8 {
        stage.put("t", "split=lines", &lines).await;
    }
    let events = stage.listen("t", "from=earliest", None).await;
    until("it is let go", || stage.state().readers.readers == 0).await;
    let told = stage.state().readers.bytes;
    // What is behind it is in the sockets; the rest of 48 MiB was never fetched.
    assert!(told < 24 << 20, "{told}");
    let slow = stage.state().refusals.iter().any(|(name, _)| *name == "slow_reader");
    assert!(slow, "{:?}", stage.state().refusals);
    drop(events);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_come_are_read_and_a_topic_that_goes_ends_the_stream() {
    let stage = Stage::with(Broker::builder().topic("t", 1), |_, events| {
        events.heartbeat = Duration::from_millis(20);
    })
    .await;
    stage.put_elsewhere("t", 0, "0").await;
    let mut events = stage.listen("t", "from=earliest", None).await;
    numbers(&mut events, 1).await;
    let client = stage.client().await;
    client.admin().add_partitions("t", 2).await.unwrap();
    stage.put_elsewhere("t", 1, "1").await;
    assert_eq!(numbers(&mut events, 1).await, [1]);
    client.admin().delete_topics(vec!["t".to_owned()]).await.unwrap();
    let Event { name, data, .. } = events.next().await.unwrap();
    let problem: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&*name, &problem["status"]), ("problem", &json!(404)), "{problem}");
    assert_eq!(events.next().await, None);
}
