//! Prometheus' text format, read strictly: whatever its documents do not allow fails.

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// The families of a page, by name.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    families: BTreeMap<String, Family>,
}

#[derive(Debug, Default)]
struct Family {
    kind: String,
    /// Name and labels of each sample, and its value.
    samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    /// Reads a page.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has an end");
        let mut page = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let help = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("no help: {line}"));
            let (name, help) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !help.is_empty(), "{line}");
            let line = lines.next().unwrap();
            let kind = line.strip_prefix(&format!("# TYPE {name} ")).unwrap();
            let mut family = Family { kind: kind.to_owned(), ..Family::default() };
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (key, value) = sample(line);
                assert!(family.samples.insert(key, value).is_none(), "twice: {line}");
            }
            family.check(name);
            let twice = page.families.insert(name.to_owned(), family);
            assert!(twice.is_none(), "{name} is there twice");
        }
        page
    }

    /// The value of the one sample that has these labels among its own.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let known = |name: &str| self.families.get(name);
        let family = known(name).or_else(|| known(base?));
        let family = family.unwrap_or_else(|| panic!("no family {name}"));
        let wanted = |own: &Labels| {
            labels.iter().all(|&(key, value)| own.get(key).is_some_and(|own| own == value))
        };
        let mut found = family.samples.iter().filter(|((n, own), _)| n == name && wanted(own));
        let value = found.next().map(|(_, value)| *value);
        assert!(found.next().is_none(), "more than one {name} {labels:?}");
        value
    }

    /// The values of a label in a family.
    pub(crate) fn labels(&self, name: &str, label: &str) -> BTreeSet<&str> {
        let samples = self.families[name].samples.keys();
        samples.filter_map(|(_, labels)| labels.get(label).map(String::as_str)).collect()
    }
}

impl Family {
    fn check(&self, name: &str) {
        let own = |(sample, _): &(String, Labels)| sample == name;
        match self.kind.as_str() {
            "counter" => {
                assert!(name.ends_with("_total"), "{name}");
                assert!(self.samples.keys().all(own), "{name}");
                assert!(self.samples.values().all(|&value| value >= 0.0), "{name}");
            }
            "gauge" => {
                assert!(!name.ends_with("_total"), "{name}");
                assert!(self.samples.keys().all(own), "{name}");
            }
            "histogram" => self.check_histogram(name),
            kind => panic!("{name} is a {kind}"),
        }
    }

    fn check_histogram(&self, name: &str) {
        assert!(name.ends_with("_seconds"), "{name}");
        let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        let (mut sums, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for ((sample, labels), &value) in &self.samples {
            let mut labels = labels.clone();
            match sample.strip_prefix(name) {
                Some("_bucket") => {
                    let bound = number(&labels.remove("le").unwrap());
                    series.entry(labels).or_default().push((bound, value));
                }
                Some("_sum") => drop(sums.insert(labels, value)),
                Some("_count") => drop(counts.insert(labels, value)),
                _ => panic!("{sample} in {name}"),
            }
        }
        assert!(sums.keys().eq(series.keys()) && counts.keys().eq(series.keys()), "{name}");
        for (labels, mut buckets) in series {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name} {buckets:?}");
            let last = buckets.last().unwrap();
            assert_eq!((last.0, last.1), (f64::INFINITY, counts[&labels]), "{name}");
        }
    }
}

fn sample(line: &str) -> ((String, Labels), f64) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, after) = quoted(value);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            match after.split_at(1) {
                (",", more) => rest = more,
                ("}", more) => {
                    rest = more;
                    break;
                }
                _ => panic!("{line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    ((name.to_owned(), labels), number(value))
}

/// A value up to its closing quote, and what follows.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next().unwrap().1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                c => panic!("\\{c} is no escape"),
            }),
            c => value.push(c),
        }
    }
    panic!("no closing quote in {text:?}");
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => {
            assert!(text.starts_with(|c: char| c == '-' || c.is_ascii_digit()), "{text:?}");
            text.parse().unwrap()
        }
    }
}

fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

#[test]
fn what_is_not_allowed_is_noticed() {
    let good = "# HELP a A.\n# TYPE a gauge\na{x=\"1\\n\"} 1\na{x=\"2\"} 2\n";
    assert_eq!(Exposition::parse(good).value("a", &[("x", "1\n")]), Some(1.0));
    for bad in [
        "# HELP a A.\n# TYPE a gauge\na 1",
        "a 1\n",
        "# HELP a A.\n# TYPE b gauge\na 1\n",
        "# HELP a A.\n# TYPE a gauge\na 1\na 1\n",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        "# HELP a A.\n# TYPE a gauge\na{x=\"1} 1\n",
        "# HELP a A.\n# TYPE a gauge\na{x=\"\\q\"} 1\n",
        "# HELP a-b A.\n# TYPE a-b gauge\na-b 1\n",
        "# HELP a A.\n# TYPE a gauge\nb 1\n",
        "# HELP a_seconds A.\n# TYPE a_seconds histogram\na_seconds_bucket{le=\"+Inf\"} 2\na_seconds_sum 1\na_seconds_count 1\n",
    ] {
        let parsed = std::panic::catch_unwind(|| Exposition::parse(bad));
        assert!(parsed.is_err(), "{bad}");
    }
}
