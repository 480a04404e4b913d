//! Reading a topic from its beginning, without a group.
//!
//! `borrowed`: batches whose records are lent; `owned`: batches that give their records out; `recv`: record by record. All
//! with default settings. `best`: lent, with larger answers and batches.

use crate::report::{Args, Clock, Seen};
use klamm::{Client, ClientConfig, Consumer, ConsumerConfig, Start};

const BEST_PARTITION_BYTES: i32 = 5 << 20;
const BEST_BATCH: usize = 10_000;

pub async fn run(args: &Args) {
    let clock = Clock::start();
    let client = Client::connect(ClientConfig::new(&args.bootstrap)).await.expect("connect");
    let mut config = ConsumerConfig::default();
    if args.best() {
        config =
            config.max_partition_fetch_bytes(BEST_PARTITION_BYTES).max_poll_records(BEST_BATCH);
    }
    let consumer = client.consumer(config).expect("settings");
    let partitions = 0..args.partitions as i32;
    consumer.assign(partitions.map(|partition| (&*args.topic, partition, Start::Earliest)));
    let seen = match args.api.as_str() {
        "borrowed" | "best" => borrowed(args, &consumer).await,
        "owned" => owned(args, &consumer).await,
        "recv" => one_by_one(args, &consumer).await,
        api => panic!("api {api}"),
    };
    let (bytes, batch) =
        if args.best() { (BEST_PARTITION_BYTES, BEST_BATCH) } else { (1 << 20, 500) };
    let settings = format!(
        r#"{{"crc":"checked","max_partition_fetch_bytes":{bytes},"max_poll_records":{batch}}}"#
    );
    clock.report(args, args.records, &settings, &mut []);
    seen.check(args);
}

async fn borrowed(args: &Args, consumer: &Consumer) -> Seen {
    let mut seen = Seen::default();
    while !seen.all(args) {
        let batch = consumer.poll().await.expect("records").expect("not closed");
        for record in &batch {
            seen.add(record.value());
        }
    }
    seen
}

async fn owned(args: &Args, consumer: &Consumer) -> Seen {
    let mut seen = Seen::default();
    while !seen.all(args) {
        let batch = consumer.poll().await.expect("records").expect("not closed");
        for record in batch.into_records() {
            seen.add(record.value());
        }
    }
    seen
}

async fn one_by_one(args: &Args, consumer: &Consumer) -> Seen {
    let mut seen = Seen::default();
    while !seen.all(args) {
        let record = consumer.recv().await.expect("a record").expect("not closed");
        seen.add(record.value());
    }
    seen
}
