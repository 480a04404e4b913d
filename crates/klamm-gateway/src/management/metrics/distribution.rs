//! Pure: histograms of the gateway, as Prometheus has them.

use crate::wal::Histogram;
use klamm_metrics::{Family, Labels};

/// Values below this many are in one bucket of a histogram of durations: nothing here takes less than 16 µs.
const SHORTEST_US: u64 = 16;

/// Microseconds, as seconds.
pub(super) fn durations(family: &mut Family<'_>, labels: Labels<'_>, histogram: &Histogram) {
    let buckets = from(SHORTEST_US, histogram).map(|(us, count)| (us.map(seconds), count));
    family.distribution(labels, buckets, seconds(histogram.sum()));
}

/// How many at a time.
pub(super) fn counts(family: &mut Family<'_>, labels: Labels<'_>, histogram: &Histogram) {
    family.distribution(labels, histogram.buckets(), histogram.sum());
}

/// Buckets; what is in those whose bound is below `least` is in the next one.
fn from(least: u64, histogram: &Histogram) -> impl Iterator<Item = (Option<u64>, u64)> {
    let mut below = 0;
    histogram.buckets().filter_map(move |(bound, count)| {
        below += count;
        let shown = bound.is_none_or(|bound| bound >= least);
        shown.then(|| (bound, std::mem::take(&mut below)))
    })
}

/// Exact: no digit of a sum of microseconds is lost.
fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_metrics::Text;

    #[test]
    fn short_durations_share_a_bucket() {
        let mut buckets = [0; Histogram::BUCKETS];
        // Up to 2 and 16 µs, up to 1.048576 s, and longer than 4.2 s.
        [1, 4, 20, 23].into_iter().for_each(|bucket| buckets[bucket] = 1);
        let mut text = Text::default();
        let histogram = Histogram::of(buckets, 7_500_018);
        durations(&mut text.histogram("d_seconds", "D."), &[("route", "a")], &histogram);
        let text = text.finish();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[0], "d_seconds_bucket{route=\"a\",le=\"0.000016\"} 2");
        assert!(lines.contains(&"d_seconds_bucket{route=\"a\",le=\"0.524288\"} 2"), "{text}");
        assert!(lines.contains(&"d_seconds_bucket{route=\"a\",le=\"1.048576\"} 3"), "{text}");
        let last = [
            "d_seconds_bucket{route=\"a\",le=\"4.194304\"} 3",
            "d_seconds_bucket{route=\"a\",le=\"+Inf\"} 4",
            "d_seconds_sum{route=\"a\"} 7.500018",
            "d_seconds_count{route=\"a\"} 4",
        ];
        assert_eq!(lines[lines.len() - 4..], last);
    }
}
