//! A topic that goes through a pipe.

use crate::stage::{PATIENCE, Stage};
use klamm::{Client, Codec, ConsumerConfig, ProducerConfig, Record, Start};
use std::process::Stdio;

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
