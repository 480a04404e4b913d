//! Sends numbered records and keeps a ledger of what became of each.
//!
//! One line per record, written once its outcome is known: `<outcome> <partition> <offset|-> <task> <n>`.
//! The record's key is its task, its value `<task>:<n>`. Whoever reads the topic afterwards can hold the
//! ledger against it: what is delivered must be there once and in order, what is not must not.
//!
//! ```text
//! cargo run --example ledger -- --bootstrap-server 127.0.0.1:9092 --topic t --out t.ledger --seconds 10 --tasks 8 --rate 10000
//! ```

use klamm::{Client, ClientConfig, Delivery, DeliveryError, Producer, ProducerConfig, Record};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Records whose outcome a task waits for before it sends more: memory stays bounded.
const WINDOW: usize = 50_000;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run())
}

fn flag(name: &str) -> Option<String> {
    std::env::args().skip_while(|a| a != name).nth(1)
}

fn number(name: &str, default: u64) -> Result<u64, Failed> {
    flag(name).map_or(Ok(default), |v| v.parse().map_err(|e| format!("{name} {v}: {e}").into()))
}

async fn run() -> Result<(), Failed> {
    let bootstrap = flag("--bootstrap-server").ok_or("--bootstrap-server HOST:PORT is missing")?;
    let topic: Arc<str> = flag("--topic").ok_or("--topic is missing")?.into();
    let out = File::create(flag("--out").ok_or("--out FILE is missing")?)?;
    let timeout = Duration::from_millis(number("--request-timeout-ms", 30_000)?);
    let client = Client::connect(ClientConfig::new(bootstrap).request_timeout(timeout)).await?;
    let producer = client.producer(ProducerConfig::default())?;
    let (tasks, rate) = (number("--tasks", 4)?, number("--rate", 10_000)?);
    let until = Instant::now() + Duration::from_secs(number("--seconds", 10)?);
    let ledger = Arc::new(Mutex::new(out));
    let sending: Vec<_> = (0..tasks)
        .map(|task| {
            let sender = Sender {
                producer: producer.clone(),
                topic: Arc::clone(&topic),
                ledger: Arc::clone(&ledger),
                task,
            };
            tokio::spawn(sender.run(until, rate.div_ceil(tasks.max(1))))
        })
        .collect();
    let mut counts = [0u64; 3];
    for task in sending {
        let of_task = task.await??;
        counts.iter_mut().zip(of_task).for_each(|(all, n)| *all += n);
    }
    producer.close(Duration::from_secs(30)).await;
    println!("delivered {} not delivered {} unknown {}", counts[0], counts[1], counts[2]);
    Ok(())
}

struct Sender {
    producer: Producer,
    topic: Arc<str>,
    ledger: Arc<Mutex<File>>,
    task: u64,
}

impl Sender {
    /// Sends `rate` records a second, in steps of ten milliseconds, and settles those that are answered.
    async fn run(self, until: Instant, rate: u64) -> Result<[u64; 3], Failed> {
        let mut waiting: VecDeque<(u64, Delivery)> = VecDeque::new();
        let mut counts = [0; 3];
        let (mut n, started) = (0, Instant::now());
        let mut step = tokio::time::interval(Duration::from_millis(10));
        while Instant::now() < until {
            step.tick().await;
            let due = (started.elapsed().as_millis() as u64 * rate) / 1000;
            while n < due {
                let (key, value) = (self.task.to_string(), format!("{}:{n}", self.task));
                let record = Record::to(&self.topic).key(&key).value(&value);
                waiting.push_back((n, self.producer.enqueue(record).await?));
                n += 1;
            }
            self.settle(&mut waiting, &mut counts, WINDOW).await?;
        }
        self.settle(&mut waiting, &mut counts, 0).await?;
        Ok(counts)
    }

    /// Writes the lines of all that is answered, and waits until at most `left` are not.
    async fn settle(
        &self,
        waiting: &mut VecDeque<(u64, Delivery)>,
        counts: &mut [u64; 3],
        left: usize,
    ) -> Result<(), Failed> {
        let mut lines = String::new();
        while let Some((_, delivery)) = waiting.front() {
            if !delivery.is_ready() && waiting.len() <= left {
                break;
            }
            let Some((n, delivery)) = waiting.pop_front() else { break };
            let (line, kind) = match delivery.await {
                Ok(d) => {
                    let offset = d.offset().map_or("-".to_owned(), |o| o.to_string());
                    (format!("Delivered {} {offset}", d.partition()), 0)
                }
                Err(DeliveryError::NotDelivered(f)) => {
                    (format!("NotDelivered {} -", f.partition()), 1)
                }
                Err(DeliveryError::Unknown(f)) => (format!("Unknown {} -", f.partition()), 2),
            };
            counts[kind] += 1;
            lines.push_str(&format!("{line} {} {n}\n", self.task));
        }
        // Whole lines in one write: a kill leaves none that was not true.
        let mut file = self.ledger.lock().map_err(|e| e.to_string())?;
        file.write_all(lines.as_bytes())?;
        Ok(())
    }
}
