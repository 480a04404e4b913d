//! Pure: what the page and the JSON are about.

use super::chart::quantile;
use super::history::History;
use crate::management::health::{Health, Verdict, full_bytes, judge};
use crate::management::observed::Observed;
use crate::wal::Histogram;
use klamm_metrics::Process;
use std::time::Duration;

/// Seconds that rates are taken over: short enough to follow, long enough to read.
const RATE_WINDOW: usize = 5;
/// Seconds that histograms are taken over.
const LONG_WINDOW: usize = 60;
/// Seconds that the log's growth is taken over: a log that begins to drain says so soon.
const TREND_WINDOW: usize = 10;
/// Bytes a second below which the log neither grows nor shrinks.
const STEADY: f64 = 1024.0;
/// A log whose oldest record is younger than this keeps up.
const JUST_NOW: Duration = Duration::from_secs(1);

/// What is shown: a gateway, its last minutes, and what follows from them.
#[derive(Debug)]
pub(in crate::management) struct Summary<'a> {
    pub(super) observed: &'a Observed,
    pub(super) history: &'a History,
    pub(super) process: Process,
    /// Milliseconds since 1970.
    pub(super) now_ms: i64,
    pub(super) verdict: Verdict,
    pub(super) rates: Rates,
    pub(super) syncs: Spread,
    pub(super) latencies: Spread,
    pub(super) trend: Trend,
}

/// In a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) records: f64,
    pub(super) delivered: f64,
    pub(super) read: f64,
    pub(super) requests: f64,
    pub(super) refused: f64,
}

/// Durations of the last minute.
#[derive(Debug)]
pub(super) struct Spread {
    pub(super) histogram: Histogram,
    /// In microseconds; the bucket's bound.
    pub(super) p50: Option<u64>,
    pub(super) p99: Option<u64>,
}

/// Where the log goes at the rate of the last seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Trend {
    Empty,
    /// What waits came just now, whatever its bytes do.
    KeepsUp,
    Steady,
    /// Seconds until it refuses records.
    Full(f64),
    /// Seconds until nothing waits.
    Drained(f64),
}

impl<'a> Summary<'a> {
    pub(in crate::management) fn new(
        observed: &'a Observed,
        history: &'a History,
        process: Process,
        now_ms: i64,
    ) -> Self {
        let rates = Rates {
            records: history.rate(RATE_WINDOW, |s| s.records),
            delivered: history.rate(RATE_WINDOW, |s| s.delivered),
            read: history.rate(RATE_WINDOW, |s| s.read),
            requests: history.rate(RATE_WINDOW, |s| s.requests),
            refused: history.rate(RATE_WINDOW, |s| s.refused),
        };
        Self {
            observed,
            history,
            process,
            now_ms,
            verdict: judge(observed),
            rates,
            syncs: Spread::of(history.syncs(LONG_WINDOW)),
            latencies: Spread::of(history.latencies(LONG_WINDOW)),
            trend: Trend::of(observed, history.slope(TREND_WINDOW, |s| s.wal_bytes)),
        }
    }

    pub(super) fn state(&self) -> &'static str {
        match self.verdict.health {
            Health::Good => "ready",
            Health::Degraded => "degraded",
            Health::NotReady => "not ready",
        }
    }

    pub(super) fn uptime_seconds(&self) -> f64 {
        (self.now_ms as f64 / 1000.0 - self.process.start_seconds).max(0.0)
    }

    /// The share of the log's room that is used.
    pub(super) fn used(&self) -> f64 {
        self.observed.wal.bytes as f64 / self.observed.wal.max_bytes.max(1) as f64
    }
}

impl Spread {
    fn of(histogram: Histogram) -> Self {
        let (p50, p99) = (quantile(&histogram, 0.5), quantile(&histogram, 0.99));
        Self { histogram, p50, p99 }
    }
}

impl Trend {
    fn of(observed: &Observed, bytes_per_second: f64) -> Self {
        let wal = &observed.wal;
        let room = full_bytes(wal.max_bytes).saturating_sub(wal.bytes) as f64;
        match bytes_per_second {
            _ if wal.next == wal.released && wal.queued_bytes == 0 => Trend::Empty,
            _ if wal.oldest_age.is_some_and(|age| age < JUST_NOW) => Trend::KeepsUp,
            slope if slope > STEADY => Trend::Full(room / slope),
            slope if slope < -STEADY => Trend::Drained(wal.bytes as f64 / -slope),
            _ => Trend::Steady,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_where_its_bytes_go() {
        let mut observed = Observed::default();
        observed.wal.max_bytes = 1_000_000;
        observed.wal.bytes = 500_000;
        observed.wal.next = 5;
        let trend = |slope| Trend::of(&observed, slope);
        assert_eq!(trend(4000.0), Trend::Full(100.0));
        assert_eq!(trend(-5000.0), Trend::Drained(100.0));
        assert_eq!(trend(10.0), Trend::Steady);
        observed.wal.oldest_age = Some(JUST_NOW);
        assert_eq!(Trend::of(&observed, -5000.0), Trend::Drained(100.0));
        observed.wal.oldest_age = Some(Duration::from_millis(40));
        assert_eq!(Trend::of(&observed, -5000.0), Trend::KeepsUp);
        observed.wal.released = 5;
        assert_eq!(Trend::of(&observed, 4000.0), Trend::Empty);
    }
}
