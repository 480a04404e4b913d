//! Pure: Prometheus' text format, version 0.0.4.

use crate::wal::Histogram;
use std::fmt::{Display, Write};

/// Values below this many are in one bucket of a histogram of durations: nothing here takes less than 16 µs.
const SHORTEST_US: u64 = 16;

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
}

/// Names and values of labels.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Text {
    /// A family whose values only rise; its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// A family whose values rise and fall.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// A family of distributions.
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

    /// Microseconds, as seconds.
    pub(super) fn durations(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        self.buckets(labels, histogram, SHORTEST_US, seconds);
    }

    /// How many at a time.
    pub(super) fn counts(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        self.buckets(labels, histogram, 1, |count| count.to_string());
    }

    /// Buckets, sum and count; buckets whose bound is below `least` are in the next one.
    fn buckets(
        &mut self,
        labels: Labels<'_>,
        histogram: &Histogram,
        least: u64,
        unit: impl Fn(u64) -> String,
    ) {
        let mut below = 0;
        for (bound, count) in histogram.buckets() {
            below += count;
            match bound {
                Some(bound) if bound >= least => {
                    self.line("_bucket", labels, Some(&unit(bound)), below);
                }
                Some(_) => {}
                None => self.line("_bucket", labels, Some("+Inf"), below),
            }
        }
        self.line("_sum", labels, None, unit(histogram.sum()));
        self.line("_count", labels, None, below);
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

/// Exact: no digit of a sum of microseconds is lost.
fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// A label's value.
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
        let mut text = Text::default();
        text.gauge("a", "Help.").value(-1);
        let mut family = text.counter("b_total", "More.");
        family.sample(&[("x", "q\"\\\nä"), ("y", "")], 2.5);
        let expected = "# HELP a Help.\n# TYPE a gauge\na -1\n# HELP b_total More.\n# TYPE b_total counter\n\
                        b_total{x=\"q\\\"\\\\\\nä\",y=\"\"} 2.5\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn buckets_hold_those_below_them() {
        let mut buckets = [0; Histogram::BUCKETS];
        // Up to 2 and 16 µs, up to 1.048576 s, and longer than 4.2 s.
        [1, 4, 20, 23].into_iter().for_each(|bucket| buckets[bucket] = 1);
        let mut text = Text::default();
        let histogram = Histogram::of(buckets, 7_500_018);
        text.histogram("d_seconds", "D.").durations(&[("route", "a")], &histogram);
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
