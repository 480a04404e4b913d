//! How reading is shown: a bar, lines, Kafka's own columns, or JSON.

use super::java_date::JavaDate;
use super::joining::Joining;
use super::{Count, Outcome, PerfConsume};
use crate::args::Output;
use crate::connect::Settings;
use crate::perf::progress::{DRAW_EVERY, Look, bar};
use indicatif::ProgressBar;
use jiff::Zoned;
use serde_json::json;
use std::time::{Duration, Instant};

const MIB: f64 = 1024.0 * 1024.0;
const HEADER: &str = "data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec";

/// Reports while it reads, and at the end.
#[derive(Clone)]
pub(super) struct Printer {
    look: Look,
    compat: bool,
    detailed: bool,
    date_format: JavaDate,
    every: Duration,
    bar: Option<ProgressBar>,
    started: Zoned,
    /// When it was last told, and what had been read then.
    told: (Instant, Count),
}

impl Printer {
    pub(super) fn start(output: Output, args: &PerfConsume) -> Self {
        let compat = args.compat && output == Output::Text;
        let look = Look::of(output, args.compat);
        if compat && !args.hide_header {
            let times =
                if args.show_detailed_stats { "time, threadId" } else { "start.time, end.time" };
            println!("{times}, {HEADER}");
        }
        let every = Duration::from_millis(args.reporting_interval);
        Self {
            look,
            compat,
            detailed: args.show_detailed_stats,
            date_format: args.date_format.clone(),
            every: if look == Look::Bar { DRAW_EVERY } else { every },
            bar: (look == Look::Bar).then(|| bar(args.num_records)),
            started: Zoned::now(),
            told: (Instant::now(), Count::default()),
        }
    }

    /// Tells how far it is, if it is time.
    pub(super) fn at(&mut self, now: Instant, count: &Count, joining: Option<&Joining>) {
        let (before, old) = self.told;
        let time = now.saturating_duration_since(before);
        if time < self.every {
            return;
        }
        self.told = (now, *count);
        let window = Count {
            records: count.records - old.records,
            bytes: count.bytes - old.bytes,
            batches: count.batches - old.batches,
        };
        match (&self.bar, self.compat) {
            (Some(bar), _) => {
                bar.set_position(count.records);
                bar.set_message(rates(&window, time));
            }
            (None, true) if self.detailed => {
                let now = self.date_format.write(Zoned::now().datetime());
                let joined = joining.map(Joining::take).unwrap_or_default();
                println!("{now}, 0, {}", columns(count, &window, time, joined));
            }
            (None, true) => {}
            (None, false) if self.look == Look::Aside => eprintln!("{}", line(&window, time)),
            (None, false) => println!("{}", line(&window, time)),
        }
    }

    pub(super) fn finish(&self, args: &PerfConsume, outcome: &Outcome, settings: &Settings) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.compat {
            self.kafkas_end(args, outcome);
        } else if self.look == Look::Aside {
            println!("{}", as_json(args, outcome, settings));
        } else {
            println!("{}", table(outcome));
            if args.print_metrics {
                println!("settings {:?}", settings.consumer);
            }
        }
        if let Some(trouble) = &outcome.trouble {
            eprintln!("on the way: {trouble}");
        }
    }

    fn kafkas_end(&self, args: &PerfConsume, outcome: &Outcome) {
        if outcome.timed_out {
            println!("{}", kafkas_warning(args.timeout));
        }
        if !self.detailed {
            let time = |time: &Zoned| self.date_format.write(time.datetime());
            let (start, end) = (time(&self.started), time(&Zoned::now()));
            let joined = outcome.joining.unwrap_or_default();
            let columns = columns(&outcome.count, &outcome.count, outcome.time, joined);
            println!("{start}, {end}, {columns}");
        }
    }
}

fn kafkas_warning(timeout: u64) -> String {
    format!(
        "WARNING: Exiting before consuming the expected number of messages: timeout ({timeout} ms) exceeded. \
         You can use the --timeout option to increase the timeout."
    )
}

/// The columns behind the times: of all of the time, and of what the group left for fetching.
fn columns(all: &Count, window: &Count, time: Duration, joined: Duration) -> String {
    let fetching = time.as_millis().saturating_sub(joined.as_millis());
    let per_second = |what: f64, ms: u128| what / (ms.max(1) as f64 / 1e3);
    let (mib, records) = (window.bytes as f64 / MIB, window.records as f64);
    format!(
        "{:.4}, {:.4}, {}, {:.4}, {}, {fetching}, {:.4}, {:.4}",
        all.bytes as f64 / MIB,
        per_second(mib, time.as_millis()),
        all.records,
        per_second(records, time.as_millis()),
        joined.as_millis(),
        per_second(mib, fetching),
        per_second(records, fetching),
    )
}

fn rates(count: &Count, time: Duration) -> String {
    let secs = time.as_secs_f64().max(1e-9);
    format!(
        "{:.0} records/s  {:.2} MiB/s",
        count.records as f64 / secs,
        count.bytes as f64 / MIB / secs
    )
}

fn line(window: &Count, time: Duration) -> String {
    let secs = time.as_secs_f64().max(1e-9);
    format!(
        "{} records read, {:.1} records/sec ({:.2} MB/sec), {:.0} records/batch",
        window.records,
        window.records as f64 / secs,
        window.bytes as f64 / MIB / secs,
        per_batch(window)
    )
}

fn per_batch(count: &Count) -> f64 {
    count.records as f64 / count.batches.max(1) as f64
}

fn cpu_us_per_record(outcome: &Outcome) -> f64 {
    outcome.cpu.as_secs_f64() * 1e6 / outcome.count.records.max(1) as f64
}

fn table(outcome: &Outcome) -> String {
    let Outcome { count, time, .. } = outcome;
    let secs = time.as_secs_f64().max(1e-9);
    let joined = outcome.joining.map_or_else(String::new, |joining| {
        format!("   of that the group {:.2} ms", joining.as_secs_f64() * 1e3)
    });
    let whose = if outcome.embedded { " with the broker's" } else { "" };
    [
        format!(
            "read             {:>12}   {:.1} MiB in {secs:.3} s",
            count.records,
            count.bytes as f64 / MIB
        ),
        format!(
            "rate             {:>12.0} records/s   {:.2} MiB/s",
            count.records as f64 / secs,
            count.bytes as f64 / MIB / secs
        ),
        format!(
            "first record     {:>12.2} ms{joined}   records/batch {:.0}",
            outcome.first.as_secs_f64() * 1e3,
            per_batch(count)
        ),
        format!(
            "cpu              {:>12.3} us/record{whose}   peak memory {:.1} MiB",
            cpu_us_per_record(outcome),
            outcome.peak_rss_bytes as f64 / MIB
        ),
    ]
    .join("\n")
}

fn as_json(args: &PerfConsume, outcome: &Outcome, settings: &Settings) -> serde_json::Value {
    let Outcome { count, time, .. } = outcome;
    let secs = time.as_secs_f64().max(1e-9);
    json!({
        "records": count.records,
        "records_wanted": args.num_records,
        "bytes": count.bytes,
        "seconds": secs,
        "records_per_second": count.records as f64 / secs,
        "mib_per_second": count.bytes as f64 / MIB / secs,
        "first_record_ms": outcome.first.as_secs_f64() * 1e3,
        "joining_ms": outcome.joining.map(|joining| joining.as_secs_f64() * 1e3),
        "records_per_batch": per_batch(count),
        "timed_out": outcome.timed_out,
        "trouble": outcome.trouble,
        "cpu_us_per_record": cpu_us_per_record(outcome),
        "cpu_includes_broker": outcome.embedded,
        "peak_rss_bytes": outcome.peak_rss_bytes,
        "settings": format!("{:?}", settings.consumer),
    })
}

#[cfg(test)]
mod tests {
    use super::{Count, HEADER, columns, kafkas_warning};
    use std::time::Duration;

    #[test]
    fn columns_are_kafkas_to_the_byte() {
        let count = Count { records: 500_000, bytes: 50_000_000, batches: 1_000 };
        let all = "47.6837, 23.8419, 500000, 250000.0000, 0, 2000, 23.8419, 250000.0000";
        assert_eq!(columns(&count, &count, Duration::from_millis(2_000), Duration::ZERO), all);
        assert_eq!(all.split(", ").count(), HEADER.split(", ").count());
        let window = Count { records: 1, bytes: 1024 * 1024, batches: 1 };
        let row = "47.6837, 2.0000, 500000, 2.0000, 0, 500, 2.0000, 2.0000";
        assert_eq!(columns(&count, &window, Duration::from_millis(500), Duration::ZERO), row);
        let row = "47.6837, 1.0000, 500000, 1.0000, 750, 250, 4.0000, 4.0000";
        let (time, joined) = (Duration::from_secs(1), Duration::from_millis(750));
        assert_eq!(columns(&count, &window, time, joined), row);
    }

    #[test]
    fn the_warning_is_kafkas() {
        let text = "WARNING: Exiting before consuming the expected number of messages: timeout (10000 ms) exceeded. You can use the --timeout option to increase the timeout.";
        assert_eq!(kafkas_warning(10_000), text);
    }
}
