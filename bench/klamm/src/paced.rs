//! Large records at a steady rate: `paced` sends them, `follow` reads them by assignment and takes their age.
//!
//! A value begins with when it was sent, in nanoseconds since 1970, and which one it is; its size is in the file that both
//! sides read. Both use default settings, but nothing is held back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::connect;
use crate::report::{Args, Clock};
use klamm::{Client, ClientConfig, ConsumerConfig, ProducerConfig, Record, Start, TopicPartition};
use tokio::time::{Instant, sleep_until, timeout_at};

/// What a value begins with.
const STAMP: usize = 16;

fn sizes(args: &Args) -> Vec<usize> {
    let text = std::fs::read_to_string(&args.sizes).expect("--sizes");
    let sizes: Vec<usize> = text.lines().map(|line| line.parse().expect("a size")).collect();
    assert!(sizes.iter().all(|size| *size >= STAMP), "room for a stamp");
    sizes
}

/// Nanoseconds since 1970: the one clock that every process here reads.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

fn stamped(number: usize, size: usize) -> Vec<u8> {
    let mut value = vec![b'x'; size];
    value[8..STAMP].copy_from_slice(&(number as u64).to_be_bytes());
    value[..8].copy_from_slice(&now().to_be_bytes());
    value
}

/// Sends every record at its time: by the plan and not by the last one, or a late one would slow down all others.
pub async fn send(args: &Args) {
    let sizes = sizes(args);
    let producer = connect(args, ProducerConfig::default().linger(Duration::ZERO)).await;
    let gap = Duration::from_secs_f64(1.0 / args.rate);
    let clock = Clock::start();
    let started = Instant::now();
    let mut deliveries = Vec::with_capacity(sizes.len());
    for (number, size) in sizes.iter().enumerate() {
        sleep_until(started + gap * number as u32).await;
        let record = Record::to(&args.topic).value(stamped(number, *size));
        deliveries.push(producer.enqueue(record).await.expect("enqueue"));
    }
    producer.flush().await;
    for delivery in deliveries {
        delivery.await.expect("delivered");
    }
    let settings = r#"{"acks":"all","idempotent":true,"linger_ms":0}"#;
    clock.report_of(args, [sizes.len(), sizes.iter().sum()], settings, "");
}

/// What has arrived.
struct Arrivals {
    sizes: Vec<usize>,
    /// Nanoseconds from send to poll.
    ages: Vec<Option<u64>>,
    duplicated: usize,
    left: usize,
}

impl Arrivals {
    fn see(&mut self, value: &[u8]) {
        let now = now();
        let field = |at: usize| {
            let bytes = value.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_be_bytes(bytes.expect("a stamp"))
        };
        let (sent, number) = (field(0), field(8) as usize);
        assert_eq!(self.sizes.get(number), Some(&value.len()), "the size of record {number}");
        let age = now.checked_sub(sent).expect("a record of the past");
        if self.ages[number].is_some() {
            self.duplicated += 1;
            return;
        }
        self.ages[number] = Some(age);
        self.left -= 1;
    }

    /// The fields that only `follow` has; -1 is the age of what never came.
    fn told(&self) -> String {
        let age = |age: &Option<u64>| age.map_or(-1.0, |age| age as f64 / 1e3);
        let ages: Vec<String> = self.ages.iter().map(|a| format!("{:.1}", age(a))).collect();
        let Self { left, duplicated, .. } = self;
        let ages = ages.join(",");
        format!(r#","lost":{left},"duplicated":{duplicated},"ages_us":[{ages}]"#)
    }

    fn volume(&self) -> usize {
        let seen = self.sizes.iter().zip(&self.ages).filter(|(_, age)| age.is_some());
        seen.map(|(size, _)| size).sum()
    }
}

/// Reads until everything is there or the time is over; its clock runs from the first record.
pub async fn follow(args: &Args) {
    let sizes = sizes(args);
    let left = sizes.len();
    let mut arrivals = Arrivals { sizes, ages: vec![None; left], duplicated: 0, left };
    let client = Client::connect(ClientConfig::new(&args.bootstrap)).await.expect("connect");
    let consumer = client.consumer(ConsumerConfig::default()).expect("settings");
    consumer.assign([(&*args.topic, 0, Start::Earliest)]);
    let partition = TopicPartition::new(&*args.topic, 0);
    consumer.end_offsets([partition]).await.expect("a topic that answers");
    println!("ready");
    let deadline = Instant::now() + args.patience;
    let mut clock = None;
    while arrivals.left > 0 {
        let Ok(batch) = timeout_at(deadline, consumer.poll()).await else { break };
        clock.get_or_insert_with(Clock::start);
        for record in &batch.expect("records").expect("not closed") {
            arrivals.see(record.value().expect("a value"));
        }
    }
    let seen = arrivals.ages.len() - arrivals.left;
    let clock = clock.unwrap_or_else(Clock::start);
    clock.report_of(args, [seen, arrivals.volume()], r#"{"call":"poll()"}"#, &arrivals.told());
}
