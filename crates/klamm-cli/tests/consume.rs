//! `klamm consume` from outside, on a broker of this process: what comes out, when it ends, and that a topic
//! copied through a pipe is the same topic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use klamm::{Client, ClientConfig, Codec, ConsumerConfig, ProducerConfig, Record, Start};
use klamm_broker::Broker;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Stage {
    broker: Broker,
    client: Client,
}

impl Stage {
    async fn new(topics: &[(&str, i32)]) -> Self {
        let mut builder = Broker::builder();
        for (name, partitions) in topics {
            builder = builder.topic(name, *partitions);
        }
        let broker = builder.start().await.unwrap();
        let client = Client::connect(ClientConfig::new(broker.bootstrap())).await.unwrap();
        Self { broker, client }
    }

    /// Sends values `<from>`, ... to one partition, a millisecond apart from 1,000 on.
    async fn values(&self, topic: &str, partition: i32, numbers: std::ops::Range<i64>) {
        let producer = self.client.producer(ProducerConfig::default()).unwrap();
        let values: Vec<(i64, String)> = numbers.map(|n| (n, n.to_string())).collect();
        let records = values.iter().map(|(n, value)| {
            Record::to(topic).partition(partition).timestamp_ms(1_000 + n).value(value)
        });
        producer.send_all(records).await.unwrap();
        producer.close(PATIENCE).await;
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
        command.args(args).arg("-b").arg(self.broker.bootstrap());
        command.env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What it prints; it has to succeed.
    fn prints(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {errors}");
        assert_eq!(errors, "", "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn lines(&self, args: &[&str]) -> Vec<String> {
        self.prints(args).lines().map(ToOwned::to_owned).collect()
    }
}

fn fails(output: &Output, status: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}");
    for words in says {
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
}

fn numbers(numbers: impl IntoIterator<Item = i64>) -> Vec<String> {
    numbers.into_iter().map(|n| n.to_string()).collect()
}

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

/// A child whose lines are read as they come.
fn following(command: &mut Command) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

fn line(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn following_goes_on_until_a_signal() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..2).await;
    for name in ["-INT", "-TERM", "-HUP"] {
        let mut command = stage.command(&["consume", "t", "-F", "-o", "-1"]);
        let (mut child, mut lines) = following(&mut command);
        // It is flushed although it is little.
        assert_eq!(line(&mut lines), "1", "{name}");
        stage.values("t", 0, 1..2).await;
        assert_eq!(line(&mut lines), "1", "{name}");
        signal(&child, name);
        assert!(child.wait().unwrap().success(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_end_only_what_comes() {
    let stage = Stage::new(&[("t", 1)]).await;
    stage.values("t", 0, 0..2).await;
    let mut command = stage.command(&["consume", "t", "-o", "end", "-n", "2", "-v"]);
    command.stderr(Stdio::piped());
    let (mut child, mut lines) = following(&mut command);
    // It tells where it will read once it knows.
    let mut told = BufReader::new(child.stderr.take().unwrap());
    while !line(&mut told).contains("will be read") {}
    let drain = std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    stage.values("t", 0, 7..9).await;
    assert_eq!((line(&mut lines), line(&mut lines)), ("7".to_owned(), "8".to_owned()));
    assert!(child.wait().unwrap().success());
    drain.join().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_is_closed_is_no_error() {
    let stage = Stage::new(&[("t", 1)]).await;
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    let value = vec![b'x'; 10_000];
    let records = (0..1_000).map(|_| Record::to("t").partition(0).value(&value));
    producer.send_all(records).await.unwrap();
    let (child, mut lines) = following(&mut stage.command(&["consume", "t"]));
    assert_eq!(line(&mut lines).len(), value.len());
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

/// Partition, timestamp, key, value and headers of all records, in the order of their partitions.
type Row = (i32, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

async fn rows(client: &Client, topic: &str, partitions: i32, count: usize) -> Vec<Row> {
    let consumer = client.consumer(ConsumerConfig::default()).unwrap();
    consumer.assign((0..partitions).map(|p| (topic, p, Start::Earliest)));
    let mut rows = Vec::new();
    while rows.len() < count {
        let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await.expect("records");
        for r in &polled.unwrap().unwrap() {
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let headers = r.headers().map(|(name, value)| (name.to_owned(), owned(value)));
            let (key, value) = (owned(r.key()), owned(r.value()));
            rows.push((r.partition(), r.offset(), r.timestamp(), key, value, headers.collect()));
        }
    }
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_copied_through_a_pipe_is_the_same() {
    const COUNT: u32 = 5_000;
    let stage = Stage::new(&[("a", 3), ("b", 3)]).await;
    let config = ProducerConfig::default().compression(Codec::Lz4);
    let producer = stage.client.producer(config).unwrap();
    for n in 0..COUNT {
        let bytes = n.to_be_bytes();
        let text = format!("{n}\n\"é");
        let mut record = Record::to("a").partition((n % 3).cast_signed());
        record = record.timestamp_ms(1_000_000 + i64::from(n) * 7);
        record = match n % 4 {
            0 => record.key(&bytes).value(&text),
            1 => record.value(&bytes),
            2 => record.key("").header("h", &text).header("h", &bytes).null_header("h"),
            _ => record.key(&text).value("").header("", ""),
        };
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.flush().await;

    let mut consume = stage.command(&["consume", "a", "-O", "jsonl"]);
    let mut consume = consume.stderr(Stdio::inherit()).spawn().unwrap();
    let mut produce = stage.command(&["produce", "b", "-i", "jsonl"]);
    let produce = produce.stdin(consume.stdout.take().unwrap()).output().unwrap();
    assert!(consume.wait().unwrap().success());
    let said = String::from_utf8_lossy(&produce.stderr).into_owned();
    assert!(produce.status.success() && said.contains(&format!("delivered {COUNT} ")), "{said}");

    let count = COUNT as usize;
    let original = rows(&stage.client, "a", 3, count).await;
    assert_eq!(rows(&stage.client, "b", 3, count).await, original);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_larger_than_a_block_and_a_slow_reader() {
    let stage = Stage::new(&[("t", 1)]).await;
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    let value = vec![b'x'; 900_000];
    for _ in 0..8 {
        producer.send(Record::to("t").partition(0).value(&value)).await.unwrap();
    }
    let (mut child, mut lines) = following(&mut stage.command(&["consume", "t"]));
    assert_eq!(line(&mut lines).len(), value.len());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.lines().map(str::len).collect::<Vec<_>>(), [value.len(); 7]);
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_although_nobody_reads_the_pipe() {
    let stage = Stage::new(&[("t", 1)]).await;
    let producer = stage.client.producer(ProducerConfig::default()).unwrap();
    let value = vec![b'x'; 900_000];
    for _ in 0..8 {
        producer.send(Record::to("t").partition(0).value(&value)).await.unwrap();
    }
    let (mut child, mut lines) = following(&mut stage.command(&["consume", "t", "-F"]));
    // It has begun to write, and the rest does not fit into a pipe.
    assert_eq!(line(&mut lines).len(), value.len());
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
    drop(lines);
}

#[test]
fn without_a_broker_it_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.args(["consume", "t", "-b", "127.0.0.1:1"]).env_remove("RUST_LOG");
    fails(&command.output().unwrap(), 3, &["127.0.0.1:1"]);
    std::io::stdout().flush().unwrap();
}
