//! How quick the write-ahead log is: clients that append one record each and wait for their receipt, and a reader.
//!
//! ```text
//! cargo run --release -p klamm-gateway --example wal_append -- DIRECTORY [CLIENTS [SECONDS [RECORD_BYTES]]]
//! ```
//!
//! It prints appends a second, the CPU time of the process for each, and how long a sync took. With `memory` for a directory
//! there is no disk, and what is left is the log's own cost.

use klamm_gateway::Accepted;
use klamm_gateway::wal::{Histogram, Wal, WalConfig, WalReader};
use klamm_log::storage::{FileStorage, MemoryStorage, Storage};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("which directory?")?;
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let (clients, seconds, bytes) = (number(64)?, number(3)?, number(300)?);
    let storage: Arc<dyn Storage> = match &*dir {
        "memory" => Arc::new(MemoryStorage::new()),
        dir => Arc::new(FileStorage::open(dir)?),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(storage, clients, seconds, usize::try_from(bytes)?))
}

async fn measure(
    storage: Arc<dyn Storage>,
    clients: u64,
    seconds: u64,
    bytes: usize,
) -> Result<(), Box<dyn Error>> {
    let (wal, reader, _) = Wal::open(storage, WalConfig::default())?;
    let reading = tokio::spawn(drain(wal.clone(), reader));
    let stop = Arc::new(AtomicBool::new(false));
    let (began, used) = (Instant::now(), cpu()?);
    let appending: Vec<_> =
        (0..clients).map(|n| tokio::spawn(client(wal.clone(), n, bytes, stop.clone()))).collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut appends = 0;
    for client in appending {
        appends += client.await??;
    }
    let (took, used) = (began.elapsed(), cpu()? - used);
    let state = wal.state();
    wal.close().await;
    let read = reading.await?;
    println!(
        "{:.0} appends/s, {:.2} us CPU each, {read} read; sync us: {}",
        appends as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / appends as f64,
        spread(&state.sync_us),
    );
    Ok(())
}

/// Appends one record at a time until told to stop; how many.
async fn client(
    wal: Wal,
    n: u64,
    bytes: usize,
    stop: Arc<AtomicBool>,
) -> Result<u64, klamm_gateway::wal::AppendRefused> {
    let (topic, value) = (Arc::<str>::from("orders"), bytes::Bytes::from(vec![b'x'; bytes]));
    let key = Some(bytes::Bytes::from(n.to_string()));
    let mut appends = 0;
    while !stop.load(Ordering::Relaxed) {
        let record = Accepted {
            topic: topic.clone(),
            partition: None,
            timestamp: 1_000,
            key: key.clone(),
            value: Some(value.clone()),
            headers: Vec::new(),
            idempotency: None,
        };
        wal.append(vec![record]).await?;
        appends += 1;
    }
    Ok(appends)
}

/// Stands for Kafka: has everything as soon as it is read. How many records.
async fn drain(wal: Wal, mut reader: WalReader) -> u64 {
    let mut read = 0;
    while let Some(records) = reader.next(1024 * 1024).await {
        read += records.len() as u64;
        if let Some((last, _)) = records.last() {
            wal.release(last + 1);
        }
    }
    read
}

/// What the process has used so far.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    /// Of one unit in the file.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let times = behind_name.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    Ok(times.sum::<Result<u32, _>>()? * TICK)
}

/// The middle and the end of a histogram: no more than.
fn spread(histogram: &Histogram) -> String {
    let bound = |share: f64| {
        let mut left = (histogram.count() as f64 * share) as u64;
        let mut buckets = histogram.buckets();
        let found = buckets.find(|(_, count)| {
            let here = left < *count;
            left = left.saturating_sub(*count);
            here
        });
        found.and_then(|(bound, _)| bound).map_or("-".to_owned(), |bound| bound.to_string())
    };
    format!("{} syncs, p50 <= {}, p99 <= {}", histogram.count(), bound(0.5), bound(0.99))
}
