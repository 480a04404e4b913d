//! How the whole way is shown: Kafka's own lines, a table, or JSON.

use super::{Outcome, PerfE2e};
use crate::args::Output;
use crate::connect::Settings;
use crate::perf::REPORT_EVERY;
use crate::perf::measure::{Meter, Summary};
use crate::perf::progress::{Look, Progress};
use serde_json::json;
use std::sync::Arc;

/// Says that the topic was made.
pub(super) fn topic_made(output: Output, args: &PerfE2e) {
    let topic = &args.topic;
    if args.compat && output == Output::Text {
        let how = "Will create topic with 1 partition(s) and replication factor = 1";
        println!("Topic \"{topic}\" does not exist. {how}");
    } else {
        eprintln!("{topic} did not exist: it was made with one partition");
    }
}

/// Shows how far the readers are.
pub(super) fn progress(output: Output, args: &PerfE2e, meter: &Arc<Meter>) -> Progress {
    // Kafka's tool tells of single records, as they come.
    let quiet = args.compat && output == Output::Text;
    let look = if quiet { Look::Nothing } else { Look::of(output, args.compat) };
    let reads = args.num_records * args.consumers.max(1) as u64;
    Progress::start(look, REPORT_EVERY, (meter, reads), line, |window| {
        let [p50, _, p99, _] = window.percentiles_ms;
        format!("{:.0} records/s  p50 {p50:.2} ms  p99 {p99:.2} ms end to end", window.rate)
    })
}

/// One line per window.
fn line(window: &Summary) -> String {
    let Summary { sent, rate, .. } = window;
    format!("{sent} records read, {rate:.1} records/sec, ms end to end: {}", window.latency_text())
}

pub(super) fn outcome(output: Output, args: &PerfE2e, outcome: &Outcome, settings: &Settings) {
    match (output, args.compat) {
        (Output::Json, _) => println!("{}", as_json(args, outcome, settings)),
        (Output::Text, true) => println!("{}", kafkas(&outcome.read)),
        (Output::Text, false) => println!("{}", table(args, outcome)),
    }
    if let Some(error) = &outcome.acknowledged.first_error {
        eprintln!("first error: {error}");
    }
    if let Some(trouble) = &outcome.trouble {
        eprintln!("a reader met: {trouble}");
    }
}

/// The lines of Kafka's tool.
fn kafkas(read: &Summary) -> String {
    let [p50, _, p99, p999] = read.percentiles_ms.map(|ms| ms as u64);
    format!(
        "Avg latency: {:.4} ms\nPercentiles: 50th = {p50}, 99th = {p99}, 99.9th = {p999}",
        read.avg_ms
    )
}

/// Of bytes on the wire: what values are depends on their sizes.
fn mib_per_second(acknowledged: &Summary) -> f64 {
    acknowledged.bytes as f64 / 1_048_576.0 / acknowledged.secs
}

fn table(args: &PerfE2e, outcome: &Outcome) -> String {
    let Outcome { acknowledged, read, verdict, .. } = outcome;
    let readers = args.consumers.max(1);
    let target =
        if args.throughput > 0 { format!("   target {}", args.throughput) } else { String::new() };
    let whose = if outcome.embedded { " with the broker's" } else { "" };
    [
        format!(
            "acknowledged     {:>12}   failed {}   readers {readers}",
            acknowledged.sent, acknowledged.failed
        ),
        format!("read             {:>12}   {verdict}", verdict.seen),
        format!(
            "rate             {:>12.1} records/s   {:.2} MiB/s{target}",
            acknowledged.rate,
            mib_per_second(acknowledged)
        ),
        format!("end to end ms    {}", read.latency_text()),
        format!("acknowledged ms  {}", acknowledged.latency_text()),
        format!(
            "cpu              {:>12.3} us/record{whose}   peak memory {:.1} MiB",
            acknowledged.cpu_us_per_record,
            acknowledged.peak_rss_bytes as f64 / 1_048_576.0
        ),
    ]
    .join("\n")
}

fn as_json(args: &PerfE2e, outcome: &Outcome, settings: &Settings) -> serde_json::Value {
    let Outcome { acknowledged, read, verdict, trouble, embedded } = outcome;
    json!({
        "records_sent": acknowledged.sent,
        "records_failed": acknowledged.failed,
        "consumers": args.consumers.max(1),
        "seconds": acknowledged.secs,
        "records_per_second": acknowledged.rate,
        "mib_per_second": mib_per_second(acknowledged),
        "target_records_per_second": args.throughput,
        "end_to_end_ms": read.latency_json(),
        "acknowledged_ms": acknowledged.latency_json(),
        "verdict": verdict,
        "reader_met": trouble,
        "cpu_us_per_record": acknowledged.cpu_us_per_record,
        "cpu_includes_broker": embedded,
        "peak_rss_bytes": acknowledged.peak_rss_bytes,
        "settings": {
            "producer": format!("{:?}", settings.producer),
            "consumer": format!("{:?}", settings.consumer),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::kafkas;
    use crate::perf::measure::Summary;

    #[test]
    fn lines_are_kafkas_to_the_byte() {
        let percentiles_ms = [0.999, 2.1, 9.99, 40.5];
        let read = Summary { avg_ms: 1.23456, percentiles_ms, ..Summary::default() };
        let lines = "Avg latency: 1.2346 ms\nPercentiles: 50th = 0, 99th = 9, 99.9th = 40";
        assert_eq!(kafkas(&read), lines);
    }
}
