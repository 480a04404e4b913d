//! krafka's part in the comparison.
//!
//! ```text
//! bench-krafka produce|latency|consume --bootstrap H:P --topic T --records N --size S --partitions P --api default|best --compression none|lz4 --payloads FILE
//! ```
//! `default`: its own settings, a delivery per record, awaited in order behind a window of 10,000. `best`:
//! larger batches, one thread - which costs it less than two -, deliveries dropped and batches counted by
//! its own metrics.

#[path = "../../common/report.rs"]
mod report;

use bytes::Bytes;
use krafka::consumer::{AutoOffsetReset, TopicPartition};
use krafka::producer::{DeliveryHandle, Producer};
use krafka::{Compression, Kafka, Record};
use report::{Args, Clock, Seen, WARM_UP};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// How long a poll waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Deliveries kept before the oldest is awaited.
const WINDOW: usize = 10_000;

fn main() {
    let version = report::locked("krafka", include_str!("../Cargo.lock"));
    let args = Args::parse("krafka", version);
    runtime(&args).block_on(async {
        if args.mode == "consume" {
            return consume(&args).await;
        }
        let producer = connect(&args).await;
        match args.mode.as_str() {
            "produce" => produce(&args, &producer).await,
            "latency" => latency(&args, &producer).await,
            mode => panic!("mode {mode}"),
        }
        producer.close().await.expect("closed");
    });
}

fn runtime(args: &Args) -> Runtime {
    let mut builder = if args.best() {
        Builder::new_current_thread()
    } else {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2);
        builder
    };
    builder.enable_all().build().expect("runtime")
}

async fn connect(args: &Args) -> Producer {
    let kafka = Kafka::builder(args.bootstrap.as_str()).connect().await.expect("connect");
    let mut builder = kafka.producer();
    if args.lz4() {
        builder = builder.compression(Compression::Lz4);
    }
    if args.best() && args.mode == "latency" {
        builder = builder.linger(Duration::ZERO);
    } else if args.best() {
        builder = builder
            .linger(Duration::from_millis(20))
            .batch_size(256 << 10)
            .buffer_memory(128 << 20);
    }
    let producer = builder.build().await.expect("settings");
    producer.partitions_for(&args.topic).await.expect("topic");
    producer
}

async fn produce(args: &Args, producer: &Producer) {
    let pool: Vec<Bytes> = args.pool().into_iter().map(Bytes::from).collect();
    let clock = Clock::start();
    let mut window: VecDeque<DeliveryHandle> = VecDeque::with_capacity(WINDOW);
    for value in pool.iter().cycle().take(args.records) {
        let record = Record::new(args.topic.as_str(), value.clone());
        let delivery = producer.enqueue(record).await.expect("enqueue");
        if args.best() {
            continue;
        }
        if window.len() == WINDOW {
            let oldest = window.pop_front().expect("full");
            let _ = oldest.await.expect("delivered");
        }
        window.push_back(delivery);
    }
    for delivery in window {
        let _ = delivery.await.expect("delivered");
    }
    producer.flush().await.expect("flush");
    // A flush waits for outcomes and does not tell them.
    let outcome = producer.metrics().producer;
    assert_eq!((outcome.records_sent, outcome.errors), (args.records as u64, 0), "delivered");
    let settings = if args.best() {
        r#"{"acks":"all","idempotent":true,"linger_ms":20,"batch_size":262144,"buffer_memory":134217728,"threads":1,"result":"per flush"}"#
    } else {
        r#"{"acks":"all","idempotent":true,"linger_ms":5,"batch_size":16384,"threads":2,"result":"per record, window 10000"}"#
    };
    clock.report(args, args.records, settings, &mut []);
}

async fn latency(args: &Args, producer: &Producer) {
    let pool: Vec<Bytes> = args.pool().into_iter().map(Bytes::from).collect();
    let mut latencies = Vec::with_capacity(args.records);
    let mut clock = Clock::start();
    for (i, value) in pool.iter().cycle().take(WARM_UP + args.records).enumerate() {
        if i == WARM_UP {
            clock = Clock::start();
        }
        let sent = Instant::now();
        let record = Record::new(args.topic.as_str(), value.clone());
        let _ = producer.send(record).await.expect("delivered");
        if i >= WARM_UP {
            latencies.push(sent.elapsed());
        }
    }
    clock.report(args, args.records, r#"{"send":"one record, awaited"}"#, &mut latencies);
}

async fn consume(args: &Args) {
    let clock = Clock::start();
    let kafka = Kafka::builder(args.bootstrap.as_str()).connect().await.expect("connect");
    let starts: Vec<(TopicPartition, i64)> = (0..args.partitions as i32)
        .map(|partition| (TopicPartition::new(args.topic.clone(), partition), 0))
        .collect();
    let mut builder = kafka
        .consumer_without_group()
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .initial_offsets(starts);
    if args.best() {
        builder = builder
            .max_poll_records(20_000)
            .max_buffered_records(200_000)
            .max_partition_fetch_bytes(5 << 20);
    }
    let consumer = builder.build().await.expect("settings");
    consumer.assign(&args.topic, (0..args.partitions as i32).collect()).await.expect("partitions");
    let mut seen = Seen::default();
    while !seen.all(args) {
        for record in consumer.poll(PATIENCE).await.expect("records") {
            seen.add(record.value.as_deref());
        }
    }
    let settings = if args.best() {
        r#"{"max_poll_records":20000,"max_buffered_records":200000,"max_partition_fetch_bytes":5242880,"threads":1}"#
    } else {
        r#"{"max_poll_records":500,"max_buffered_records":500,"max_partition_fetch_bytes":1048576,"threads":2}"#
    };
    clock.report(args, args.records, settings, &mut []);
    seen.check(args);
}
