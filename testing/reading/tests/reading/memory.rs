//! Many partitions of well compressed data and an application that takes its time: what is fetched,
//! decompressed and held stays within `fetch.buffer.memory`.

use crate::stage::{Stage, poll};
use klamm::{Codec, Consumer, ConsumerConfig, ProducerConfig, Record, Start};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const PARTITIONS: i32 = 1_000;
const RECORDS: usize = 24;
const VALUE_BYTES: usize = 1_000;
/// A twentieth of what all partitions come to.
const LIMIT: usize = 1_200 * 1024;
/// How far one batch at a time may go over: what a batch of 24 KB is taken to come to before it is
/// decompressed, which is at most four times as much.
const OVERHEAD: usize = 128 * 1024;
/// Batches that the application has in its hands.
const HELD: usize = 5;

async fn fill(stage: &Stage) {
    let config = ProducerConfig::default().compression(Codec::Zstd);
    let producer = stage.client.producer(config).unwrap();
    for partition in 0..PARTITIONS {
        let value = vec![u8::try_from(partition % 100).unwrap(); VALUE_BYTES];
        let record = |_| Record::to("t").partition(partition).value(&value);
        producer.send_all((0..RECORDS).map(record)).await.unwrap();
    }
    producer.close(Duration::from_secs(10)).await;
}

/// The most that was in use while this lives, seen from another thread all the time.
struct Watch {
    peak: Arc<AtomicUsize>,
    done: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Watch {
    fn over(consumer: &Arc<Consumer>) -> Self {
        let (peak, done): (Arc<AtomicUsize>, Arc<AtomicBool>) = Default::default();
        let (watched, to, until) = (Arc::clone(consumer), Arc::clone(&peak), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                to.fetch_max(watched.memory_used(), Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        Self { peak, done, thread }
    }

    fn peak(self) -> usize {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.peak.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_compressed_partitions_and_a_slow_reader_stay_within_the_budget() {
    let stage = Stage::new(PARTITIONS).await;
    fill(&stage).await;
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetched);
    stage.wire.edits().fetch = Some(Box::new(move |_, _, answer| {
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        let records = partitions.flat_map(|data| &data.records);
        count.fetch_add(records.map(|records| records.len()).sum(), Ordering::Relaxed);
    }));
    let config = ConsumerConfig::default().fetch_buffer_memory(LIMIT);
    let consumer = Arc::new(stage.consumer(config));
    let watch = Watch::over(&consumer);
    consumer.assign((0..PARTITIONS).map(|partition| ("t", partition, Start::Earliest)));
    let (mut held, mut bytes, mut records) = (VecDeque::new(), 0, 0);
    while records < RECORDS * usize::try_from(PARTITIONS).unwrap() {
        let batch = poll(&consumer).await.unwrap();
        bytes += batch.bytes();
        records += batch.len();
        held.push_back(batch);
        if held.len() > HELD {
            held.pop_front();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ratio = bytes / fetched.load(Ordering::Relaxed);
    assert!(ratio >= 20, "{ratio} is no case of well compressed data");
    assert!(bytes > 15 * LIMIT, "{bytes} bytes would nearly fit");
    let peak = watch.peak();
    assert!(peak <= LIMIT + OVERHEAD, "{peak} bytes of {LIMIT}");
    assert!(peak > LIMIT / 2, "{peak} bytes leave most of it unused");
    held.clear();
    consumer.close().await;
    assert_eq!(consumer.memory_used(), 0);
}
