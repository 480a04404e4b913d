//! Pure: the last five minutes.

use crate::management::observed::Observed;
use crate::wal::Histogram;
use std::collections::VecDeque;
use std::time::Duration;

/// How far samples are apart.
pub(in crate::management) const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Samples that are kept: five minutes.
pub(super) const SAMPLES: usize = 300;

/// What is kept of one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Milliseconds since some moment.
    at_ms: u64,
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) records: u64,
    pub(super) delivered: u64,
    pub(super) read: u64,
    pub(super) wal_bytes: u64,
    sync_us: Histogram,
    latency_us: Histogram,
}

/// Samples in the order of time.
#[derive(Debug, Default)]
pub(in crate::management) struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// Adds what was seen at a time that does not go back.
    pub(in crate::management) fn push(&mut self, at_ms: u64, observed: &Observed) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        let http = &observed.http;
        self.samples.push_back(Sample {
            at_ms,
            requests: http.answers.iter().map(|answers| answers.count).sum(),
            refused: http.refusals.iter().map(|(_, count)| count).sum(),
            records: http.records,
            delivered: observed.forward.delivered,
            read: http.readers.records,
            wal_bytes: observed.wal.bytes,
            sync_us: observed.wal.sync_us.clone(),
            latency_us: http.latency_us.iter().fold(Histogram::default(), |sum, (_, latency)| {
                combine(&sum, latency, u64::saturating_add)
            }),
        });
    }

    /// How much something rose in a second over the last `window` samples; 0 while there are less than two.
    pub(super) fn rate(&self, window: usize, of: impl Fn(&Sample) -> u64) -> f64 {
        self.slope(window, of).max(0.0)
    }

    /// As [`rate`](Self::rate), for what may fall.
    pub(super) fn slope(&self, window: usize, of: impl Fn(&Sample) -> u64) -> f64 {
        let Some((first, last)) = self.ends(window) else { return 0.0 };
        per_second(first, last, of)
    }

    /// The rate of each second, oldest first.
    pub(super) fn rates(&self, of: impl Fn(&Sample) -> u64) -> Vec<f64> {
        let pairs = self.samples.iter().zip(self.samples.iter().skip(1));
        pairs.map(|(before, after)| per_second(before, after, &of).max(0.0)).collect()
    }

    /// What was seen, oldest first.
    pub(super) fn values(&self, of: impl Fn(&Sample) -> u64) -> Vec<f64> {
        self.samples.iter().map(|sample| of(sample) as f64).collect()
    }

    /// Syncs over the last `window` samples.
    pub(super) fn syncs(&self, window: usize) -> Histogram {
        self.between(window, |sample| &sample.sync_us)
    }

    /// Answers over the last `window` samples.
    pub(super) fn latencies(&self, window: usize) -> Histogram {
        self.between(window, |sample| &sample.latency_us)
    }

    fn between(&self, window: usize, of: impl Fn(&Sample) -> &Histogram) -> Histogram {
        let ends = self.ends(window);
        let between = |(first, last)| combine(of(last), of(first), u64::saturating_sub);
        ends.map_or_else(Histogram::default, between)
    }

    fn ends(&self, window: usize) -> Option<(&Sample, &Sample)> {
        let last = self.samples.len().checked_sub(1)?;
        let first = last.saturating_sub(window);
        (first < last).then(|| (&self.samples[first], &self.samples[last]))
    }
}

fn per_second(before: &Sample, after: &Sample, of: impl Fn(&Sample) -> u64) -> f64 {
    let ms = after.at_ms.saturating_sub(before.at_ms).max(1);
    (of(after) as f64 - of(before) as f64) * 1000.0 / ms as f64
}

fn combine(a: &Histogram, b: &Histogram, by: fn(u64, u64) -> u64) -> Histogram {
    let mut buckets = [0; Histogram::BUCKETS];
    let pairs = a.buckets().zip(b.buckets());
    for (bucket, ((_, a), (_, b))) in buckets.iter_mut().zip(pairs) {
        *bucket = by(a, b);
    }
    Histogram::of(buckets, by(a.sum(), b.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(records: u64, bytes: u64) -> Observed {
        let mut observed = Observed::default();
        observed.http.records = records;
        observed.wal.bytes = bytes;
        observed
    }

    #[test]
    fn rates_are_over_real_time_and_never_negative() {
        let mut history = History::default();
        assert_eq!(history.rate(5, |s| s.records), 0.0);
        history.push(0, &at(0, 900));
        assert_eq!(history.rate(5, |s| s.records), 0.0);
        history.push(1000, &at(100, 700));
        history.push(3000, &at(500, 300));
        assert_eq!(history.rates(|s| s.records), [100.0, 200.0]);
        assert_eq!(history.rate(1, |s| s.records), 200.0);
        assert_eq!(history.slope(9, |s| s.wal_bytes), -200.0);
        assert_eq!(history.rate(9, |s| s.wal_bytes), 0.0);
    }

    #[test]
    fn it_forgets_what_is_older_than_five_minutes() {
        let mut history = History::default();
        (0..400).for_each(|n| history.push(n * 1000, &at(n, 0)));
        let values = history.values(|s| s.records);
        assert_eq!((values.len(), values[0], values[299]), (300, 100.0, 399.0));
    }

    #[test]
    fn histograms_are_those_of_the_window() {
        let sync = |count| {
            let mut buckets = [0; Histogram::BUCKETS];
            buckets[3] = count;
            let mut observed = Observed::default();
            observed.wal.sync_us = Histogram::of(buckets, count * 8);
            observed
        };
        let mut history = History::default();
        [2, 5, 11].into_iter().zip([0, 1000, 2000]).for_each(|(n, at)| history.push(at, &sync(n)));
        let of = |window| (history.syncs(window).count(), history.syncs(window).sum());
        assert_eq!([of(1), of(2), of(60)], [(6, 48), (9, 72), (9, 72)]);
    }
}
