//! `klamm perf consume`: how fast a topic is read, and what it costs.

mod args;
mod java_date;
mod joining;
mod print;

pub(crate) use self::args::PerfConsume;

use super::content::Content;
use super::load::Load;
use super::measure::Meter;
use super::payload;
use super::stage::Stage;
use crate::args::Global;
use crate::connect::{Settings, settings_over};
use crate::failure::{FAILED, Failure};
use joining::Joining;
use klamm::{Batch, Client, Consumer, ErrorKind, Start};
use klamm_metrics::{cpu_time, peak_resident_bytes};
use print::Printer;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Tasks that fill a broker in this process.
const FILLERS: usize = 4;
/// The topic of a broker in this process when topics are named by a pattern.
const OWN_TOPIC: &str = "perf";
/// How long the last of what fills it may take.
const FILL_LIMIT: Duration = Duration::from_secs(60);

/// What was read so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    records: u64,
    /// Of keys and values.
    bytes: u64,
    batches: u64,
}

impl Count {
    fn add(&mut self, batch: &Batch) {
        self.batches += 1;
        for record in batch {
            let len = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len) as u64;
            self.bytes += len(record.key()) + len(record.value());
            self.records += 1;
        }
    }
}

/// What it came to.
#[derive(Debug, Clone, Default)]
struct Outcome {
    count: Count,
    /// From the making of the consumer to the last record.
    time: Duration,
    /// From the making of the consumer to the first record.
    first: Duration,
    cpu: Duration,
    peak_rss_bytes: u64,
    /// Nothing came any more.
    timed_out: bool,
    /// Of `time`, what the group needed to agree; `None` without one.
    joining: Option<Duration>,
    /// What the consumer met on the way.
    trouble: Option<String>,
    /// Whether the broker's work is part of what it cost.
    embedded: bool,
}

pub(crate) async fn run(global: &Global, args: PerfConsume) -> Result<(), Failure> {
    let settings = settings(global, &args)?;
    // A broker of its own has one topic, whatever it is called.
    let topic: Arc<str> = args.topic.as_deref().unwrap_or(OWN_TOPIC).into();
    let stage = Stage::set(settings.client.clone(), &topic)?;
    if stage.is_embedded() {
        fill(&stage, &settings, &topic, &args).await?;
    }
    let client = stage.client().await?;
    let printer = Printer::start(global.output, &args);
    let mut outcome = read(&client, &settings, &args, printer.clone()).await?;
    outcome.embedded = stage.is_embedded();
    printer.finish(&args, &outcome, &settings);
    if outcome.timed_out && !args.compat {
        let (read, all, ms) = (outcome.count.records, args.num_records, args.timeout);
        let text = format!(
            "{read} of {all} records: nothing came for {ms} ms; --timeout sets how long it waits"
        );
        return Err(Failure::new(FAILED, text));
    }
    Ok(())
}

fn settings(global: &Global, args: &PerfConsume) -> Result<Settings, Failure> {
    let mut defaults = Settings::default();
    let reset = if args.from_latest { "latest" } else { "earliest" };
    defaults.apply("auto.offset.reset", reset)?;
    defaults.apply("max.partition.fetch.bytes", &args.fetch_size.to_string())?;
    if !args.assign {
        let own = || format!("perf-consumer-{}", fastrand::u32(..100_000));
        defaults.apply("group.id", &args.group.clone().unwrap_or_else(own))?;
    }
    if let Some(path) = &args.consumer_config {
        defaults.apply_file(path)?;
    }
    settings_over(defaults, global, &args.command_property)
}

/// Fills the topic with what is going to be read.
async fn fill(
    stage: &Stage,
    settings: &Settings,
    topic: &Arc<str>,
    args: &PerfConsume,
) -> Result<(), Failure> {
    let (records, size) = (args.num_records, args.record_size);
    eprintln!("filling it with {records} records of {size} bytes");
    let client = stage.client().await?;
    let producer = client.producer(settings.producer.clone())?;
    let load = Load {
        producer: producer.clone(),
        topic: Arc::clone(topic),
        content: Content::Plain {
            values: Arc::new(payload::generate(size..=size)),
            headers: Arc::default(),
        },
        meter: Arc::new(Meter::new(0)?),
        rate: None,
        in_flight: None,
    };
    let (sent, result) = load.run(records, FILLERS).await;
    producer.close(FILL_LIMIT).await;
    client.close().await;
    result?;
    if sent.acknowledged() < records {
        return Err(Failure::new(FAILED, "the broker in this process did not take all records"));
    }
    Ok(())
}

/// A consumer in a group, with who watches it, or one of all partitions.
async fn open(
    client: &Client,
    settings: &Settings,
    args: &PerfConsume,
) -> Result<(Consumer, Option<Arc<Joining>>), Failure> {
    if args.assign {
        return Ok((assigned(client, settings, args).await?, None));
    }
    let joining = Arc::new(Joining::new(Instant::now()));
    let config = settings.consumer.clone().rebalance_listener(Arc::clone(&joining) as _);
    let config = match &args.include {
        Some(pattern) => config.subscribe_pattern(pattern),
        None => config.subscribe(args.topic.clone()),
    };
    Ok((client.consumer(config)?, Some(joining)))
}

async fn assigned(
    client: &Client,
    settings: &Settings,
    args: &PerfConsume,
) -> Result<Consumer, Failure> {
    let consumer = client.consumer(settings.consumer.clone())?;
    let topics: Vec<String> = args.topic.iter().cloned().collect();
    for (topic, description) in client.admin().describe_topics(topics).await? {
        let (topic, partitions): (Arc<str>, _) = (topic.into(), description?.partitions);
        consumer.assign(partitions.iter().map(|p| (Arc::clone(&topic), p.partition, Start::Reset)));
    }
    Ok(consumer)
}

async fn read(
    client: &Client,
    settings: &Settings,
    args: &PerfConsume,
    mut printer: Printer,
) -> Result<Outcome, Failure> {
    let (started, cpu_before) = (Instant::now(), cpu_time());
    let (consumer, joining) = open(client, settings, args).await?;
    let mut outcome = Outcome::default();
    let mut last = started;
    while outcome.count.records < args.num_records {
        let deadline = (last + Duration::from_millis(args.timeout)).into();
        match timeout_at(deadline, consumer.poll()).await {
            Ok(Ok(Some(batch))) => {
                last = Instant::now();
                if outcome.count.batches == 0 {
                    outcome.first = last - started;
                }
                outcome.count.add(&batch);
                printer.at(last, &outcome.count, joining.as_deref());
            }
            Ok(Ok(None)) => break,
            Ok(Err(error)) if error.kind() == ErrorKind::Retriable => {
                outcome.trouble.get_or_insert(error.to_string());
            }
            Ok(Err(error)) => return Err(Failure::new(FAILED, error.to_string())),
            Err(_) => {
                outcome.timed_out = true;
                last = Instant::now();
                break;
            }
        }
    }
    outcome.time = last - started;
    outcome.joining = joining.map(|joining| joining.all());
    outcome.cpu = cpu_time().saturating_sub(cpu_before);
    outcome.peak_rss_bytes = peak_resident_bytes().unwrap_or(0);
    consumer.close().await;
    Ok(outcome)
}
