//! `klamm perf e2e`: how long records take from one end to the other, and whether all of them come through.
//!
//! One process sends and reads, so there is one clock. Records go on a schedule, or as many at once as may be under way; each
//! says who it is, and every reader keeps books.

mod args;
mod print;
mod reader;

pub(crate) use self::args::PerfE2e;

use super::content::{Content, Stamped};
use super::in_flight::InFlight;
use super::load::Load;
use super::measure::{Meter, Summary, Totals};
use super::stage::Stage;
use super::{RATE_TOLERANCE, payload};
use crate::args::{Global, Output};
use crate::connect::{Settings, settings_over};
use crate::failure::{DATA, Failure, RATE_MISSED};
use crate::verify::{Sent, Verdict};
use klamm::{Client, Producer, ProducerConfig, TopicPartition};
use reader::{Reader, Run};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records under way at once when there is no schedule.
const IN_FLIGHT: u64 = 100;
/// How often it is looked whether all has been read.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long the producer may take to end: longer than a delivery.
const CLOSE_LIMIT: Duration = Duration::from_secs(130);

/// What a run came to.
struct Outcome {
    /// From when a record was due until it was acknowledged.
    acknowledged: Summary,
    /// From when a record was due until it was read.
    read: Summary,
    verdict: Verdict,
    /// What a reader met that was no record.
    trouble: Option<String>,
    /// Whether the broker's work is part of what it cost.
    embedded: bool,
}

pub(crate) async fn run(global: &Global, args: PerfE2e) -> Result<(), Failure> {
    let settings = settings(global, &args)?;
    let stage = Stage::set(settings.client.clone(), &args.topic)?;
    let client = stage.client().await?;
    if stage.make_topic(&client, &args.topic).await? {
        print::topic_made(global.output, &args);
    }
    let totals = Arc::new(Totals::default());
    let producer = producer(&client, settings.producer.clone(), &totals, &args.topic).await?;
    let reading = reading(global, &args)?;
    let readers = readers(&stage, &settings, &producer, &args, reading.id).await?;
    let load = load(&args, producer.clone(), &reading)?;
    let running: Vec<_> = (0..)
        .zip(&readers)
        .map(|(number, reader)| tokio::spawn(Arc::clone(reader).read(number, reading.clone())))
        .collect();
    let progress = print::progress(global.output, &args, &reading.meter);
    let (sent, result) = load.run(args.num_records, args.tasks).await;
    producer.close(CLOSE_LIMIT).await;
    let waited = wait(&readers, Duration::from_millis(args.timeout)).await;
    for reader in &readers {
        reader.close().await;
    }
    for task in running {
        let _ = task.await;
    }
    progress.finish();
    let mut outcome = outcome(&readers, &sent);
    outcome.acknowledged = load.meter.finish(&totals);
    outcome.read = reading.meter.finish(&Totals::default());
    outcome.embedded = stage.is_embedded();
    print::outcome(global.output, &args, &outcome, &settings);
    result.and(waited).and(judge(&args, &outcome))
}

/// Records are not held back for company unless that is asked for, as in Kafka's tool.
fn settings(global: &Global, args: &PerfE2e) -> Result<Settings, Failure> {
    let mut defaults = Settings::default();
    defaults.apply("linger.ms", "0")?;
    defaults.apply("acks", &args.producer_acks)?;
    settings_over(defaults, global, &args.command_property)
}

async fn producer(
    client: &Client,
    config: ProducerConfig,
    totals: &Arc<Totals>,
    topic: &str,
) -> Result<Producer, Failure> {
    let counted = Arc::clone(totals);
    let producer = client.producer(config.on_batch(move |report| counted.count(report)))?;
    producer.partitions_for(topic).await?;
    Ok(producer)
}

/// What readers have to know of the run.
fn reading(global: &Global, args: &PerfE2e) -> Result<Run, Failure> {
    let readers = args.consumers.max(1);
    let unless_told = match (args.compat, args.throughput > 0) {
        (true, _) => Some(1),
        (false, true) => None,
        (false, false) => Some(IN_FLIGHT),
    };
    let limit = args.in_flight.or(unless_told);
    Ok(Run {
        id: fastrand::u32(..),
        began: Instant::now(),
        meter: Arc::new(Meter::new(args.warmup_records * readers as u64)?),
        in_flight: limit.map(|limit| Arc::new(InFlight::new(limit, readers))),
        tell: args.compat && global.output == Output::Text,
    })
}

fn load(args: &PerfE2e, producer: Producer, reading: &Run) -> Result<Load, Failure> {
    let header = |n: usize| {
        let digits = n.to_string();
        let name = digits.chars().chain(std::iter::repeat('h')).take(args.record_header_key_size);
        (name.collect(), vec![b'h'; args.record_header_size])
    };
    let content = Content::Stamped(Stamped {
        run: reading.id,
        began: reading.began,
        values: Arc::new(payload::generate(args.record_size.0.clone())),
        key_size: args.record_key_size,
        headers: Arc::new((0..args.num_headers).map(header).collect()),
    });
    Ok(Load {
        producer,
        topic: args.topic.as_str().into(),
        content,
        meter: Arc::new(Meter::new(args.warmup_records)?),
        rate: u64::try_from(args.throughput).ok().filter(|rate| *rate > 0),
        in_flight: reading.in_flight.clone(),
    })
}

/// Consumers with connections of their own, at the end of every partition.
async fn readers(
    stage: &Stage,
    settings: &Settings,
    producer: &Producer,
    args: &PerfE2e,
    run: u32,
) -> Result<Vec<Arc<Reader>>, Failure> {
    let count = producer.partitions_for(&args.topic).await?;
    let topic: Arc<str> = args.topic.as_str().into();
    let partitions: Vec<TopicPartition> =
        (0..count as i32).map(|n| TopicPartition::new(Arc::clone(&topic), n)).collect();
    let mut readers = Vec::new();
    for _ in 0..args.consumers.max(1) {
        let (client, config) = (stage.client().await?, settings.consumer.clone());
        readers.push(Arc::new(Reader::start(client, config, &partitions, run).await?));
    }
    Ok(readers)
}

/// Waits until every reader has come to the end, or none gets any further.
async fn wait(readers: &[Arc<Reader>], patience: Duration) -> Result<(), Failure> {
    let Some(first) = readers.first() else { return Ok(()) };
    let ends = first.ends().await?;
    let mut last = (u64::MAX, Instant::now());
    loop {
        let behind = readers.iter().map(|reader| reader.behind(&ends)).sum();
        if behind == 0 || (behind == last.0 && last.1.elapsed() > patience) {
            return Ok(());
        }
        if behind != last.0 {
            last = (behind, Instant::now());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn outcome(readers: &[Arc<Reader>], sent: &Sent) -> Outcome {
    let (mut verdict, mut trouble) = (Verdict::default(), None);
    for reader in readers {
        let (more, met) = reader.verdict(sent);
        verdict.add(&more);
        trouble = trouble.or(met);
    }
    let (acknowledged, read) = (Summary::default(), Summary::default());
    Outcome { acknowledged, read, verdict, trouble, embedded: false }
}

/// Whether it was as it must be.
fn judge(args: &PerfE2e, outcome: &Outcome) -> Result<(), Failure> {
    let Outcome { acknowledged, verdict, .. } = outcome;
    if !verdict.is_clean() || verdict.read_again > 0 {
        return Err(Failure::new(RATE_MISSED, verdict.to_string()));
    }
    if acknowledged.failed > 0 {
        let (failed, all) = (acknowledged.failed, args.num_records);
        let text = format!("{failed} of {all} records have no acknowledgement");
        return Err(Failure::new(DATA, text));
    }
    let target = args.throughput as f64;
    if target > 0.0 && acknowledged.rate < target * (1.0 - RATE_TOLERANCE) {
        let rate = acknowledged.rate;
        let text = format!("{rate:.1} records/s is short of the {target:.0} asked for");
        return Err(Failure::new(RATE_MISSED, text));
    }
    Ok(())
}
