//! Pure: durations of the broker, as Prometheus has them.

use crate::metrics::{BOUNDS_NS, Reading};
use klamm_metrics::{Family, Labels};
use std::time::Duration;

/// Nanoseconds, as seconds.
pub(super) fn durations(family: &mut Family<'_>, labels: Labels<'_>, reading: &Reading) {
    let bounds = BOUNDS_NS.into_iter().map(|ns| Some(seconds(ns))).chain([None]);
    family.distribution(labels, bounds.zip(reading.buckets), seconds(reading.sum_ns));
}

fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_metrics::Text;

    #[test]
    fn bounds_and_sum_are_in_seconds() {
        let mut reading = Reading { sum_ns: 21_500_040_000, ..Reading::default() };
        // 10 us, 30 us, 1.5 s and 20 s.
        [0, 1, 15, 18].into_iter().for_each(|bucket| reading.buckets[bucket] = 1);
        let mut text = Text::default();
        durations(&mut text.histogram("d_seconds", "D."), &[("api", "Fetch")], &reading);
        let text = text.finish();
        for line in [
            "d_seconds_bucket{api=\"Fetch\",le=\"0.000025\"} 1",
            "d_seconds_bucket{api=\"Fetch\",le=\"0.00005\"} 2",
            "d_seconds_bucket{api=\"Fetch\",le=\"1\"} 2",
            "d_seconds_bucket{api=\"Fetch\",le=\"10\"} 3",
            "d_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} 4",
            "d_seconds_sum{api=\"Fetch\"} 21.50004",
            "d_seconds_count{api=\"Fetch\"} 4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }
}
