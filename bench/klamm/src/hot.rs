//! The rows of the hot path, against the sink broker:
//!
//! - `alone-sticky`, `alone-keyed`: the call alone: CPU of the calling thread, while nothing is sent
//! - `enqueue-sticky`, `enqueue-keyed`: the same while another thread sends as fast as the sink takes it
//! - `count-sticky`, `count-keyed`: to the acknowledgement, counted per batch
//! - `await`: to the acknowledgement, a delivery awaited per record, in order
//! - `closed`: 4,096 tasks that each wait for their record before the next

use super::{WINDOW, connect};
use crate::report::{Args, Clock};
use klamm::{Delivery, Producer, ProducerConfig, Record};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const TASKS: usize = 4_096;

pub async fn run(args: &Args) {
    let payload = vec![b'x'; args.size];
    let keys: Vec<String> = (0..1000).map(|i| format!("key-{i:012}")).collect();
    let api = args.api.as_str();
    let keyed = api.ends_with("keyed");
    let acked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&acked);
    let mut config = ProducerConfig::default();
    if api.starts_with("count") {
        config = config.on_batch(move |r| {
            r.outcome.expect("delivered");
            count.fetch_add(r.records as u64, Ordering::Relaxed);
        });
    }
    let alone = api.starts_with("alone");
    if alone {
        // Nothing is ready before it is flushed.
        config = config.linger(Duration::from_secs(60)).batch_size(1_000_000);
    }
    let producer = connect(args, config).await;
    // The first send brings producer id and connection.
    producer.send(Record::to(&args.topic).value(&payload)).await.expect("delivered");
    acked.store(0, Ordering::Relaxed);
    match api {
        "await" => await_in_order(args, &producer, &payload).await,
        "closed" => closed_loop(args, producer, payload).await,
        _ if alone => bursts(args, &producer, &payload, keyed.then_some(&keys)).await,
        _ => {
            let clock =
                if api.starts_with("enqueue") { Clock::of_this_thread() } else { Clock::start() };
            for key in keys.iter().cycle().take(args.records) {
                let record = Record::to(&args.topic).value(&payload);
                let record = if keyed { record.key(key) } else { record };
                drop(producer.enqueue(record).await.expect("enqueue"));
            }
            if api.starts_with("count") {
                producer.flush().await;
                while acked.load(Ordering::Relaxed) < args.records as u64 {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            }
            clock.report(args, args.records, "{}", &mut []);
        }
    }
}

/// Bursts that fit one open batch - or, by key, the open batches of all partitions - each sent
/// while the clock stands still.
async fn bursts(args: &Args, producer: &Producer, payload: &[u8], keys: Option<&Vec<String>>) {
    let burst = 850_000 / (args.size + 32) * if keys.is_some() { 16 } else { 1 };
    let rounds = args.records.div_ceil(burst);
    let mut clock = Clock::of_this_thread();
    clock.pause();
    for _ in 0..rounds {
        clock.resume();
        for i in 0..burst {
            let record = Record::to(&args.topic).value(payload);
            let record = match keys {
                Some(keys) => record.key(&keys[i % keys.len()]),
                None => record,
            };
            drop(producer.enqueue(record).await.expect("enqueue"));
        }
        clock.pause();
        producer.flush().await;
    }
    clock.report(args, rounds * burst, "{}", &mut []);
}

async fn await_in_order(args: &Args, producer: &Producer, payload: &[u8]) {
    let clock = Clock::start();
    let mut window: VecDeque<Delivery> = VecDeque::with_capacity(WINDOW);
    for _ in 0..args.records {
        if window.len() == WINDOW {
            window.pop_front().expect("full").await.expect("delivered");
        }
        let record = Record::to(&args.topic).value(payload);
        window.push_back(producer.enqueue(record).await.expect("enqueue"));
    }
    for delivery in window {
        delivery.await.expect("delivered");
    }
    clock.report(args, args.records, "{}", &mut []);
}

async fn closed_loop(args: &Args, producer: Producer, payload: Vec<u8>) {
    let payload: Arc<[u8]> = payload.into();
    let topic: Arc<str> = args.topic.as_str().into();
    let each = args.records / TASKS;
    let clock = Clock::start();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (producer, payload, topic) =
                (producer.clone(), Arc::clone(&payload), Arc::clone(&topic));
            tokio::spawn(async move {
                for _ in 0..each {
                    producer.send(Record::to(&topic).value(&payload[..])).await.expect("delivered");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task");
    }
    clock.report(args, each * TASKS, "{}", &mut []);
}
