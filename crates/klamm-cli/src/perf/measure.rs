//! What is measured.

use crate::failure::{Failure, INTERNAL};
use hdrhistogram::Histogram;
use klamm::BatchReport;
use klamm_metrics::{cpu_time, peak_resident_bytes};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Latencies above this count as this.
const LATENCY_MAX_US: u64 = 600_000_000;

/// What batches came to; filled by the producer's callback.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    uncompressed_bytes: AtomicU64,
}

impl Totals {
    pub(crate) fn count(&self, report: &BatchReport<'_>) {
        if report.outcome.is_ok() {
            self.batches.fetch_add(1, Ordering::Relaxed);
            self.records.fetch_add(report.records as u64, Ordering::Relaxed);
            self.bytes.fetch_add(report.bytes as u64, Ordering::Relaxed);
            self.uncompressed_bytes.fetch_add(report.uncompressed_bytes as u64, Ordering::Relaxed);
        }
    }
}

/// Latencies and counts so far, and of the window since the last report.
#[derive(Debug)]
pub(crate) struct Meter {
    state: Mutex<State>,
    warmup: u64,
}

#[derive(Debug)]
struct State {
    started: Instant,
    cpu_at_start: Duration,
    last_outcome: Instant,
    seen: u64,
    total: Window,
    window: Window,
    window_started: Instant,
    first_error: Option<String>,
}

/// Counts and latencies of a stretch of time.
#[derive(Debug)]
struct Window {
    delivered: u64,
    failed: u64,
    sum_us: u64,
    latencies: Histogram<u64>,
}

impl State {
    fn record(&mut self, warmup: u64, us: u64, now: Instant, delivered: u64, failed: u64) {
        self.window.record(us, delivered, failed);
        self.last_outcome = self.last_outcome.max(now);
        let warm = self.seen >= warmup;
        self.seen += delivered + failed;
        if warm {
            self.total.record(us, delivered, failed);
        } else if self.seen >= warmup {
            (self.started, self.cpu_at_start) = (now, cpu_time());
        }
    }
}

impl Window {
    fn new() -> Result<Self, Failure> {
        // Three significant digits up to ten minutes.
        let latencies = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)
            .map_err(|e| Failure::new(INTERNAL, format!("no histogram: {e}")))?;
        Ok(Self { delivered: 0, failed: 0, sum_us: 0, latencies })
    }

    fn clear(&mut self) {
        (self.delivered, self.failed, self.sum_us) = (0, 0, 0);
        self.latencies.reset();
    }

    fn record(&mut self, latency_us: u64, delivered: u64, failed: u64) {
        self.delivered += delivered;
        self.failed += failed;
        self.sum_us += latency_us * delivered;
        self.latencies.saturating_record_n(latency_us, delivered);
    }
}

/// What a window or the whole run came to; latencies in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    pub(crate) secs: f64,
    pub(crate) rate: f64,
    pub(crate) avg_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) percentiles_ms: [f64; 4],
    pub(crate) cpu_us_per_record: f64,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) records_per_batch: f64,
    pub(crate) compression_ratio: f64,
    pub(crate) bytes: u64,
    pub(crate) batches: u64,
    pub(crate) first_error: Option<String>,
}

impl Summary {
    /// The latencies in a line.
    pub(crate) fn latency_text(&self) -> String {
        let [p50, p95, p99, p999] = self.percentiles_ms;
        format!(
            "avg {:.2}   p50 {p50:.2}   p95 {p95:.2}   p99 {p99:.2}   p99.9 {p999:.2}   max {:.2}",
            self.avg_ms, self.max_ms
        )
    }

    /// The latencies in milliseconds.
    pub(crate) fn latency_json(&self) -> serde_json::Value {
        let [p50, p95, p99, p999] = self.percentiles_ms;
        let (avg, max) = (self.avg_ms, self.max_ms);
        serde_json::json!({"avg": avg, "max": max, "p50": p50, "p95": p95, "p99": p99, "p999": p999})
    }
}

/// The percentiles of [`Summary::percentiles_ms`].
pub(crate) const PERCENTILES: [f64; 4] = [50.0, 95.0, 99.0, 99.9];

impl Meter {
    pub(crate) fn new(warmup: u64) -> Result<Self, Failure> {
        let now = Instant::now();
        let state = State {
            started: now,
            cpu_at_start: cpu_time(),
            last_outcome: now,
            seen: 0,
            total: Window::new()?,
            window: Window::new()?,
            window_started: now,
            first_error: None,
        };
        Ok(Self { state: Mutex::new(state), warmup })
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let mut guard = match self.state.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        };
        f(&mut guard)
    }

    /// Notes outcomes of records that were due at the same moment.
    pub(crate) fn record(&self, due: Instant, now: Instant, delivered: u64, failed: u64) {
        let us = now.saturating_duration_since(due).as_micros().max(1);
        let us = u64::try_from(us).unwrap_or(LATENCY_MAX_US).min(LATENCY_MAX_US);
        self.with(|s| s.record(self.warmup, us, now, delivered, failed));
    }

    /// Notes records that were read now; each pair is when they were due, in nanoseconds since
    /// `began`, and how many.
    pub(crate) fn record_read(&self, began: Instant, now: Instant, read: &[(u64, u64)]) {
        let now_ns = now.saturating_duration_since(began).as_nanos() as u64;
        self.with(|s| {
            for (due, count) in read {
                let us = (now_ns.saturating_sub(*due) / 1_000).clamp(1, LATENCY_MAX_US);
                s.record(self.warmup, us, now, *count, 0);
            }
        });
    }

    /// Keeps the first error: it is the one that explains the others.
    pub(crate) fn note_error(&self, error: &dyn fmt::Display) {
        self.with(|s| {
            s.first_error.get_or_insert_with(|| error.to_string());
        });
    }

    /// The window since the last call.
    pub(crate) fn take_window(&self) -> Summary {
        self.with(|s| {
            let started = std::mem::replace(&mut s.window_started, Instant::now());
            let time = s.window_started.saturating_duration_since(started);
            let summary = summarize(&s.window, time);
            s.window.clear();
            summary
        })
    }

    /// Delivered and failed so far.
    pub(crate) fn progress(&self) -> u64 {
        self.with(|s| s.seen)
    }

    /// All latencies after the warm-up, in microseconds.
    pub(crate) fn latencies(&self) -> Histogram<u64> {
        self.with(|s| s.total.latencies.clone())
    }

    /// The whole run after the warm-up.
    pub(crate) fn finish(&self, totals: &Totals) -> Summary {
        let mut summary = self.with(|s| {
            let mut summary =
                summarize(&s.total, s.last_outcome.saturating_duration_since(s.started));
            let cpu = cpu_time().saturating_sub(s.cpu_at_start).as_secs_f64();
            summary.cpu_us_per_record = cpu * 1e6 / (s.total.delivered.max(1) as f64);
            summary.first_error = s.first_error.take();
            summary
        });
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        summary.batches = load(&totals.batches);
        summary.bytes = load(&totals.bytes);
        summary.records_per_batch = load(&totals.records) as f64 / summary.batches.max(1) as f64;
        summary.compression_ratio =
            load(&totals.uncompressed_bytes) as f64 / summary.bytes.max(1) as f64;
        summary.peak_rss_bytes = peak_resident_bytes().unwrap_or(0);
        summary
    }
}

fn summarize(window: &Window, time: Duration) -> Summary {
    let secs = time.as_secs_f64().max(1e-9);
    let ms = |us: u64| us as f64 / 1e3;
    Summary {
        sent: window.delivered,
        failed: window.failed,
        secs,
        rate: window.delivered as f64 / secs,
        avg_ms: ms(window.sum_us) / window.delivered.max(1) as f64,
        max_ms: ms(if window.delivered == 0 { 0 } else { window.latencies.max() }),
        percentiles_ms: PERCENTILES.map(|p| ms(window.latencies.value_at_percentile(p))),
        ..Summary::default()
    }
}
