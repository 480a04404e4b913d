//! What comes out, and when it ends by itself.

use crate::stage::{Stage, fails, numbers};
use klamm::{ProducerConfig, Record};
use klamm_broker::{Action, ApiKey, Rule};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_a_partition() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..100).await;
    let table: [(&[&str], std::ops::Range<i64>); 14] = [
        (&[], 0..100),
        (&["-o", "start"], 0..100),
        (&["-o", ":end"], 0..100),
        (&["-o", "+95"], 95..100),
        (&["-o", "-3"], 97..100),
        (&["-o", "40"], 40..100),
        (&["-o", "40:42"], 40..42),
        (&["-o", ":2"], 0..2),
        (&["-o", "-10:-5"], 90..95),
        (&["-o", "98", "-n", "1"], 98..99),
        (&["-n", "5"], 0..5),
        (&["-n", "0"], 0..0),
        (&["-o", "@0000000001090"], 90..100),
        (&["-o", "@0000000001010:5ms"], 10..15),
    ];
    for (args, expected) in table {
        let args = [&["consume", "t"], args].concat();
        assert_eq!(stage.lines(&args), numbers(expected), "{args:?}");
    }
    assert_eq!(stage.lines(&["consume", "t", "-e", "-o", "end"]), numbers(0..0));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_and_topics_by_name_and_expression() {
    let stage = Stage::new(&[("a.1", 3), ("a.2", 1), ("b", 1)]).await;
    for partition in 0..3 {
        stage.values("a.1", partition, 0..2).await;
    }
    stage.values("a.2", 0, 5..6).await;
    stage.values("b", 0, 7..8).await;
    let read = |args: &[&str]| {
        let mut lines = stage.lines(&[&["consume", "-f", r"%t/%p/%v\n"], args].concat());
        lines.sort();
        lines.join(" ")
    };
    assert_eq!(read(&["a.1", "-p", "0,2"]), "a.1/0/0 a.1/0/1 a.1/2/0 a.1/2/1");
    assert_eq!(read(&["b", "a.2"]), "a.2/0/5 b/0/7");
    assert_eq!(read(&["-r", r"\.2$", "^b"]), "a.2/0/5 b/0/7");
    fails(&stage.output(&["consume", "none"]), 5, &["topic none", "klamm topics list"]);
    fails(&stage.output(&["consume", "-r", "^x", "^y"]), 5, &["^x or ^y", "klamm topics list"]);
    fails(&stage.output(&["consume", "a.1", "-p", "3"]), 5, &["3 partitions", "no 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_and_filters() {
    let stage = Stage::new(&[("t", 1)]).await;
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    let record = || Record::to("t").partition(0).timestamp_ms(1_648_021_901_749);
    let records = [
        record().key("k1").value("one ERROR").header("source", "web-1").header("source", "x"),
        record().key("k2").value(&b"\xff\x00"[..]),
        record().key("").null_header("source"),
    ];
    for record in records {
        producer.send(record).await.unwrap();
    }
    let read = |args: &[&str]| stage.prints(&[&["consume", "t"], args].concat());
    assert_eq!(
        read(&["-f", r"%o %k %v{hex} %d{strftime[%F]} %h{%k=%v;} %y %i %[ %]\n"]),
        "0 k1 6f6e65204552524f52 2022-03-23 source=web-1;source=x; 0 1 0 3\n\
         1 k2 ff00 2022-03-23  0 2 0 3\n\
         2   2022-03-23 source=; 0 3 0 3\n"
    );
    let jsonl = read(&["-O", "jsonl"]);
    assert_eq!(read(&["-f", "json"]), jsonl);
    assert_eq!(
        jsonl.lines().nth(1).unwrap(),
        r#"{"topic":"t","partition":0,"offset":1,"timestamp":1648021901749,"key":"k2","value":{"base64":"/wA="},"headers":[]}"#
    );
    assert_eq!(read(&["-K", "=", "-D", ";", "-n", "1"]), "k1=one ERROR;");
    let offsets = |args: &[&str]| read(&[&["-f", "%o "], args].concat());
    assert_eq!(offsets(&["--grep", "ERR"]), "0 ");
    assert_eq!(offsets(&["--grep", r"(?-u)\x00"]), "1 ");
    assert_eq!(offsets(&["--key-grep", "^k"]), "0 1 ");
    assert_eq!(offsets(&["--header", "source"]), "0 2 ");
    assert_eq!(offsets(&["--header", "source=^web"]), "0 ");
    assert_eq!(offsets(&["--key-grep", "k", "-n", "1"]), "0 ");
    fails(&stage.output(&["consume", "t", "-f", "%v %q"]), 2, &["character 4", "unknown %q"]);
    fails(&stage.output(&["consume", "t", "--grep", "("]), 2, &["unclosed group"]);
    fails(&stage.output(&["consume", "t", "-o", "9:1"]), 2, &["-o 9:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_read_as_asked() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..3).await;
    for isolation in ["read-committed", "read_uncommitted"] {
        let args = ["consume", "t", "--isolation", isolation];
        assert_eq!(stage.lines(&args), numbers(0..3), "{isolation}");
    }
}

#[test]
fn without_a_broker_it_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.args(["consume", "t", "-b", "127.0.0.1:1"]).env_remove("RUST_LOG");
    fails(&command.output().unwrap(), 3, &["127.0.0.1:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_records_of_a_topic_are_those_of_all_its_partitions() {
    let stage = Stage::new(&[("t", 2), ("empty", 1)]).await;
    // Time goes with the number.
    stage.values("t", 0, 0..50).await;
    stage.values("t", 1, 40..60).await;
    let read = |args: &[&str]| stage.lines(&[&["consume", "t", "--tail"], args].concat());
    assert_eq!(read(&["3"]), numbers(57..60));
    let mixed = read(&["12"]);
    assert_eq!(mixed[..2], numbers([49, 49]), "one of either partition, by time: {mixed:?}");
    assert_eq!(mixed[2..], numbers(50..60));
    assert_eq!(read(&["100"]).len(), 70);
    assert_eq!(read(&["0"]), numbers(0..0));
    // Found far from the end.
    assert_eq!(read(&["2", "--grep", "^1$|^30$|^2$"]), numbers([2, 30]));
    assert_eq!(stage.lines(&["consume", "empty", "--tail", "5"]), numbers(0..0));
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_data_stops_it_or_is_skipped_and_said() {
    let stage = Stage::new(&[("t", 1)]).await;
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    for n in 0..3 {
        let value = format!("v{n}");
        producer.send(Record::to("t").partition(0).value(&value)).await.unwrap();
    }
    let damage = |times| {
        let corrupt = Rule::new(Action::Corrupt).api(ApiKey::Fetch).topic("t").partition(0);
        stage.broker.controls().add_fault(corrupt.times(times)).unwrap();
    };
    damage(1);
    let stopped = stage.output(&["consume", "t"]);
    fails(&stopped, 6, &["t-0", "offsets 0 to", "cannot be read", "--skip-corrupt"]);
    damage(1);
    let skipped = stage.output(&["consume", "t", "--skip-corrupt"]);
    let said = String::from_utf8_lossy(&skipped.stderr);
    assert!(skipped.status.success() && said.contains("skipped"), "{said}");
    let left = String::from_utf8(skipped.stdout).unwrap();
    assert!(!left.contains("v0") && left.ends_with("v2\n"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_a_load_has_the_headers_it_was_given() {
    let stage = Stage::new(&[("t", 1)]).await;
    let load = ["perf", "produce", "--topic", "t", "--num-records", "3", "--record-size", "5"];
    let sent = stage.output(&[&load[..], &["-H", "id=a/1", "--header", "empty="]].concat());
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let read = stage.prints(&["consume", "t", "-f", r"%V %h{%k=%v;}\n"]);
    assert_eq!(read, "5 id=a/1;empty=;\n".repeat(3));
    let refused = stage.output(&[&load[..], &["-H", "no value"]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}
