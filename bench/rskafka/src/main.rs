//! rskafka's part in the comparison.
//!
//! ```text
//! bench-rskafka produce|latency --bootstrap H:P --topic T --records N --size S --partitions P --api best --compression none|lz4 --payloads FILE
//! ```
//! There is only `best`: batches that the program builds, five calls under way, partition after partition.
//! It is not idempotent: a call that is repeated may write twice or overtake another.

#[path = "../../common/report.rs"]
mod report;

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt};
use report::{Args, Clock, WARM_UP};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

/// What a batch may hold: brokers refuse more than 1 MiB unless they are told otherwise.
const BATCH: usize = 900_000;
/// What the wire adds to a value, at most.
const OVERHEAD: usize = 16;
const CALLS: usize = 5;

fn main() {
    let version = report::locked("rskafka", include_str!("../Cargo.lock"));
    let args = Args::parse("rskafka", version);
    assert!(args.best(), "rskafka sends only batches that the caller builds: --api best");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("runtime").block_on(async {
        let partitions = connect(&args).await;
        match args.mode.as_str() {
            "produce" => produce(&args, &partitions).await,
            "latency" => latency(&args, &partitions[0]).await,
            mode => panic!("mode {mode}"),
        }
    });
}

async fn connect(args: &Args) -> Vec<PartitionClient> {
    let client = ClientBuilder::new(vec![args.bootstrap.clone()]).build().await.expect("connect");
    let mut partitions = Vec::with_capacity(args.partitions);
    for partition in 0..args.partitions as i32 {
        let opened = client.partition_client(&args.topic, partition, UnknownTopicHandling::Retry);
        partitions.push(opened.await.expect("topic"));
    }
    partitions
}

fn compression(args: &Args) -> Compression {
    if args.lz4() { Compression::Lz4 } else { Compression::NoCompression }
}

fn now() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    DateTime::from_timestamp_millis(since.as_millis() as i64).expect("before the year 262000")
}

/// A record of its own: rskafka takes no shared values.
fn record(value: &[u8], timestamp: DateTime<Utc>) -> Record {
    Record { key: None, value: Some(value.to_vec()), headers: BTreeMap::new(), timestamp }
}

async fn produce(args: &Args, partitions: &[PartitionClient]) {
    let pool = args.pool();
    let per_batch = (BATCH / (args.size + OVERHEAD)).max(1);
    let compression = compression(args);
    let clock = Clock::start();
    let calls = (0..args.records).step_by(per_batch).zip(partitions.iter().cycle());
    let calls = calls.map(|(first, partition)| {
        let last = (first + per_batch).min(args.records);
        let pool = &pool;
        async move {
            let now = now();
            let batch = (first..last).map(|i| record(&pool[i % pool.len()], now)).collect();
            partition.produce(batch, compression).await.expect("delivered").len()
        }
    });
    let count = |sum, offsets| async move { sum + offsets };
    let delivered = stream::iter(calls).buffered(CALLS).fold(0, count).await;
    assert_eq!(delivered, args.records, "offsets of all records");
    let settings = format!(
        r#"{{"acks":"all","idempotent":false,"records_per_batch":{per_batch},"calls_in_flight":{CALLS},"result":"per batch"}}"#
    );
    clock.report(args, args.records, &settings, &mut []);
}

async fn latency(args: &Args, partition: &PartitionClient) {
    let pool = args.pool();
    let mut latencies = Vec::with_capacity(args.records);
    let mut clock = Clock::start();
    for (i, value) in pool.iter().cycle().take(WARM_UP + args.records).enumerate() {
        if i == WARM_UP {
            clock = Clock::start();
        }
        let sent = Instant::now();
        let batch = vec![record(value, now())];
        partition.produce(batch, compression(args)).await.expect("delivered");
        if i >= WARM_UP {
            latencies.push(sent.elapsed());
        }
    }
    clock.report(
        args,
        args.records,
        r#"{"idempotent":false,"send":"one record, awaited"}"#,
        &mut latencies,
    );
}
