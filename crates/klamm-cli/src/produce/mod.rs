//! `klamm produce`: lines or JSON records from files or standard input into a topic.

mod input;
mod parse;

pub(crate) use self::parse::{Parser, named_headers, unescape};

use crate::args::{Global, Produce};
use crate::connect::{connect, settings};
use crate::failure::{DATA, Failure};
use indicatif::{ProgressBar, ProgressStyle};
use input::Input;
use klamm::{Delivery, DeliveryError, Producer};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Deliveries kept before the oldest is awaited.
const WINDOW: usize = 100_000;
/// Records between two looks at rate and progress bar.
const CHECK_EVERY: u64 = 512;

/// What became of the records so far.
#[derive(Debug, Default)]
struct Counts {
    delivered: u64,
    not_delivered: u64,
    unknown: u64,
    first_error: Option<String>,
}

pub(crate) async fn run(global: &Global, args: Produce) -> Result<(), Failure> {
    let mut more = Vec::new();
    more.extend(args.compression.iter().map(|c| format!("compression.type={c}")));
    more.extend(args.acks.iter().map(|a| format!("acks={a}")));
    let (client_config, producer_config) = settings(global, &more)?;
    let parser = Parser::new(&args)?;
    let client = connect(client_config).await?;
    let producer = client.producer(producer_config)?;
    let mut sending =
        Sending { producer: &producer, counts: Counts::default(), window: VecDeque::new() };
    let result = sending.files(&args, &parser).await;
    producer.flush().await;
    sending.settle(0).await;
    let counts = sending.counts;
    producer.close(Duration::from_secs(10)).await;
    report(&counts, result)
}

fn report(counts: &Counts, result: Result<(), Failure>) -> Result<(), Failure> {
    eprintln!(
        "delivered {}  not delivered {}  unknown {}",
        counts.delivered, counts.not_delivered, counts.unknown
    );
    result?;
    match &counts.first_error {
        Some(error) => {
            Err(Failure::new(DATA, format!("not everything was delivered; first: {error}")))
        }
        None => Ok(()),
    }
}

struct Sending<'a> {
    producer: &'a Producer,
    counts: Counts,
    window: VecDeque<Delivery>,
}

impl Sending<'_> {
    async fn files(&mut self, args: &Produce, parser: &Parser) -> Result<(), Failure> {
        let total = Input::total_bytes(&args.files);
        let bar = total.filter(|_| std::io::stderr().is_terminal()).map(bar);
        let (started, mut sent) = (Instant::now(), 0u64);
        for mut input in Input::open(&args.files, parser.delimiter())? {
            let name = input.name();
            while let Some((number, line)) = input.next_record()? {
                if line.is_empty() {
                    continue;
                }
                let at = |failure: Failure| failure.while_doing(format_args!("{name}:{number}"));
                let parsed = parser.parse(line).map_err(at)?;
                let delivery = self.producer.enqueue(parsed.record()).await;
                self.window.push_back(delivery.map_err(|e| at(e.into()))?);
                sent += 1;
                if sent % CHECK_EVERY == 0 || args.rate.is_some() {
                    self.settle(WINDOW).await;
                    if let Some(bar) = &bar {
                        bar.set_position(input.bytes_before() + input.bytes_read());
                    }
                    keep_rate(args.rate, sent, started).await;
                }
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        Ok(())
    }

    /// Takes outcomes that are known, and waits until at most `left` are not.
    async fn settle(&mut self, left: usize) {
        while let Some(front) = self.window.front() {
            if !front.is_ready() && self.window.len() <= left {
                return;
            }
            let Some(delivery) = self.window.pop_front() else { return };
            match delivery.await {
                Ok(_) => self.counts.delivered += 1,
                Err(error) => {
                    match &error {
                        DeliveryError::NotDelivered(_) => self.counts.not_delivered += 1,
                        DeliveryError::Unknown(_) => self.counts.unknown += 1,
                    }
                    self.counts.first_error.get_or_insert_with(|| error.to_string());
                }
            }
        }
    }
}

async fn keep_rate(rate: Option<u64>, sent: u64, started: Instant) {
    if let Some(rate) = rate.filter(|r| *r > 0) {
        let due = started + Duration::from_secs_f64(sent as f64 / rate as f64);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = "{bar:30} {bytes} of {total_bytes}  {binary_bytes_per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
