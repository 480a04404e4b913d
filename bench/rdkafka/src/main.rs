//! The part of librdkafka, through its Rust crate, in the comparison.
//!
//! ```text
//! bench-rdkafka produce|latency|consume --bootstrap H:P --topic T --records N --size S --partitions P --api default|best --compression none|lz4 --payloads FILE
//! ```
//! A delivery callback per record in both. `default`: its own settings, idempotent. `best`: longer linger,
//! larger queue and batches. `consume`: a poll per record.

#[path = "../../common/report.rs"]
mod report;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use report::{Args, Clock, Seen, WARM_UP};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

const METADATA: Duration = Duration::from_secs(10);
/// How long a poll waits.
const PATIENCE: Duration = Duration::from_secs(10);
const FLUSH: Duration = Duration::from_secs(120);

/// Takes the callbacks: counts them, and in `latency` hands each to the sender.
struct Results {
    delivered: AtomicU64,
    failed: AtomicU64,
    waiting: Option<Sender<()>>,
}

impl ClientContext for Results {}

impl ProducerContext for Results {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.delivered.fetch_add(1, Ordering::Relaxed),
            Err((error, message)) => {
                let before = self.failed.fetch_add(1, Ordering::Relaxed);
                if before == 0 {
                    eprintln!("partition {}: {error}", message.partition());
                }
                before
            }
        };
        if let Some(waiting) = &self.waiting {
            // Fails only after the last record, when nobody waits.
            let _ = waiting.send(());
        }
    }
}

type Settings = BTreeMap<&'static str, &'static str>;

fn main() {
    let library = rdkafka::util::get_rdkafka_version().1;
    let version = report::locked("rdkafka", include_str!("../Cargo.lock"));
    let args = Args::parse("rdkafka", format!("{version} (librdkafka {library})"));
    match args.mode.as_str() {
        "produce" => produce(&args),
        "latency" => latency(&args),
        "consume" => consume(&args),
        mode => panic!("mode {mode}"),
    }
}

fn settings(args: &Args) -> Settings {
    let mut settings = Settings::from([("acks", "all"), ("enable.idempotence", "true")]);
    if args.lz4() {
        settings.insert("compression.type", "lz4");
    }
    if args.large() {
        settings.insert("message.max.bytes", "10485760");
    }
    if args.best() && args.mode == "latency" {
        settings.insert("linger.ms", "0");
    } else if args.best() {
        settings.extend([
            ("linger.ms", "20"),
            ("queue.buffering.max.messages", "1000000"),
            ("queue.buffering.max.kbytes", "262144"),
            ("batch.num.messages", "100000"),
        ]);
        if args.partitions > 1 {
            settings.insert("sticky.partitioning.linger.ms", "20");
        }
    }
    settings
}

fn json(settings: &Settings) -> String {
    let fields: Vec<_> =
        settings.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    format!("{{{}}}", fields.join(","))
}

fn connect(
    args: &Args,
    settings: &Settings,
    waiting: Option<Sender<()>>,
) -> ThreadedProducer<Results> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.bootstrap);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    let results = Results { delivered: AtomicU64::new(0), failed: AtomicU64::new(0), waiting };
    let producer: ThreadedProducer<Results> =
        config.create_with_context(results).expect("settings");
    producer.client().fetch_metadata(Some(&args.topic), METADATA).expect("topic");
    producer
}

/// Hands a record over; a full queue is the back pressure of this client.
fn send(producer: &ThreadedProducer<Results>, topic: &str, value: &[u8]) {
    let mut record = BaseRecord::<(), [u8]>::to(topic).payload(value);
    loop {
        record = match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => record,
            Err((error, _)) => panic!("{error}"),
        };
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn check(producer: &ThreadedProducer<Results>, records: usize) {
    let results = producer.context();
    let (delivered, failed) = (&results.delivered, &results.failed);
    let counts = (delivered.load(Ordering::Acquire), failed.load(Ordering::Acquire));
    assert_eq!(counts, (records as u64, 0), "delivered and failed");
}

fn produce(args: &Args) {
    let pool = args.pool();
    let settings = settings(args);
    let producer = connect(args, &settings, None);
    let clock = Clock::start();
    for value in pool.iter().cycle().take(args.records) {
        send(&producer, &args.topic, value);
    }
    producer.flush(FLUSH).expect("flush");
    check(&producer, args.records);
    clock.report(args, args.records, &json(&settings), &mut []);
}

fn latency(args: &Args) {
    let pool = args.pool();
    let settings = settings(args);
    let (delivered, wait) = channel();
    let producer = connect(args, &settings, Some(delivered));
    let mut latencies = Vec::with_capacity(args.records);
    let mut clock = Clock::start();
    for (i, value) in pool.iter().cycle().take(WARM_UP + args.records).enumerate() {
        if i == WARM_UP {
            clock = Clock::start();
        }
        let sent = Instant::now();
        send(&producer, &args.topic, value);
        wait.recv().expect("a result");
        if i >= WARM_UP {
            latencies.push(sent.elapsed());
        }
    }
    check(&producer, WARM_UP + args.records);
    clock.report(args, args.records, &json(&settings), &mut latencies);
}

fn consume(args: &Args) {
    let mut settings = Settings::from([("group.id", "unused"), ("enable.auto.commit", "false")]);
    if args.best() {
        settings.extend([
            ("queued.min.messages", "1000000"),
            ("queued.max.messages.kbytes", "262144"),
            ("max.partition.fetch.bytes", "5242880"),
            ("fetch.queue.backoff.ms", "2"),
        ]);
    }
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.bootstrap);
    for (name, value) in &settings {
        config.set(*name, *value);
    }
    let clock = Clock::start();
    let consumer: BaseConsumer = config.create().expect("settings");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..args.partitions as i32 {
        let added = partitions.add_partition_offset(&args.topic, partition, Offset::Beginning);
        added.expect("a partition");
    }
    consumer.assign(&partitions).expect("assigned");
    let mut seen = Seen::default();
    while !seen.all(args) {
        if let Some(message) = consumer.poll(PATIENCE) {
            seen.add(message.expect("a record").payload());
        }
    }
    clock.report(args, args.records, &json(&settings), &mut []);
    seen.check(args);
}
