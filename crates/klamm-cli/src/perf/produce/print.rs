//! How results are shown: a live bar, plain lines, Kafka's own lines, or JSON.

use crate::args::{Output, PerfProduce};
use crate::perf::REPORT_EVERY;
use crate::perf::measure::{Meter, PERCENTILES, Summary};
use crate::perf::progress::{Look, Progress};
use serde_json::json;
use std::sync::Arc;

/// Reports while the load runs, and at its end.
pub(super) struct Printer {
    output: Output,
    compat: bool,
    record_bytes: f64,
    target: i64,
    progress: Progress,
}

impl Printer {
    pub(super) fn start(output: Output, args: &PerfProduce, meter: &Arc<Meter>) -> Self {
        let record_bytes = args.record_size.unwrap_or(0) as f64;
        let (compat, target) = (args.compat, args.throughput);
        let progress = Progress::start(
            Look::of(output, compat),
            REPORT_EVERY,
            (meter, args.num_records),
            move |window| line(window, record_bytes, compat),
            move |window| live_text(window, target),
        );
        Self { output, compat, record_bytes, target, progress }
    }

    pub(super) fn finish(self, summary: &Summary, settings: &str, print_metrics: bool) {
        self.progress.finish();
        match (self.output, self.compat) {
            (Output::Json, _) => println!("{}", self.as_json(summary, settings)),
            (Output::Text, true) => println!("{}", self.kafkas_last_line(summary)),
            (Output::Text, false) => self.print_table(summary),
        }
        if print_metrics && self.output == Output::Text {
            println!(
                "batches {}  bytes on the wire {}  settings {settings}",
                summary.batches, summary.bytes
            );
        }
        if let Some(error) = &summary.first_error {
            eprintln!("first error: {error}");
        }
    }

    fn mib_per_second(&self, s: &Summary) -> f64 {
        s.rate * self.record_bytes / 1_048_576.0
    }

    fn kafkas_last_line(&self, s: &Summary) -> String {
        let [p50, p95, p99, p999] = s.percentiles_ms.map(|ms| ms as u64);
        format!(
            "{} records sent, {:.1} records/sec ({:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max latency, {p50} ms 50th, {p95} ms 95th, {p99} ms 99th, {p999} ms 99.9th.",
            s.sent,
            s.rate,
            self.mib_per_second(s),
            s.avg_ms,
            s.max_ms,
        )
    }

    fn print_table(&self, s: &Summary) {
        println!("delivered        {:>12}   failed {}", s.sent, s.failed);
        let target =
            if self.target > 0 { format!("   target {}", self.target) } else { String::new() };
        println!(
            "rate             {:>12.0} records/s   {:.2} MiB/s{target}",
            s.rate,
            self.mib_per_second(s)
        );
        println!("latency ms       {}", s.latency_text());
        println!(
            "records/batch    {:>12.0}   compression {:.2}",
            s.records_per_batch, s.compression_ratio
        );
        println!(
            "cpu              {:>12.3} us/record   peak memory {:.1} MiB",
            s.cpu_us_per_record,
            s.peak_rss_bytes as f64 / 1_048_576.0
        );
    }

    fn as_json(&self, s: &Summary, settings: &str) -> serde_json::Value {
        json!({
            "records_sent": s.sent,
            "records_failed": s.failed,
            "seconds": s.secs,
            "records_per_second": s.rate,
            "mib_per_second": self.mib_per_second(s),
            "target_records_per_second": self.target,
            "latency_ms": s.latency_json(),
            "cpu_us_per_record": s.cpu_us_per_record,
            "peak_rss_bytes": s.peak_rss_bytes,
            "records_per_batch": s.records_per_batch,
            "compression_ratio": s.compression_ratio,
            "settings": settings,
        })
    }
}

fn live_text(s: &Summary, target: i64) -> String {
    let target = if target > 0 { format!(" of {target}") } else { String::new() };
    format!(
        "{:.0}{target} records/s  p50 {:.2} ms  p99 {:.2} ms",
        s.rate, s.percentiles_ms[0], s.percentiles_ms[2]
    )
}

/// One line per window; under `--compat` exactly that of Kafka's tool.
fn line(s: &Summary, record_bytes: f64, compat: bool) -> String {
    let mib = s.rate * record_bytes / 1_048_576.0;
    let kafkas = format!(
        "{} records sent, {:.1} records/sec ({mib:.2} MB/sec), {:.1} ms avg latency, {:.1} ms max latency.",
        s.sent, s.rate, s.avg_ms, s.max_ms
    );
    if compat {
        kafkas
    } else {
        format!("{kafkas} p{} {:.2} ms", PERCENTILES[2], s.percentiles_ms[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kafkas_to_the_byte() {
        let summary = Summary {
            sent: 500_000,
            rate: 99_980.0,
            avg_ms: 1.26,
            max_ms: 51.04,
            percentiles_ms: [0.9, 2.1, 9.99, 40.5],
            ..Summary::default()
        };
        assert_eq!(
            line(&summary, 100.0, true),
            "500000 records sent, 99980.0 records/sec (9.53 MB/sec), 1.3 ms avg latency, 51.0 ms max latency."
        );
    }
}
