//! krafka's part in the comparison.
//!
//! ```text
//! bench-krafka produce|latency --bootstrap H:P --topic T --records N --size S --partitions P --api default|best --compression none|lz4 --payloads FILE
//! ```
//! `default`: its own settings, a delivery per record, awaited in order behind a window of 10,000. `best`:
//! larger batches, one thread - which costs it less than two -, deliveries dropped and batches counted by
//! its own metrics.

#[path = "../../common/report.rs"]
mod report;

use bytes::Bytes;
use krafka::producer::{DeliveryHandle, Producer};
use krafka::{Compression, Kafka, Record};
use report::{Args, Clock, WARM_UP};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// Deliveries kept before the oldest is awaited.
const WINDOW: usize = 10_000;

fn main() {
    let version = report::locked("krafka", include_str!("../Cargo.lock"));
    let args = Args::parse("krafka", version);
    runtime(&args).block_on(async {
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
