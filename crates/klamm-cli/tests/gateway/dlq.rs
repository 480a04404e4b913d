//! `klamm gateway dlq`.

use crate::stage::{Dir, Serving, output, records};
use serde_json::{Value, json};
use std::process::Output;
use std::time::{Duration, Instant};

/// How long a record may take to become a dead letter.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lines of JSON that a command writes.
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `klamm gateway dlq …` in JSON, on this broker.
fn dlq(broker: &str, args: &[&str]) -> Output {
    output(&[&["gateway", "dlq"], args, &["-b", broker, "-O", "json"]].concat())
}

fn ids(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    lines(output).into_iter().map(|line| line["id"].clone()).collect()
}

/// Waits until a topic has so many dead letters; their ids.
fn letters(broker: &str, topic: &str, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let listed = dlq(broker, &["list", topic]);
        if listed.status.success() && lines(&listed).len() == count {
            return ids(&listed);
        }
        assert!(began.elapsed() < PATIENCE, "{listed:?}");
    }
}

#[test]
fn letters_of_a_topic_are_sent_again_once_they_are_taken() {
    let dir = Dir::new();
    let broker = Serving::broker("127.0.0.1:0", &dir.path("broker"));
    let at = &*broker.address;
    let limit = "max.message.bytes=300";
    assert!(output(&["topics", "config", "orders", "-s", limit, "-b", at]).status.success());
    let gateway = Serving::gateway(&dir.path("log"), &["-b", at]);
    let large = format!("\"{}\"", "x".repeat(2_000));
    let mut expected = Vec::new();
    for path in ["/topics/orders?key=a", "/topics/orders"] {
        expected.push(gateway.json(path, &large).value()["id"].clone());
        // One after the other: letters of different keys have no order.
        assert_eq!(letters(at, "orders.dlq", expected.len()), expected);
    }
    let table = output(&["gateway", "dlq", "list", "orders.dlq", "-b", at]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.starts_with("TIME") && table.contains("MESSAGE_TOO_LARGE"), "{table}");

    let refused = dlq(at, &["redrive", "orders.dlq"]);
    assert_eq!(refused.status.code(), Some(6), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stays in orders.dlq/0/0"));
    assert_eq!(ids(&dlq(at, &["list", "orders.dlq"])), expected, "nothing was sent");

    let limit = "max.message.bytes=100000";
    assert!(output(&["topics", "config", "orders", "-s", limit, "-b", at]).status.success());
    let dry = dlq(at, &["redrive", "orders.dlq", "--dry-run"]);
    assert_eq!((ids(&dry), &lines(&dry)[0]["sent"]), (expected.clone(), &json!(false)));
    // The second alone: the first is not done with, and so neither is remembered.
    let second = expected[1].as_str().unwrap();
    assert_eq!(ids(&dlq(at, &["redrive", "orders.dlq", "--id", second])), expected[1..]);
    assert_eq!(ids(&dlq(at, &["list", "orders.dlq"])), expected);
    assert_eq!(ids(&dlq(at, &["redrive", "orders.dlq"])), expected);
    assert_eq!(ids(&dlq(at, &["redrive", "orders.dlq"])), [] as [Value; 0], "it is remembered");
    assert_eq!(ids(&dlq(at, &["list", "orders.dlq"])), [] as [Value; 0]);
    assert_eq!(ids(&dlq(at, &["list", "orders.dlq", "--all"])), expected);

    let sent = records(at, 3);
    let order = [&expected[1], &expected[0], &expected[1]];
    for (record, id) in sent.iter().zip(order) {
        let headers = record["headers"].to_string();
        assert!(headers.contains(id.as_str().unwrap()), "{id}: {headers}");
        assert!(!headers.contains("klamm-dlq"), "it is as it was: {headers}");
    }
    assert_eq!(sent[1]["key"], "a", "{sent:?}");
}

fn line(id: &str, topic: &str, error: (&str, i16)) -> String {
    let letter = json!({
        "id": id, "topic": topic, "partition": null, "timestamp": 1_700_000_000_000_i64,
        "key": "aw==", "value": "eA==", "headers": [["h", "aGk="]],
        "error": error.0, "error_code": error.1, "reason": "it is so", "at": 1_700_000_000_500_i64,
    });
    format!("{letter}\n")
}

#[test]
fn letters_of_a_file_leave_it_when_kafka_has_them() {
    let dir = Dir::new();
    let broker = Serving::broker("127.0.0.1:0", &dir.path("broker"));
    let at = &*broker.address;
    let (large, denied) = (("MESSAGE_TOO_LARGE", 10), ("TOPIC_AUTHORIZATION_FAILED", 29));
    let file = [
        line("i/1", "orders", large),
        line("i/2", "orders", denied),
        line("i/3", "others", denied),
        line("i/4", "orders", denied),
    ];
    let path = dir.file("dead-letters.jsonl", &file.concat());
    let data = std::path::Path::new(&path).parent().unwrap().to_str().unwrap().to_owned();
    let here = ["-d", &*data];
    let list = |more: &[&str]| ids(&dlq(at, &[&["list"], &here[..], more].concat()));
    assert_eq!(list(&[]), ["i/1", "i/2", "i/3", "i/4"]);
    assert_eq!(list(&["-n", "2"]), ["i/1", "i/2"]);
    let chosen = ["--topic", "orders", "--error", "topic_authorization_failed"];
    assert_eq!(list(&chosen), ["i/2", "i/4"]);
    let redrive = |more: &[&str]| dlq(at, &[&["redrive"], &here[..], &chosen[..], more].concat());
    assert_eq!(ids(&redrive(&["--dry-run"])), ["i/2", "i/4"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), file.concat());
    let sent = redrive(&[]);
    assert_eq!(ids(&sent), ["i/2", "i/4"]);
    assert_eq!(
        (&lines(&sent)[1]["place"], &lines(&sent)[1]["offset"]),
        (&json!("dead-letters.jsonl:4"), &json!(1))
    );
    let left = [&*file[0], &*file[2]].concat();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), left, "the others are as they were");
    let records = records(at, 2);
    assert_eq!(
        (&records[0]["key"], &records[0]["value"]),
        (&json!("k"), &json!("x")),
        "{records:?}"
    );
    assert!(records[1]["headers"].to_string().contains("i/4"), "{records:?}");
}

#[test]
fn what_stays_when_kafka_is_away_stays_in_the_file() {
    let dir = Dir::new();
    let path = dir.file("dead-letters.jsonl", &line("i/1", "orders", ("MESSAGE_TOO_LARGE", 10)));
    let before = std::fs::read_to_string(&path).unwrap();
    let data = std::path::Path::new(&path).parent().unwrap().to_str().unwrap().to_owned();
    let away = dlq("127.0.0.1:1", &["redrive", "-d", &data, "-X", "max.block.ms=500"]);
    assert_ne!(away.status.code(), Some(0), "{away:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    assert_eq!(dlq("127.0.0.1:1", &["list"]).status.code(), Some(2), "which ones was not said");
}
