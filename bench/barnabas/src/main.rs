//! barnabas' part in the comparison.
//!
//! ```text
//! bench-barnabas produce|latency|consume --bootstrap H:P --topic T --records N --size S --partitions P --api default|best --compression none|lz4 --payloads FILE
//! ```
//! `default`: record by record, with a linger of 5 ms, because its own default of none sends every record
//! alone; it leaves records without a key on one partition, however many there are. `best`: batches that the
//! program builds, then a flush, which is a barrier. It spawns nothing: one thread does everything. `consume` has one way, with its own settings.

#[path = "../../common/report.rs"]
mod report;

use barnabas_tokio::{Consumer, EARLIEST, IsolationLevel, Producer, ProducerRecord, Tokio};
use bytes::Bytes;
use kafka_protocol::records::Compression;
use report::{Args, Clock, Seen, WARM_UP};
use std::time::{Duration, Instant};

/// What a request may hold: brokers refuse more than 1 MiB in a batch unless they are told otherwise.
const REQUEST: usize = 900_000;
/// What the wire adds to a value, at most.
const OVERHEAD: usize = 16;
/// Batches of one partition that go out before the first is acknowledged.
const IN_FLIGHT: usize = 5;

fn main() {
    let version = report::locked("barnabas-tokio", include_str!("../Cargo.lock"));
    let args = Args::parse("barnabas", version);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("runtime").block_on(async {
        if args.mode == "consume" {
            return consume(&args).await;
        }
        let mut producer = connect(&args).await;
        match (args.mode.as_str(), args.best()) {
            ("produce", false) => by_record(&args, &mut producer).await,
            ("produce", true) => by_batch(&args, &mut producer).await,
            ("latency", _) => latency(&args, &mut producer).await,
            (mode, _) => panic!("mode {mode}"),
        }
    });
}

async fn connect(args: &Args) -> Producer {
    let bootstrap = [args.bootstrap.clone()];
    let mut producer = Producer::idempotent(Tokio, &bootstrap, "bench").await.expect("connect");
    if args.lz4() {
        producer.set_compression(Compression::Lz4);
    }
    producer.partition_for(&args.topic, None).await.expect("topic");
    producer
}

/// The values of the pool, round and round, as records that share them.
fn records(args: &Args) -> impl Iterator<Item = ProducerRecord> {
    let pool: Vec<Bytes> = args.pool().into_iter().map(Bytes::from).collect();
    (0..).map(move |i: usize| ProducerRecord::new(None, Some(pool[i % pool.len()].clone())))
}

async fn by_record(args: &Args, producer: &mut Producer) {
    producer.set_linger(Duration::from_millis(5));
    let records = records(args).take(args.records);
    let clock = Clock::start();
    for record in records {
        producer.produce(&args.topic, record).await.expect("delivered");
    }
    producer.flush().await.expect("delivered");
    let settings =
        r#"{"acks":"all","idempotent":true,"linger_ms":5,"batch_size":16384,"result":"per flush"}"#;
    clock.report(args, args.records, settings, &mut []);
}

/// One partition takes five requests of one batch, each batch a full request; many partitions share one
/// request, a batch each.
async fn by_batch(args: &Args, producer: &mut Producer) {
    let rounds = if args.partitions == 1 { IN_FLIGHT } else { 1 };
    let shared_by = args.partitions.min(IN_FLIGHT);
    let per_batch = (REQUEST / shared_by / (args.size + OVERHEAD)).max(1);
    let topic = args.topic.as_str();
    let mut records = records(args).take(args.records).peekable();
    let mut batch = Vec::with_capacity(per_batch);
    let clock = Clock::start();
    while records.peek().is_some() {
        for partition in (0..args.partitions as i32).cycle().take(rounds * args.partitions) {
            batch.clear();
            batch.extend(records.by_ref().take(per_batch));
            producer.enqueue(topic, partition, &batch).await.expect("encoded");
        }
        producer.flush().await.expect("delivered");
    }
    let settings = format!(
        r#"{{"acks":"all","idempotent":true,"records_per_batch":{per_batch},"batches_per_flush":{},"result":"per flush"}}"#,
        rounds * args.partitions
    );
    clock.report(args, args.records, &settings, &mut []);
}

async fn latency(args: &Args, producer: &mut Producer) {
    let mut latencies = Vec::with_capacity(args.records);
    let mut clock = Clock::start();
    for (i, record) in records(args).take(WARM_UP + args.records).enumerate() {
        if i == WARM_UP {
            clock = Clock::start();
        }
        let sent = Instant::now();
        producer.send(&args.topic, 0, &[record]).await.expect("delivered");
        if i >= WARM_UP {
            latencies.push(sent.elapsed());
        }
    }
    clock.report(args, args.records, r#"{"send":"one record, awaited"}"#, &mut latencies);
}

async fn consume(args: &Args) {
    let clock = Clock::start();
    let bootstrap = [args.bootstrap.clone()];
    let isolation = IsolationLevel::ReadUncommitted;
    let mut consumer = Consumer::new(Tokio, &bootstrap, "bench", isolation).await.expect("connect");
    for partition in 0..args.partitions as i32 {
        consumer.assign(&args.topic, partition, EARLIEST).await.expect("a partition");
    }
    let mut seen = Seen::default();
    while !seen.all(args) {
        for batch in consumer.poll().await.expect("records") {
            for record in batch.iter() {
                seen.add(record.value().as_deref());
            }
        }
    }
    clock.report(args, args.records, r#"{"fetch":"its own settings"}"#, &mut []);
    seen.check(args);
}
