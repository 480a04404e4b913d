//! Pure: drawings, as SVG that fills the box it is put in.

use super::history::SAMPLES;
use super::words::{count, duration};
use crate::wal::Histogram;
use std::fmt::Write;

/// Units of a drawing's height; a unit of its width is a second.
const HEIGHT: f64 = 100.0;

/// A line with its class, oldest value first; the newest is at the right edge.
pub(super) struct Line<'a> {
    pub(super) class: &'static str,
    pub(super) values: &'a [f64],
}

/// Lines over the last five minutes, from zero up to `top` or the highest of them. The area below the first is filled.
pub(super) fn lines(label: &str, lines: &[Line<'_>], top: f64) -> String {
    let highest = lines.iter().flat_map(|line| line.values).copied().fold(top, f64::max).max(1.0);
    let width = SAMPLES - 1;
    let mut out = format!(
        "<svg class=\"chart\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {width} {HEIGHT}\" \
         preserveAspectRatio=\"none\">"
    );
    for (n, line) in lines.iter().enumerate() {
        let points = points(line.values, highest);
        let Some(first) = SAMPLES.checked_sub(line.values.len()).filter(|_| !points.is_empty())
        else {
            continue;
        };
        let class = line.class;
        if n == 0 {
            let _ = write!(
                out,
                "<polygon class=\"area {class}\" points=\"{first},{HEIGHT} {points}{width},{HEIGHT}\"/>"
            );
        }
        let _ = write!(out, "<polyline class=\"line {class}\" points=\"{points}\"/>");
    }
    out.push_str("</svg>");
    out
}

fn points(values: &[f64], highest: f64) -> String {
    let mut out = String::new();
    for (n, value) in values.iter().enumerate() {
        let x = SAMPLES.saturating_sub(values.len()) + n;
        // Two units below the edge, so that the line's whole width is seen.
        let y = HEIGHT - 1.0 - (value / highest).clamp(0.0, 1.0) * (HEIGHT - 3.0);
        let _ = write!(out, "{x},{y:.1} ");
    }
    out
}

/// A bar of `share` of the whole, with a mark at `mark`.
pub(super) fn gauge(label: &str, share: f64, mark: f64, class: &str) -> String {
    let full = share.clamp(0.0, 1.0) * 1000.0;
    let mark = mark.clamp(0.0, 1.0) * 1000.0;
    format!(
        "<svg class=\"gauge\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\">\
         <rect class=\"rest\" width=\"1000\" height=\"10\"/><rect class=\"{class}\" width=\"{full:.1}\" height=\"10\"/>\
         <rect class=\"mark\" x=\"{mark:.1}\" width=\"2\" height=\"10\"/></svg>"
    )
}

/// The bucket below which `share` of the values are, as its bound in microseconds; `None` when there are no values, or
/// when it has no bound.
pub(super) fn quantile(histogram: &Histogram, share: f64) -> Option<u64> {
    let wanted = (histogram.count() as f64 * share).ceil().max(1.0) as u64;
    let mut below = 0;
    for (bound, in_bucket) in histogram.buckets() {
        below += in_bucket;
        if below >= wanted {
            return bound;
        }
    }
    None
}

/// Buckets of microseconds as bars of the same width, with their bounds below; bars start at 16 µs.
pub(super) fn bars(label: &str, histogram: &Histogram, class: &str) -> String {
    let buckets = merged(histogram);
    let most = buckets.iter().map(|(_, n)| *n).max().unwrap_or(0).max(1);
    let width = buckets.len() * 10;
    let mut out = format!(
        "<svg class=\"bars\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {width} {HEIGHT}\" \
         preserveAspectRatio=\"none\">"
    );
    for (n, (bound, in_bucket)) in buckets.iter().enumerate() {
        // One that is there is seen, however small its share.
        let share = *in_bucket as f64 / most as f64;
        let height = if *in_bucket == 0 { 0.6 } else { 2.0 + share * (HEIGHT - 2.0) };
        let (x, y) = (n * 10 + 1, HEIGHT - height);
        let class = if *in_bucket == 0 { "none" } else { class };
        let what =
            bound.map_or("longer".to_owned(), |us| format!("to {}", duration(us as f64 / 1e6)));
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y:.1}\" width=\"8\" height=\"{height:.1}\">\
             <title>{what}: {}</title></rect>",
            count(*in_bucket)
        );
    }
    out.push_str("</svg>");
    out
}

/// What is below 16 µs is one bucket, and what is above 2 s.
fn merged(histogram: &Histogram) -> Vec<(Option<u64>, u64)> {
    let mut buckets = Vec::new();
    let (mut short, mut long) = (0, 0);
    for (bound, n) in histogram.buckets() {
        match bound {
            Some(us) if us < 16 => short += n,
            Some(16) => buckets.push((Some(16), n + short)),
            Some(us) if us <= 1 << 21 => buckets.push((Some(us), n)),
            _ => long += n,
        }
    }
    buckets.push((None, long));
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::management::tests::sample::histogram;

    #[test]
    fn quantiles_are_bounds() {
        // 5000 up to 256, 900 up to 512, 40 up to 1024, 1 up to 8192.
        let histogram = histogram(8);
        let of = |share| quantile(&histogram, share);
        assert_eq!([of(0.5), of(0.9), of(0.99), of(1.0)], [256, 512, 512, 8192].map(Some));
        assert_eq!(quantile(&Histogram::default(), 0.5), None);
    }

    #[test]
    fn bars_hold_every_value() {
        let all: u64 = merged(&histogram(0)).iter().map(|(_, n)| n).sum();
        assert_eq!(all, 5941);
        assert_eq!(merged(&histogram(23)).last(), Some(&(None, 5941)));
        assert!(bars("x", &histogram(8), "a").contains("<title>to 8.2 ms: 1</title>"));
    }

    #[test]
    fn the_newest_value_is_at_the_right_edge() {
        assert_eq!(points(&[0.0, 4.0], 4.0), "298,99.0 299,2.0 ");
        assert!(!lines("x", &[Line { class: "a", values: &[] }], 0.0).contains("poly"));
    }
}
