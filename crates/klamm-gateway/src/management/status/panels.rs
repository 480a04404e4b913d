//! Pure: the parts of the page. Each has an id and is marked as live, so that the script can put in a newer one.

use super::chart::{Line, bars, gauge, lines};
use super::history::Sample;
use super::summary::{Spread, Summary, Trend};
use super::words::{bytes, count, duration, escape, rate};
use crate::management::health::{Health, full_bytes};
use std::fmt::Write;

/// Errors that are shown.
const MAX_ERRORS: usize = 8;

/// What is wrong, if anything is.
pub(super) fn troubles(summary: &Summary<'_>) -> String {
    let verdict = &summary.verdict;
    let class = if verdict.health == Health::NotReady { "bad" } else { "degraded" };
    let all = verdict.failures.iter().chain(&verdict.concerns);
    let items: String = all.map(|why| format!("<li>{}</li>", escape(why))).collect();
    let hidden = if items.is_empty() { " hidden" } else { "" };
    format!(
        "<section id=\"troubles\" data-live class=\"wide troubles {class}\" aria-label=\"Troubles\"{hidden}>\
         <ul>{items}</ul></section>"
    )
}

/// Four rates.
pub(super) fn tiles(summary: &Summary<'_>) -> String {
    let (rates, http, forward) =
        (&summary.rates, &summary.observed.http, &summary.observed.forward);
    let refused: u64 = http.refusals.iter().map(|(_, n)| n).sum();
    let tile = |id, name, now: f64, note: String, class, of: fn(&Sample) -> u64| {
        let values = summary.history.rates(of);
        let label = format!("{name} a second over the last five minutes");
        let drawing = lines(&label, &[Line { class, values: &values }], 0.0);
        format!(
            "<section id=\"{id}\" data-live class=\"tile\"><h2>{name}</h2><p class=\"figure\">{}\
             <small>/s</small></p><p class=\"note\">{note}</p>{drawing}</section>",
            rate(now)
        )
    };
    [
        tile(
            "in",
            "Accepted",
            rates.records,
            format!("{} records", count(http.records)),
            "in",
            |s| s.records,
        ),
        tile(
            "out",
            "In Kafka",
            rates.delivered,
            format!("{} records", count(forward.delivered)),
            "out",
            |s| s.delivered,
        ),
        tile("requests", "Requests", rates.requests, connections(summary), "ask", |s| s.requests),
        tile(
            "refused",
            "Refused",
            rates.refused,
            format!("{} in all", count(refused)),
            "no",
            |s| s.refused,
        ),
    ]
    .concat()
}

fn connections(summary: &Summary<'_>) -> String {
    let http = &summary.observed.http;
    format!("{} connections, {} in flight", http.connections, http.open_requests)
}

/// The write-ahead log.
pub(super) fn log(summary: &Summary<'_>) -> String {
    let wal = &summary.observed.wal;
    let used = summary.used();
    let class = match used {
        used if used >= 0.9 => "bad",
        used if used >= 0.7 => "degraded",
        _ => "in",
    };
    let full = full_bytes(wal.max_bytes);
    let label =
        format!("{:.0} % of the log's room is used; it refuses records from 90 %", used * 100.0);
    let values = summary.history.values(|s| s.wal_bytes);
    let drawing = lines("Bytes in the log", &[Line { class: "in", values: &values }], 0.0);
    let oldest = wal.oldest_age.map_or("–".to_owned(), |age| duration(age.as_secs_f64()));
    let of_full = format!("Of {} at most", bytes(full));
    let facts = [
        (&*of_full, bytes(wal.bytes)),
        ("Records not in Kafka", count(summary.observed.lag_records())),
        ("Oldest waits", oldest),
        ("Outlook", trend(summary.trend)),
    ];
    let gauge = gauge(&label, used, 0.9, class);
    format!(
        "<section id=\"log\" data-live class=\"half\"><h2>Write-ahead log</h2>{gauge}{}{drawing}</section>",
        list(&facts)
    )
}

fn trend(trend: Trend) -> String {
    match trend {
        Trend::Empty => "nothing waits".to_owned(),
        Trend::KeepsUp => "Kafka keeps up".to_owned(),
        Trend::Steady => "steady".to_owned(),
        Trend::Full(seconds) => format!("full in {}", duration(seconds)),
        Trend::Drained(seconds) => format!("drained in {}", duration(seconds)),
    }
}

/// What goes to Kafka.
pub(super) fn kafka(summary: &Summary<'_>) -> String {
    let (wal, forward) = (&summary.observed.wal, &summary.observed.forward);
    let (dot, state) = match summary.observed.long_wait() {
        _ if !forward.connected => ("away", "away"),
        Some(_) => ("away", "slow"),
        None => ("connected", "connected"),
    };
    let dead: u64 = forward.dead_letters.values().sum();
    let drain = format!("{}<small>/s</small>", bytes(wal.drain_bytes_per_second as u64));
    let facts = [
        ("Kafka", format!("<span class=\"dot {dot}\"></span>{state}")),
        ("Takes", drain),
        ("In flight", format!("{} <small>records</small>", count(forward.in_flight))),
        ("Sent again", format!("{} <small>records</small>", count(forward.retried))),
        ("Stuck partitions", forward.stuck.len().to_string()),
        ("Dead letters", count(dead)),
    ];
    let (inward, outward) =
        (summary.history.rates(|s| s.records), summary.history.rates(|s| s.delivered));
    let both = [Line { class: "out", values: &outward }, Line { class: "in", values: &inward }];
    let drawing = lines("Records accepted and delivered a second", &both, 0.0);
    format!(
        "<section id=\"kafka\" data-live class=\"half\"><h2>On the way to Kafka</h2>{}{drawing}\
         <p class=\"legend\"><span class=\"in\">accepted</span> <span class=\"out\">in Kafka</span></p></section>",
        list(&facts)
    )
}

fn list(facts: &[(&str, String)]) -> String {
    let mut out = "<dl>".to_owned();
    for (name, value) in facts {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>");
    out
}

/// Syncs of the last minute.
pub(super) fn syncs(summary: &Summary<'_>) -> String {
    spread("syncs", "Syncs to the disk", "Syncs in a minute", &summary.syncs, "out")
}

/// Answers of the last minute.
pub(super) fn latencies(summary: &Summary<'_>) -> String {
    spread("latencies", "Time to answer", "Answers in a minute", &summary.latencies, "ask")
}

fn spread(id: &str, title: &str, what: &str, spread: &Spread, class: &str) -> String {
    let all = spread.histogram.count();
    let figure = |us: Option<u64>| match us {
        _ if all == 0 => "–".to_owned(),
        Some(us) => format!("≤ {}", duration(us as f64 / 1e6)),
        None => "&gt; 4 s".to_owned(),
    };
    let mean = match all {
        0 => "–".to_owned(),
        all => duration(spread.histogram.sum() as f64 / all as f64 / 1e6),
    };
    let facts = [
        ("Median", figure(spread.p50)),
        ("99 %", figure(spread.p99)),
        ("Mean", mean),
        (what, count(all)),
    ];
    let label = format!("{title}: {} at the median, {} at 99 %", facts[0].1, facts[1].1);
    let drawing = bars(&label, &spread.histogram, class);
    format!(
        "<section id=\"{id}\" data-live class=\"half\"><h2>{title}</h2>{}{drawing}<p class=\"axis\" aria-hidden=\"true\">\
         <span>16 µs</span><span>512 µs</span><span>16 ms</span><span>0.5 s</span><span>longer</span></p></section>",
        list(&facts)
    )
}

/// Those who read topics.
pub(super) fn readers(summary: &Summary<'_>) -> String {
    let readers = &summary.observed.http.readers;
    let now = match readers.readers_max {
        0 => "nobody may".to_owned(),
        most => {
            format!("{} <small>of {}</small>", count(readers.readers as u64), count(most as u64))
        }
    };
    let facts = [
        ("Reading now", now),
        ("Take", format!("{}<small>/s</small>", rate(summary.rates.read))),
        ("Read since the start", format!("{} <small>records</small>", count(readers.records))),
        ("In bytes", bytes(readers.bytes)),
    ];
    let values = summary.history.rates(|s| s.read);
    let drawing = lines("Records read a second", &[Line { class: "ask", values: &values }], 0.0);
    format!(
        "<section id=\"readers\" data-live class=\"wide\"><h2>Readers of topics</h2>{}{drawing}</section>",
        list(&facts)
    )
}

/// Answers by route and status.
pub(super) fn answers(summary: &Summary<'_>) -> String {
    let mut rows = String::new();
    for answers in &summary.observed.http.answers {
        let class = match answers.status {
            500.. => "bad",
            400.. => "degraded",
            _ => "good",
        };
        let _ = write!(
            rows,
            "<tr><td>{}</td><td><span class=\"code {class}\">{}</span></td><td>{}</td></tr>",
            escape(&answers.route),
            answers.status,
            count(answers.count)
        );
    }
    table(
        "answers",
        "Answers",
        ["Route", "Status", "Since the start"],
        &rows,
        "Nobody has asked yet.",
    )
}

/// Refusals and dead letters by reason.
pub(super) fn refusals(summary: &Summary<'_>) -> String {
    let (http, forward) = (&summary.observed.http, &summary.observed.forward);
    let refused = http.refusals.iter().map(|(reason, n)| (*reason, "refused", *n));
    let dead = forward.dead_letters.iter().map(|(reason, n)| (&**reason, "dead letter", *n));
    let mut rows = String::new();
    for (reason, kind, n) in refused.chain(dead).filter(|(_, _, n)| *n > 0) {
        let (reason, n) = (escape(reason), count(n));
        let _ = write!(rows, "<tr><td>{reason}</td><td>{kind}</td><td>{n}</td></tr>");
    }
    table(
        "refusals",
        "Refused, and dead letters",
        ["Reason", "What", "Since the start"],
        &rows,
        "None.",
    )
}

fn table(id: &str, title: &str, names: [&str; 3], rows: &str, empty: &str) -> String {
    let [first, second, third] = names;
    let body = match rows {
        "" => format!("<p class=\"none\">{empty}</p>"),
        rows => format!(
            "<table><thead><tr><th>{first}</th><th>{second}</th><th>{third}</th></tr></thead><tbody>{rows}</tbody></table>"
        ),
    };
    format!("<section id=\"{id}\" data-live class=\"half\"><h2>{title}</h2>{body}</section>")
}

/// What went wrong last.
pub(super) fn errors(summary: &Summary<'_>) -> String {
    let mut items = String::new();
    for (at_ms, what) in summary.observed.errors().take(MAX_ERRORS) {
        let ago = summary.now_ms.saturating_sub(at_ms).max(0) as f64 / 1000.0;
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        let _ = write!(
            items,
            "<li><time datetime=\"{at}\">{} ago</time> {}</li>",
            duration(ago.floor()),
            escape(what)
        );
    }
    let body = match items.as_str() {
        "" => "<p class=\"none\">None.</p>".to_owned(),
        items => format!("<ol>{items}</ol>"),
    };
    format!("<section id=\"errors\" data-live class=\"wide\"><h2>Last errors</h2>{body}</section>")
}
