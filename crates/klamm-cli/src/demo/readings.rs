//! What is counted of reading, by all readers of a part.

use super::sample::{Latency, Recent, curve};
use crate::failure::{Failure, INTERNAL};
use hdrhistogram::Histogram;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Latencies above this count as this.
const LATENCY_MAX_US: u64 = 600_000_000;

/// Records read, and how long they had been under way. Stamps count from when this was made.
#[derive(Debug)]
pub(super) struct Readings {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    read: u64,
    bytes: u64,
    last_read: Option<Instant>,
    /// Latencies in microseconds: all, and those since the last look.
    all: Histogram<u64>,
    window: Histogram<u64>,
    /// Of records that waited because a member was killed; they are in none of the others.
    outage: Histogram<u64>,
}

/// What latencies came to, in the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    pub(super) end_to_end: Latency,
    pub(super) curve: Vec<(f64, f64)>,
    /// With the records that waited because a member was killed, if there are any.
    pub(super) with_outage: Option<Latency>,
}

impl Readings {
    pub(super) fn new() -> Result<Self, Failure> {
        let (all, window, outage) = (histogram()?, histogram()?, histogram()?);
        let state = State { read: 0, bytes: 0, last_read: None, all, window, outage };
        Ok(Self { began: Instant::now(), state: Mutex::new(state) })
    }

    /// From when stamps count.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Counts records that were read at `now`, by when they were due in nanoseconds, and the bytes of their
    /// values; `late` are those that waited because a member was killed.
    pub(super) fn count(&self, now: Instant, due: &[u64], bytes: u64, late: bool) {
        let since = now.saturating_duration_since(self.began).as_nanos() as u64;
        let mut state = self.lock();
        let state = &mut *state;
        state.read += due.len() as u64;
        state.bytes += bytes;
        state.last_read = state.last_read.max(Some(now));
        for due in due {
            let us = (since.saturating_sub(*due) / 1_000).max(1);
            if late {
                state.outage.saturating_record(us);
            } else {
                state.all.saturating_record(us);
                state.window.saturating_record(us);
            }
        }
    }

    /// Records read so far, and the latencies since the last look.
    pub(super) fn look(&self) -> (u64, Recent) {
        let mut state = self.lock();
        let at = |quantile| state.window.value_at_quantile(quantile) as f64 / 1e3;
        let recent = match state.window.len() {
            0 => Recent::default(),
            count => Recent { count, p50: at(0.5), p99: at(0.99) },
        };
        state.window.reset();
        (state.read, recent)
    }

    /// Bytes of the values that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// How long after `moment` the last record was read.
    pub(super) fn last_read_after(&self, moment: Instant) -> Duration {
        let last = self.lock().last_read;
        last.map_or(Duration::ZERO, |last| last.saturating_duration_since(moment))
    }

    /// What all latencies came to.
    pub(super) fn latencies(&self) -> Latencies {
        let state = self.lock();
        let with_outage = (!state.outage.is_empty()).then(|| {
            let mut both = state.outage.clone();
            // They have the same bounds, so that nothing can be out of them.
            let _ = both.add(&state.all);
            Latency::of(&both)
        });
        let end_to_end = Latency::of(&state.all);
        Latencies { end_to_end, curve: curve(&state.all), with_outage }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn histogram() -> Result<Histogram<u64>, Failure> {
    let made = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3);
    made.map_err(|e| Failure::new(INTERNAL, format!("no histogram: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waited_for_a_killed_member_is_kept_apart() {
        let readings = Readings::new().unwrap();
        let now = readings.began + Duration::from_millis(100);
        readings.count(now, &[99_000_000; 90], 9_000, false);
        readings.count(now, &[0; 10], 1_000, true);
        let latencies = readings.latencies();
        assert_eq!((latencies.end_to_end.count, latencies.end_to_end.p99), (90, 1.0));
        let with = latencies.with_outage.unwrap();
        assert_eq!(with.count, 100);
        assert!((99.0..101.0).contains(&with.p99), "{with:?}");
        assert_eq!(readings.look(), (100, Recent { count: 90, p50: 1.0, p99: 1.0 }));
        assert_eq!(readings.look(), (100, Recent::default()), "a window is looked at once");
        assert_eq!(readings.bytes(), 10_000);
        let moment = readings.began + Duration::from_millis(70);
        assert_eq!(readings.last_read_after(moment), Duration::from_millis(30));
    }
}
