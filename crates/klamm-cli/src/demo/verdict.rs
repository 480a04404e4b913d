//! Pure: the results, as a table and as JSON.

use super::figures::{bytes, count, ms, rate};
use super::outcome::Outcome;
use super::sample::Latency;
use super::view::{Line, Paint, Style};
use serde_json::{Value, json};

/// Columns of the labels.
const LABEL: usize = 15;
/// Columns of each part's figures.
const COLUMN: usize = 30;

/// What a cell says, and whether that is good.
struct Cell(Paint, String);

/// A label, and what stands behind it for a part.
type Row = (&'static str, fn(&Outcome) -> Cell);

fn plain(text: impl Into<String>) -> Cell {
    Cell(Paint::Plain, text.into())
}

/// A count that must be zero.
fn zero(n: u64) -> Cell {
    Cell(if n == 0 { Paint::Good } else { Paint::Bad }, count(n))
}

/// The results of all parts side by side, and the verdict.
pub(super) fn table(outcomes: &[Outcome], style: &Style) -> Vec<Line> {
    let mut lines = vec![heading(outcomes)];
    let rows: [Row; 14] = [
        ("sent", |o| plain(format!("{} ({})", count(o.sent()), bytes(o.bytes)))),
        ("checked", |o| plain(read(o))),
        ("lost", |o| zero(o.verdict.lost)),
        ("duplicated", |o| zero(o.verdict.duplicated)),
        ("reordered", |o| zero(o.verdict.reordered)),
        ("corrupted", |o| zero(o.verdict.corrupted)),
        ("read again", again),
        ("rate", held),
        ("acknowledged", |o| plain(percentiles(&o.ack))),
        ("", |o| plain(tail(&o.ack))),
        ("end to end", |o| plain(percentiles(&o.end_to_end))),
        ("", |o| plain(tail(&o.end_to_end))),
        ("CPU", |o| plain(cpu(o))),
        ("peak memory", |o| plain(memory(o))),
    ];
    lines.extend(rows.iter().map(|(label, cell)| row(label, outcomes.iter().map(cell))));
    lines.push(Line::new());
    lines.extend(outcomes.iter().flat_map(outage));
    lines.extend(conclusion(outcomes, style));
    lines
}

fn heading(outcomes: &[Outcome]) -> Line {
    let line = Line::new().with(Paint::Plain, " ".repeat(LABEL));
    outcomes.iter().fold(line, |line, o| line.with(Paint::Bold, format!("{:<COLUMN$}", o.title)))
}

fn row(label: &str, cells: impl Iterator<Item = Cell>) -> Line {
    let line = Line::new().with(Paint::Dim, format!("{label:<LABEL$}"));
    cells.fold(line, |line, Cell(paint, text)| line.with(paint, format!("{text:<COLUMN$}")))
}

fn read(o: &Outcome) -> String {
    match o.readers {
        0 | 1 => count(o.verdict.seen),
        readers => {
            format!("{} ({readers} x {})", count(o.verdict.seen), count(o.verdict.seen / readers))
        }
    }
}

fn again(o: &Outcome) -> Cell {
    let again = &o.again;
    match (again.after_kill, again.unexplained) {
        (0, unexplained) => zero(unexplained),
        (n, 0) => plain(format!("{} after the kill", count(n))),
        (n, more) => Cell(Paint::Bad, format!("{} after the kill, {} more", count(n), count(more))),
    }
}

fn held(o: &Outcome) -> Cell {
    let rate = rate(o.rate());
    match o.rate_held() {
        true => Cell(Paint::Good, format!("{rate}/s, held")),
        false => Cell(Paint::Bad, format!("{rate}/s, not held")),
    }
}

fn percentiles(l: &Latency) -> String {
    if l.count == 0 { "-".to_owned() } else { format!("p50 {}  p99 {}", ms(l.p50), ms(l.p99)) }
}

fn tail(l: &Latency) -> String {
    if l.count == 0 { String::new() } else { format!("p99.9 {}  max {}", ms(l.p999), ms(l.max)) }
}

/// CPU time as a share of one core.
fn share(o: &Outcome, seconds: f64) -> f64 {
    seconds / (o.seconds + o.behind).max(1e-9) * 100.0
}

fn cpu(o: &Outcome) -> String {
    let total = share(o, o.cpu.total);
    match o.cpu.broker {
        Some(broker) => format!("{total:.0} % of a core, broker {:.0} %", share(o, broker)),
        None => format!("{total:.0} % of a core"),
    }
}

fn memory(o: &Outcome) -> String {
    match (o.peak_rss, o.cpu.broker) {
        (0, _) => "-".to_owned(),
        (rss, Some(_)) => format!("{} with the broker's log", bytes(rss)),
        (rss, None) => bytes(rss),
    }
}

/// What the kill did to latency.
fn outage(o: &Outcome) -> Vec<Line> {
    let Some(with) = o.with_outage.as_ref().filter(|l| l.count > 0) else { return Vec::new() };
    let waited = with.count - o.end_to_end.count;
    let first = format!(
        "End to end leaves out {} records that waited for the killed member's",
        count(waited)
    );
    let (p99, max) = (ms(with.p99), ms(with.max));
    let second = format!("session to run out; with them p99 is {p99}, the maximum {max}.");
    [first, second].map(|text| Line::new().with(Paint::Dim, text)).into()
}

fn conclusion(outcomes: &[Outcome], style: &Style) -> Vec<Line> {
    let complaints: Vec<Line> = outcomes
        .iter()
        .flat_map(|o| o.complaints().into_iter().map(|c| format!("{}: {c}", o.title)))
        .map(|text| {
            let cross = style.mark("✗", "FAILED");
            Line::new().with(Paint::Bad, format!("{cross} ")).with(Paint::Plain, text)
        })
        .collect();
    if !complaints.is_empty() {
        return complaints;
    }
    let tick = style.mark("✓", "OK");
    let text = "nothing lost, nothing twice, nothing out of order, every rate held";
    vec![Line::new().with(Paint::Good, format!("{tick} ")).with(Paint::Bold, text)]
}

/// The same figures for programs.
pub(super) fn as_json(outcomes: &[Outcome], broker: &Value) -> Value {
    let mut whole = serde_json::Map::new();
    whole.insert("ok".to_owned(), outcomes.iter().all(Outcome::is_good).into());
    whole.insert("broker".to_owned(), broker.clone());
    for outcome in outcomes {
        whole.insert(outcome.name.to_owned(), part_as_json(outcome));
    }
    whole.into()
}

fn part_as_json(o: &Outcome) -> Value {
    let v = &o.verdict;
    json!({
        "ok": o.is_good(),
        "complaints": o.complaints(),
        "records_sent": o.sent(),
        "records_acknowledged": o.sent() - o.unacknowledged(),
        "records_read": v.seen,
        "readers": o.readers,
        "bytes": o.bytes,
        "lost": v.lost,
        "duplicated": v.duplicated,
        "reordered": v.reordered,
        "corrupted": v.corrupted,
        "read_again_after_kill": o.again.after_kill,
        "read_again_unexplained": o.again.unexplained,
        "target_records_per_second": o.target,
        "records_per_second": o.rate(),
        "rate_held": o.rate_held(),
        "seconds": o.seconds,
        "seconds_until_all_was_read": o.behind,
        "acknowledged_ms": latency_as_json(&o.ack),
        "end_to_end_ms": latency_as_json(&o.end_to_end),
        "end_to_end_with_outage_ms": o.with_outage.as_ref().map(latency_as_json),
        "cpu_seconds": o.cpu.total,
        "broker_cpu_seconds": o.cpu.broker,
        "cpu_us_per_record": o.cpu_us_per_record(),
        "peak_rss_bytes": o.peak_rss,
        "events": o.events.iter().map(|e| json!({"at": e.at, "what": e.what})).collect::<Vec<_>>(),
    })
}

fn latency_as_json(l: &Latency) -> Value {
    let Latency { count, p50, p90, p99, p999, max } = l;
    json!({"count": count, "p50": p50, "p90": p90, "p99": p99, "p999": p999, "max": max})
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::flawless;
    use super::*;
    use crate::verify::Verdict;

    const STYLE: Style = Style { color: false, unicode: false, width: 80 };

    fn shown(outcomes: &[Outcome]) -> String {
        let lines = table(outcomes, &STYLE);
        lines.iter().map(|l| l.render(&STYLE).trim_end().to_owned() + "\n").collect()
    }

    fn large() -> Outcome {
        let sent = 1_500;
        Outcome {
            name: "large",
            title: "30 records/s of 100-500 KB".to_owned(),
            target: 30.0,
            readers: 5,
            verdict: Verdict { sent, acknowledged: sent, seen: sent, ..Verdict::default() },
            ..flawless()
        }
    }

    #[test]
    fn the_table_says_all_is_well() {
        let text = shown(&[flawless(), large()]);
        let line = |label: &str| {
            let line = text.lines().find(|line| line.starts_with(label));
            line.unwrap_or_else(|| panic!("{label} in {text}"))
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        assert_eq!(line("lost"), ["lost", "0", "0"]);
        assert_eq!(line("sent")[1..], ["1,000,000", "(100", "MB)", "300", "(100", "MB)"]);
        assert!(line("rate").contains(&"99,990/s,"));
        assert!(text.contains("OK nothing lost"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }

    #[test]
    fn the_table_says_what_is_wrong_and_where() {
        let mut bad = large();
        bad.verdict.lost = 3;
        let text = shown(&[flawless(), bad]);
        assert!(text.contains("FAILED 30 records/s of 100-500 KB: 3 lost"), "{text}");
        assert!(!text.contains("nothing lost"), "{text}");
    }

    #[test]
    fn json_has_the_same() {
        let mut bad = flawless();
        bad.verdict.duplicated = 2;
        let json = as_json(&[bad, large()], &json!({"kind": "embedded"}));
        assert_eq!(json["ok"], false);
        assert_eq!(
            (&json["group"]["duplicated"], &json["group"]["ok"]),
            (&json!(2), &json!(false))
        );
        assert_eq!(
            (&json["large"]["records_sent"], &json["large"]["ok"]),
            (&json!(300), &json!(true))
        );
        assert_eq!(json["group"]["complaints"], json!(["2 twice in the log"]));
    }
}
