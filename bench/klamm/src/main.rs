//! klamm's part in the comparison.
//!
//! ```text
//! bench-klamm produce|latency|consume|hot --bootstrap H:P --topic T --records N --size S --partitions P --api default|best --compression none|lz4 --payloads FILE
//! ```
//! `default`: a delivery per record, awaited in order behind a window of 100,000. `best`: the same, but the
//! deliveries are dropped and batches are counted. `hot --api A` measures one row of the hot path against
//! the sink: see [`hot`]. `consume --api borrowed|owned|recv|best` reads a topic: see [`consume`].
//! `paced` and `follow --sizes FILE --rate R --seconds S` are large records at a steady rate: see [`paced`].

mod consume;
mod hot;
mod paced;
#[path = "../../common/report.rs"]
mod report;

use bytes::Bytes;
use klamm::{Client, ClientConfig, Codec, Delivery, Producer, ProducerConfig, Record};
use report::{Args, Clock};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Deliveries kept before the oldest is awaited.
const WINDOW: usize = 100_000;

fn main() {
    let args = Args::parse("klamm", env!("CARGO_PKG_VERSION"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    runtime.block_on(async move {
        match args.mode.as_str() {
            "produce" => produce(&args).await,
            "latency" => latency(&args).await,
            "consume" => consume::run(&args).await,
            "hot" => hot::run(&args).await,
            "paced" => paced::send(&args).await,
            "follow" => paced::follow(&args).await,
            mode => panic!("mode {mode}"),
        }
    });
}

async fn connect(args: &Args, config: ProducerConfig) -> Producer {
    let client = Client::connect(ClientConfig::new(&args.bootstrap)).await.expect("connect");
    let producer = client.producer(config).expect("settings");
    producer.partitions_for(&args.topic).await.expect("topic");
    producer
}

async fn produce(args: &Args) {
    let pool: Vec<Bytes> = args.pool().into_iter().map(Bytes::from).collect();
    let codec = if args.compression == "lz4" { Codec::Lz4 } else { Codec::None };
    let acked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&acked);
    let mut config = ProducerConfig::default().compression(codec);
    let large = args.size > 100_000;
    if large {
        // One record of this workload is a third of a default batch; the topic allows 10 MiB.
        config = config.batch_max_bytes(1_000_000);
    }
    if args.best() {
        config = config.on_batch(move |report| {
            report.outcome.expect("delivered");
            count.fetch_add(report.records as u64, Ordering::Relaxed);
        });
    }
    let producer = connect(args, config).await;
    let clock = Clock::start();
    let mut window: VecDeque<Delivery> = VecDeque::with_capacity(WINDOW);
    for value in pool.iter().cycle().take(args.records) {
        // As the documentation has it: small values are lent and copied, large ones shared and not copied.
        let record = Record::to(&args.topic);
        let record = if large { record.value(value.clone()) } else { record.value(&value[..]) };
        let delivery = producer.enqueue(record).await.expect("enqueue");
        if args.best() {
            continue;
        }
        if window.len() == WINDOW {
            window.pop_front().expect("full").await.expect("delivered");
        }
        window.push_back(delivery);
    }
    producer.flush().await;
    for delivery in window {
        delivery.await.expect("delivered");
    }
    while args.best() && acked.load(Ordering::Relaxed) < args.records as u64 {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let settings = if args.best() {
        "{\"acks\":\"all\",\"idempotent\":true,\"linger_ms\":5,\"result\":\"per batch\"}"
    } else {
        "{\"acks\":\"all\",\"idempotent\":true,\"linger_ms\":5,\"result\":\"per record, window 100000\"}"
    };
    clock.report(args, args.records, settings, &mut []);
}

async fn latency(args: &Args) {
    let pool: Vec<Bytes> = args.pool().into_iter().map(Bytes::from).collect();
    let config = if args.best() {
        ProducerConfig::default().linger(Duration::ZERO)
    } else {
        ProducerConfig::default()
    };
    let producer = connect(args, config).await;
    let mut latencies = Vec::with_capacity(args.records);
    let mut clock = Clock::start();
    for (i, value) in pool.iter().cycle().take(args.records + 200).enumerate() {
        if i == 200 {
            clock = Clock::start();
        }
        let sent = Instant::now();
        producer.send(Record::to(&args.topic).value(value.clone())).await.expect("delivered");
        if i >= 200 {
            latencies.push(sent.elapsed());
        }
    }
    clock.report(args, args.records, "{\"send\":\"one record, awaited\"}", &mut latencies);
}
