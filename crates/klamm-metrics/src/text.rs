//! Pure: Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

/// A page of metrics, written family by family.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

/// Names and values of labels.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Text {
    /// A family whose values only rise; its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// A family whose values rise and fall.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// A family of distributions.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to a string does not fail; the same below.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { out: &mut self.out, name }
    }

    /// The page as it is sent.
    pub fn finish(self) -> String {
        self.out
    }
}

/// The samples of one family.
#[derive(Debug)]
pub struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    /// The only sample of a family without labels.
    pub fn value(&mut self, value: impl Display) {
        self.sample(&[], value);
    }

    /// A sample.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// A distribution: what counts in each bucket alone, with its upper bound, in order; the last, without a bound, holds what
    /// is above all of them.
    pub fn distribution<B: Display>(
        &mut self,
        labels: Labels<'_>,
        buckets: impl IntoIterator<Item = (Option<B>, u64)>,
        sum: impl Display,
    ) {
        let mut below = 0;
        for (bound, count) in buckets {
            below += count;
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            self.line("_bucket", labels, Some(&bound), below);
        }
        self.line("_sum", labels, None, sum);
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

/// A label's value: some come from clients, and may hold anything.
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
        let mut text = Text::default();
        let buckets = [(Some(0.5), 2), (Some(1.0), 0), (Some(2.0), 3), (None, 1)];
        text.histogram("d_seconds", "D.").distribution(&[("api", "Fetch")], buckets, 21.25);
        let expected = "# HELP d_seconds D.\n# TYPE d_seconds histogram\n\
                        d_seconds_bucket{api=\"Fetch\",le=\"0.5\"} 2\n\
                        d_seconds_bucket{api=\"Fetch\",le=\"1\"} 2\n\
                        d_seconds_bucket{api=\"Fetch\",le=\"2\"} 5\n\
                        d_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} 6\n\
                        d_seconds_sum{api=\"Fetch\"} 21.25\n\
                        d_seconds_count{api=\"Fetch\"} 6\n";
        assert_eq!(text.finish(), expected);
    }
}
