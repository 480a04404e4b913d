//! `klamm gateway wal`: what is in a log, whether it is sound, and sending it on.

use crate::args::{Global, Output};
use crate::failure::{DATA, FAILED, Failure, USAGE};
use clap::Args;
use jiff::Timestamp;
use klamm_gateway::config::{GatewayConfig, read_time};
use klamm_gateway::inspect::{InspectError, WalReport, inspect};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// What can be done with a log.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Wal {
    /// Show segments, cursor, and what waits for Kafka by topic; changes nothing, also while a gateway runs
    Inspect(Dir),
    /// Read and check everything that waits; exit status 6 if something that was promised is not there
    Verify(Dir),
    /// Send on what the log of a gateway that will not start again has, under its old ids
    ///
    /// Each record reaches Kafka at least once; one that had been sent already comes twice with the same klamm-id. Records of
    /// a topic and key come in the order of the log. The directory is locked meanwhile, and nothing of it is removed.
    Adopt(Adopt),
}

/// A gateway's directory.
#[derive(Debug, Args)]
pub(super) struct Dir {
    /// The directory of the gateway
    #[arg(default_value = "klamm-gateway")]
    dir: PathBuf,
}

/// Options of `adopt`.
#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The directory of the other gateway
    dir: PathBuf,
    /// How long to try; the rest stays in the log
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    timeout: Duration,
}

fn time(text: &str) -> Result<Duration, String> {
    read_time(text).map_err(|_| "not a time such as 30s or 5m".to_owned())
}

pub(super) async fn run(global: &Global, command: Wal) -> Result<(), Failure> {
    match command {
        Wal::Inspect(Dir { dir }) => {
            let report = inspect(&dir).await?;
            show(global, &report);
            Ok(())
        }
        Wal::Verify(Dir { dir }) => verify(global, inspect(&dir).await?),
        Wal::Adopt(options) => adopt(global, options).await,
    }
}

fn verify(global: &Global, report: WalReport) -> Result<(), Failure> {
    let lost = report.opened.lost + report.unreadable;
    if global.output == Output::Json {
        println!("{}", json(&report));
    } else {
        println!(
            "{} records wait for Kafka, {} of them were read",
            report.opened.records, report.read
        );
        println!("{lost} records that had been promised are not there");
        if report.opened.cut_bytes > 0 {
            println!("{} bytes of an append that nobody was told of", report.opened.cut_bytes);
        }
        if report.opened.cursor_lost {
            println!("the cursor is missing: everything would go to Kafka once more");
        }
        for file in &report.would_set_aside {
            println!("would set aside {file}");
        }
    }
    match report.is_sound() {
        true => Ok(()),
        false => Err(Failure::new(DATA, "the log is damaged")),
    }
}

async fn adopt(global: &Global, options: Adopt) -> Result<(), Failure> {
    let mut config = GatewayConfig::default();
    super::kafka(global, &mut config)?;
    let forward = config.forward;
    if !forward.client.has_bootstrap_servers() {
        return Err(Failure::new(USAGE, "no Kafka to send to: give -b HOST:PORT"));
    }
    let dir = options.dir.display().to_string();
    let adopting =
        klamm_gateway::adopt(options.dir, forward.client, forward.producer, options.timeout);
    let adopted = adopting.await?;
    let sent = adopted.opened.records.saturating_sub(adopted.left);
    match global.output {
        Output::Json => println!(
            "{}",
            json!({
                "instance": adopted.instance,
                "sent": sent,
                "left": adopted.left,
                "lost": adopted.opened.lost,
                "done": adopted.done,
            })
        ),
        Output::Text => {
            println!(
                "{sent} records of log {} were sent, {} are left",
                adopted.instance, adopted.left
            );
        }
    }
    match adopted.done {
        true => Ok(()),
        false => {
            Err(Failure::new(FAILED, format!("not everything in {dir} could be sent in time")))
        }
    }
}

fn show(global: &Global, report: &WalReport) {
    if global.output == Output::Json {
        println!("{}", json(report));
        return;
    }
    let opened = &report.opened;
    println!("log {}{}", report.instance, if report.in_use { ", in use" } else { "" });
    println!("in Kafka: everything below {}; next: {}", opened.released, opened.next);
    let age = report.oldest_age.filter(|_| opened.records > 0);
    let oldest = age.map(|age| format!(", the oldest for {} s", age.as_secs()));
    println!(
        "waiting: {} records, {} bytes{}",
        opened.records,
        opened.bytes,
        oldest.unwrap_or_default()
    );
    for (topic, waiting) in &report.topics {
        println!(
            "  {topic}: {} records, {} bytes, from {} on, earliest {}",
            waiting.records,
            waiting.bytes,
            waiting.first,
            when(waiting.earliest_ms)
        );
    }
    println!("segments:");
    for segment in &report.segments {
        println!("  {} {} bytes", segment.name, segment.bytes);
    }
    for file in &report.damaged {
        println!("set aside: {} {} bytes", file.name, file.bytes);
    }
    if !report.is_sound() {
        println!("damaged: klamm gateway wal verify says more");
    }
}

fn when(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

fn json(report: &WalReport) -> Value {
    let opened = &report.opened;
    let file = |file: &klamm_gateway::inspect::SegmentFile| json!({ "name": file.name, "bytes": file.bytes });
    let topics = report.topics.iter().map(|(topic, waiting)| {
        json!({
            "topic": &**topic,
            "records": waiting.records,
            "bytes": waiting.bytes,
            "first": waiting.first,
            "earliest": waiting.earliest_ms,
        })
    });
    json!({
        "instance": report.instance,
        "in_use": report.in_use,
        "sound": report.is_sound(),
        "released": opened.released,
        "next": opened.next,
        "records": opened.records,
        "bytes": opened.bytes,
        "oldest_age_seconds": report.oldest_age.map(|age| age.as_secs_f64()),
        "read": report.read,
        "lost": opened.lost + report.unreadable,
        "cut_bytes": opened.cut_bytes,
        "cursor_lost": opened.cursor_lost,
        "would_set_aside": report.would_set_aside,
        "topics": topics.collect::<Vec<_>>(),
        "segments": report.segments.iter().map(file).collect::<Vec<_>>(),
        "damaged": report.damaged.iter().map(file).collect::<Vec<_>>(),
    })
}

impl From<InspectError> for Failure {
    fn from(error: InspectError) -> Self {
        let status = match &error {
            InspectError::NoLog(_) => USAGE,
            _ => FAILED,
        };
        Failure::new(status, error.to_string())
    }
}
