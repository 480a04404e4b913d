//! What a consumer of many compressed partitions takes of memory while its application takes its time: the
//! process, beside `fetch.buffer.memory` and what the consumer says it uses of it.
//!
//! ```text
//! cargo run --release -p klamm --example slow_reader -- write localhost:9092 TOPIC [PARTITIONS] [MIB]
//! cargo run --release -p klamm --example slow_reader -- read  localhost:9092 TOPIC [BUDGET_MIB]
//! ```
//!
//! `write` makes the topic, of 1,000 partitions if nothing else is said, and fills it with so much data, 1,000 MiB
//! if nothing else is said, that zstd makes a small part of. `read` reads it with a budget of 64 MiB and a pause for each
//! batch, and prints a line a second: how much was read, what is in use, and the resident memory of the process
//! above what it had before.

use klamm::admin::NewTopic;
use klamm::{Client, ClientConfig, Codec, ConsumerConfig, ProducerConfig, Record, Start};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
const VALUE_BYTES: usize = 1_000;
/// The application's own time for a batch.
const PAUSE: Duration = Duration::from_millis(1);

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [what, bootstrap, topic, numbers @ ..] = args.as_slice() else {
        return Err("slow_reader write|read HOST:PORT TOPIC [NUMBERS]".into());
    };
    let number = |at: usize, default| numbers.get(at).map_or(Ok(default), |text| text.parse());
    let client = Client::connect(ClientConfig::new(bootstrap)).await?;
    match what.as_str() {
        "write" => write(&client, topic, number(0, 1_000)?, number(1, 1_000)?).await,
        "read" => read(&client, topic, number(0, 64)? * MIB).await,
        other => Err(format!("{other} is neither write nor read").into()),
    }
}

async fn write(client: &Client, topic: &str, count: usize, mib: usize) -> Result<(), Failure> {
    let partitions = i32::try_from(count)?;
    let wanted = vec![NewTopic::new(topic).partitions(partitions)];
    for (_, made) in client.admin().create_topics(wanted, false).await? {
        made?;
    }
    let producer = client.producer(ProducerConfig::default().compression(Codec::Zstd))?;
    let values: Vec<Vec<u8>> = (0..100u8).map(|byte| vec![byte; VALUE_BYTES]).collect();
    let records = mib * MIB / VALUE_BYTES / count.max(1);
    for partition in 0..partitions {
        let value = |n: usize| values.get(n % values.len()).map_or(&[][..], Vec::as_slice);
        let record = |n| Record::to(topic).partition(partition).value(value(n));
        producer.send_all((0..records).map(record)).await?;
    }
    producer.close(Duration::from_secs(60)).await;
    Ok(())
}

async fn read(client: &Client, topic: &str, budget: usize) -> Result<(), Failure> {
    let described = client.admin().describe_topics(vec![topic.to_owned()]).await?;
    let (_, described) = described.into_iter().next().ok_or("no answer")?;
    let partitions = i32::try_from(described?.partitions.len())?;
    let consumer = client.consumer(ConsumerConfig::default().fetch_buffer_memory(budget))?;
    let before = resident()?;
    consumer.assign((0..partitions).map(|partition| (topic, partition, Start::Earliest)));
    let (mut bytes, mut most, mut most_used) = (0, 0, 0);
    let mut said = Instant::now();
    let patience = Duration::from_secs(3);
    while let Ok(polled) = tokio::time::timeout(patience, consumer.poll()).await {
        bytes += polled?.ok_or("the consumer was closed")?.bytes();
        most_used = most_used.max(consumer.memory_used());
        tokio::time::sleep(PAUSE).await;
        if said.elapsed() > Duration::from_secs(1) {
            said = Instant::now();
            let grown = resident()?.saturating_sub(before);
            most = most.max(grown);
            let (read, used) = (bytes / MIB, consumer.memory_used() / MIB);
            println!("read {read} MiB, in use {used} MiB, resident {} MiB more", grown / MIB);
        }
    }
    let (budget, most_used, most) = (budget / MIB, most_used / MIB, most / MIB);
    println!("budget {budget} MiB, most in use {most_used} MiB, most resident {most} MiB more");
    consumer.close().await;
    Ok(())
}

/// Memory of this process, in bytes.
fn resident() -> Result<usize, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
    Ok(kib.parse::<usize>()? * 1024)
}
