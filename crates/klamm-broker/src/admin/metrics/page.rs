//! Pure: Prometheus' text format, version 0.0.4.

use crate::metrics::{BOUNDS_NS, Reading};
use std::fmt::{Display, Write};

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Page {
    out: String,
}

/// Names and values of labels.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// A family whose values only rise; its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// A family whose values rise and fall.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// A family of durations; its name ends in `_seconds`.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to a string does not fail; the same below.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { out: &mut self.out, name }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// The samples of one family.
#[derive(Debug)]
pub(super) struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    /// The only sample of a family without labels.
    pub(super) fn value(&mut self, value: impl Display) {
        self.sample(&[], value);
    }

    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// Buckets, sum and count of a histogram.
    pub(super) fn durations(&mut self, labels: Labels<'_>, reading: &Reading) {
        let mut below = 0;
        for (bucket, bound_ns) in reading.buckets.iter().zip(BOUNDS_NS) {
            below += bucket;
            self.line("_bucket", labels, Some(&seconds(bound_ns).to_string()), below);
        }
        self.line("_bucket", labels, Some("+Inf"), reading.count());
        self.line("_sum", labels, None, seconds(reading.sum_ns));
        self.line("_count", labels, None, reading.count());
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let _ = write!(self.out, "{}{suffix}", self.name);
        let bound = bound.map(|bound| ("le", bound));
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            let _ = write!(self.out, "{before}{name}=\"{}\"", Escaped(value));
            before = ',';
        }
        let end = if before == ',' { "}" } else { "" };
        let _ = writeln!(self.out, "{end} {value}");
    }
}

fn seconds(ns: u64) -> f64 {
    std::time::Duration::from_nanos(ns).as_secs_f64()
}

/// A label's value: names come from clients, and group names may hold anything.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_may_be_missing() {
        let mut page = Page::default();
        page.gauge("a", "Help.").value(-1);
        let mut family = page.counter("b_total", "More.");
        family.sample(&[("x", "q\"\\\nä"), ("y", "")], 2.5);
        let expected = "# HELP a Help.\n# TYPE a gauge\na -1\n# HELP b_total More.\n# TYPE b_total counter\n\
                        b_total{x=\"q\\\"\\\\\\nä\",y=\"\"} 2.5\n";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn buckets_hold_those_below_them() {
        let mut reading = Reading { sum_ns: 21_500_040_000, ..Reading::default() };
        // 10 us, 30 us, 1.5 s and 20 s.
        [0, 1, 15, 18].into_iter().for_each(|bucket| reading.buckets[bucket] = 1);
        let mut page = Page::default();
        page.histogram("d_seconds", "D.").durations(&[("api", "Fetch")], &reading);
        let page = page.finish();
        for line in [
            "d_seconds_bucket{api=\"Fetch\",le=\"0.000025\"} 1",
            "d_seconds_bucket{api=\"Fetch\",le=\"0.00005\"} 2",
            "d_seconds_bucket{api=\"Fetch\",le=\"1\"} 2",
            "d_seconds_bucket{api=\"Fetch\",le=\"10\"} 3",
            "d_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} 4",
            "d_seconds_sum{api=\"Fetch\"} 21.50004",
            "d_seconds_count{api=\"Fetch\"} 4",
        ] {
            assert!(page.lines().any(|other| other == line), "{line}\n{page}");
        }
    }
}
