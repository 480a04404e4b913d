//! Pure: the page.

use super::plot::{Axis, Plot, Scale, Series, escape};
use crate::demo::figures::{bytes, count, ms, rate};
use crate::demo::outcome::Outcome;
use crate::demo::sample::{Latency, Of, Sample, backlog, rates};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// Something about how the run was made: name and value.
pub(in crate::demo) type Fact = (&'static str, String);

/// The whole page.
pub(in crate::demo) fn page(outcomes: &[Outcome], facts: &[Fact]) -> String {
    let good = outcomes.iter().all(Outcome::is_good);
    let verdict = match good {
        true => "nothing lost, nothing twice, nothing out of order, every rate held",
        false => "not all is as it must be",
    };
    let class = if good { "good" } else { "bad" };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>klamm demo</title><style>\n{STYLE}</style></head><body><main>\n\
         <h1>klamm demo</h1><p class=\"verdict {class}\">{verdict}</p>\n"
    );
    for outcome in outcomes {
        part(outcome, &mut out);
    }
    out.push_str("<h2>How it was made</h2><table class=\"facts\">\n");
    for (name, value) in facts {
        // Writing into a string does not fail, here and below.
        let _ = writeln!(out, "<tr><th>{name}</th><td>{}</td></tr>", escape(value));
    }
    out.push_str("</table></main></body></html>\n");
    out
}

fn part(o: &Outcome, out: &mut String) {
    let _ = writeln!(out, "<h2>{}</h2><p>{}</p>", escape(&o.title), escape(&o.setting));
    for complaint in o.complaints() {
        let _ = writeln!(out, "<p class=\"verdict bad\">{}</p>", escape(&complaint));
    }
    tiles(o, out);
    if !o.events.is_empty() {
        out.push_str("<ol class=\"events\">");
        for event in &o.events {
            let _ = write!(out, "<li><b>{:.1} s</b> {}</li>", event.at, escape(&event.what));
        }
        out.push_str("</ol>\n");
    }
    out.push_str(&throughput(o).svg());
    if o.samples.iter().any(|s| backlog(s, o.readers) > 0) {
        out.push_str(&waiting(o).svg());
    }
    out.push_str(&latency_over_time(o).svg());
    out.push_str(&percentiles(o).svg());
    figures(o, out);
}

/// The figures that matter most, large.
fn tiles(o: &Outcome, out: &mut String) {
    let v = &o.verdict;
    let zeros = [
        ("lost", v.lost),
        ("duplicated", v.duplicated),
        ("reordered", v.reordered),
        ("corrupted", v.corrupted),
    ];
    out.push_str("<div class=\"tiles\">");
    for (label, n) in zeros {
        let class = if n == 0 { "good" } else { "bad" };
        let _ = write!(out, "<div class=\"{class}\"><b>{}</b>{label}</div>", count(n));
    }
    let class = if o.rate_held() { "good" } else { "bad" };
    let _ = write!(out, "<div class=\"{class}\"><b>{}</b>records/s</div>", rate(o.rate()));
    let _ = writeln!(out, "<div><b>{}</b>p99 end to end</div></div>", ms(o.end_to_end.p99));
}

fn seconds(o: &Outcome) -> Axis {
    let last = o.samples.last().map_or(1.0, |s| s.at);
    Axis { scale: Scale::Linear(last.max(1e-3)), label: |v| format!("{v:.0} s") }
}

fn short(n: f64) -> String {
    match n {
        n if n >= 1e6 => format!("{} M", n / 1e6),
        n if n >= 1e3 => format!("{} k", n / 1e3),
        n => format!("{n}"),
    }
}

fn moments(o: &Outcome) -> Vec<(f64, String)> {
    o.events.iter().map(|event| (event.at, event.what.clone())).collect()
}

fn throughput(o: &Outcome) -> Plot {
    let written = rates(&o.samples, Of::Acknowledged);
    let read = rates(&o.samples, Of::Read);
    let values = written.iter().chain(&read).map(|(_, rate)| *rate);
    let y = Axis { scale: Scale::linear(values), label: short };
    let series = vec![
        Series { name: "read", class: "c2", points: read, is_area: false },
        Series { name: "written", class: "c1", points: written, is_area: false },
    ];
    Plot { title: "Records per second".to_owned(), x: seconds(o), y, series, moments: moments(o) }
}

fn waiting(o: &Outcome) -> Plot {
    let points: Vec<(f64, f64)> =
        o.samples.iter().map(|s| (s.at, backlog(s, o.readers) as f64)).collect();
    let y = Axis { scale: Scale::linear(points.iter().map(|(_, n)| *n)), label: short };
    let series = vec![Series { name: "waiting", class: "c3", points, is_area: true }];
    let title = "Records written and not read yet".to_owned();
    Plot { title, x: seconds(o), y, series, moments: moments(o) }
}

fn latency_over_time(o: &Outcome) -> Plot {
    let of = |value: fn(&Sample) -> (u64, f64)| -> Vec<(f64, f64)> {
        let points = o.samples.iter().map(|s| (s.at, value(s)));
        points.filter(|(_, (n, _))| *n > 0).map(|(at, (_, ms))| (at, ms)).collect()
    };
    let p50 = of(|s| (s.end_to_end.count, s.end_to_end.p50));
    let p99 = of(|s| (s.end_to_end.count, s.end_to_end.p99));
    let ack = of(|s| (s.ack.count, s.ack.p99));
    let values = p50.iter().chain(&p99).chain(&ack).map(|(_, ms)| *ms);
    let y = Axis { scale: Scale::log(values), label: in_ms };
    let series = vec![
        Series { name: "acknowledged, p99", class: "c1", points: ack, is_area: false },
        Series { name: "end to end, p99", class: "c3", points: p99, is_area: false },
        Series { name: "end to end, p50", class: "c2", points: p50, is_area: false },
    ];
    let title = "Latency from the intended time".to_owned();
    Plot { title, x: seconds(o), y, series, moments: moments(o) }
}

fn in_ms(value: f64) -> String {
    if value >= 1e3 { format!("{} s", value / 1e3) } else { format!("{value} ms") }
}

fn percentiles(o: &Outcome) -> Plot {
    // The last steps of a curve are single records: no more nines than there are records for.
    let nines = (o.end_to_end.count.max(10) as f64).log10().floor().clamp(2.0, 6.0);
    let (ack, end_to_end) = (o.ack_curve.clone(), o.end_to_end_curve.clone());
    let values = ack.iter().chain(&end_to_end).map(|(_, ms)| *ms);
    let y = Axis { scale: Scale::log(values), label: in_ms };
    let series = vec![
        Series { name: "acknowledged", class: "c1", points: ack, is_area: false },
        Series { name: "end to end", class: "c2", points: end_to_end, is_area: false },
    ];
    let x = Axis { scale: Scale::Nines(nines), label: |_| String::new() };
    let title = "Share of records that took at most so long".to_owned();
    Plot { title, x, y, series, moments: Vec::new() }
}

fn figures(o: &Outcome, out: &mut String) {
    let latency = |l: &Latency| {
        let of = [l.p50, l.p90, l.p99, l.p999, l.max].map(|v| format!("<td>{}</td>", ms(v)));
        of.concat()
    };
    out.push_str(
        "<table><tr><th></th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>",
    );
    let _ = write!(out, "<tr><th>acknowledged</th>{}</tr>", latency(&o.ack));
    let _ = write!(out, "<tr><th>end to end</th>{}</tr>", latency(&o.end_to_end));
    if let Some(with) = &o.with_outage {
        let _ = write!(out, "<tr><th>with what waited for the session</th>{}</tr>", latency(with));
    }
    out.push_str("</table><table class=\"facts\">\n");
    let broker = o.cpu.broker.map_or(String::new(), |s| format!(", of which {s:.2} s the broker"));
    let rows = [
        ("written", format!("{} ({})", count(o.sent()), bytes(o.bytes))),
        ("read and checked", count(o.verdict.seen)),
        ("read again after the kill", count(o.again.after_kill)),
        ("CPU", format!("{:.2} s{broker}", o.cpu.total)),
        ("peak memory", bytes(o.peak_rss)),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    out.push_str("</table>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::outcome::tests::flawless;
    use crate::demo::sample::{Event, Recent};

    fn run() -> Outcome {
        let recent = Recent { count: 10, p50: 0.5, p99: 2.0 };
        let sample = |n: u64| Sample {
            at: n as f64 / 10.0,
            acknowledged: n * 10_000,
            read: n * 9_000,
            ack: recent,
            end_to_end: recent,
        };
        Outcome {
            samples: (0..100).map(sample).collect(),
            events: vec![Event { at: 3.0, what: "member 1 <is> killed".to_owned() }],
            end_to_end_curve: vec![(0.0, 0.3), (0.5, 0.5), (1.0, 2.0)],
            ..flawless()
        }
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = page(&[run()], &[("klamm", "1 & 2".to_owned())]);
        for outside in ["http:", "https:", "<script", "@import", "url(", "<img", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("1 &amp; 2") && page.contains("member 1 &lt;is&gt; killed"));
        assert!(!page.contains("NaN") && !page.contains("inf"), "coordinates are numbers");
    }

    #[test]
    fn every_opened_element_is_closed() {
        let page = page(&[run(), flawless()], &[]);
        for element in ["figure", "svg", "table", "div", "ol", "li", "g", "tr", "h2", "main"] {
            let open = page.matches(&format!("<{element}>")).count()
                + page.matches(&format!("<{element} ")).count();
            assert_eq!(open, page.matches(&format!("</{element}>")).count(), "{element}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_on_the_page() {
        let mut bad = run();
        bad.verdict.lost = 7;
        let page = page(&[bad], &[]);
        assert!(page.contains("not all is as it must be") && page.contains("7 lost"), "{page}");
    }
}
