//! Pure: what was seen at moments of a run, and what becomes of it.

use hdrhistogram::Histogram;

/// Percentiles of latencies, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Latency {
    /// How many there were; with none, all else is 0.
    pub(super) count: u64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Latency {
    /// Of a histogram of microseconds.
    pub(super) fn of(us: &Histogram<u64>) -> Self {
        if us.is_empty() {
            return Self::default();
        }
        let at = |quantile| us.value_at_quantile(quantile) as f64 / 1e3;
        let max = us.max() as f64 / 1e3;
        Self { count: us.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max }
    }
}

/// Points of the curve of latencies: the share of records that took at most so many milliseconds.
pub(super) fn curve(us: &Histogram<u64>) -> Vec<(f64, f64)> {
    if us.is_empty() {
        return Vec::new();
    }
    let steps = us.iter_quantiles(CURVE_STEPS);
    steps.map(|step| (step.quantile(), step.value_iterated_to() as f64 / 1e3)).collect()
}

/// Points per halving of the distance to 100 %.
const CURVE_STEPS: u32 = 5;

/// Percentiles of a short time, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Recent {
    /// How many there were; with none, all else is 0.
    pub(super) count: u64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// What had been counted at a moment, from the start of a part of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample {
    /// Seconds since the start.
    pub(super) at: f64,
    /// Records that were acknowledged.
    pub(super) acknowledged: u64,
    /// Records that were read, by all readers together, each counted once per reader.
    pub(super) read: u64,
    /// From the intended time to the acknowledgement, since the sample before.
    pub(super) ack: Recent,
    /// From the intended time to the application that reads, since the sample before.
    pub(super) end_to_end: Recent,
}

/// Something that happened to the group.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Seconds since the start.
    pub(super) at: f64,
    pub(super) what: String,
}

/// A rate over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Acknowledged,
    Read,
}

/// Rates are taken over this long, so that few records do not make them jump.
const RATE_OVER: f64 = 0.5;

/// Records a second up to each sample: when, and how many.
pub(super) fn rates(samples: &[Sample], of: Of) -> Vec<(f64, f64)> {
    let value = |s: &Sample| match of {
        Of::Acknowledged => s.acknowledged,
        Of::Read => s.read,
    };
    let mut first = 0;
    let mut rates = Vec::with_capacity(samples.len());
    for (n, sample) in samples.iter().enumerate().skip(1) {
        while first + 1 < n && samples[first + 1].at <= sample.at - RATE_OVER {
            first += 1;
        }
        let (more, time) =
            (value(sample).saturating_sub(value(&samples[first])), sample.at - samples[first].at);
        if time > 0.0 {
            rates.push((sample.at, more as f64 / time));
        }
    }
    rates
}

/// How many records are acknowledged and still to be read, all `readers` together.
pub(super) fn backlog(sample: &Sample, readers: u64) -> u64 {
    (sample.acknowledged * readers).saturating_sub(sample.read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_taken_over_half_a_second() {
        let sample =
            |at, acknowledged, read| Sample { at, acknowledged, read, ..Sample::default() };
        let samples =
            [sample(0.0, 0, 0), sample(0.5, 50, 20), sample(0.75, 100, 20), sample(1.0, 150, 150)];
        let acknowledged = [(0.5, 100.0), (0.75, 100.0 / 0.75), (1.0, 200.0)];
        assert_eq!(rates(&samples, Of::Acknowledged), acknowledged);
        assert_eq!(rates(&samples, Of::Read).last(), Some(&(1.0, 260.0)));
        assert_eq!(rates(&samples[..1], Of::Read), []);
        assert_eq!(backlog(&samples[1], 1), 30);
        assert_eq!(backlog(&samples[1], 5), 230);
        assert_eq!(backlog(&sample(0.0, 1, 2), 1), 0, "what is read before its acknowledgement");
    }

    #[test]
    fn latencies_of_nothing_are_nothing() {
        let empty = Histogram::<u64>::new(3).unwrap();
        assert_eq!(Latency::of(&empty), Latency::default());
        assert!(curve(&empty).is_empty());
    }

    #[test]
    fn the_curve_rises_to_the_maximum() {
        let mut us = Histogram::<u64>::new(3).unwrap();
        (1..=1_000).for_each(|n| us.record(n * 10).unwrap());
        let curve = curve(&us);
        assert!(curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1), "{curve:?}");
        let (share, ms) = curve.last().copied().unwrap();
        assert_eq!(share, 1.0);
        assert!((9.99..10.02).contains(&ms), "{ms}");
        let latency = Latency::of(&us);
        assert_eq!(latency.count, 1_000);
        assert!((4.9..5.1).contains(&latency.p50) && latency.p99 <= latency.p999);
    }
}
