//! Pure: the page's figures for programs.

use super::summary::{Spread, Summary, Trend};
use crate::management::VERSION;
use crate::management::health::full_bytes;
use serde_json::{Value, json};

/// `/status.json`.
pub(in crate::management) fn json(summary: &Summary<'_>) -> String {
    let observed = summary.observed;
    let verdict = &summary.verdict;
    let rates = &summary.rates;
    json!({
        "state": summary.state(),
        "failures": verdict.failures,
        "concerns": verdict.concerns,
        "version": VERSION,
        "log": &*observed.log,
        "now_ms": summary.now_ms,
        "uptime_seconds": summary.uptime_seconds(),
        "per_second": {
            "accepted_records": rates.records,
            "delivered_records": rates.delivered,
            "read_records": rates.read,
            "requests": rates.requests,
            "refused": rates.refused,
        },
        "wal": wal(summary),
        "sync_us": spread(&summary.syncs),
        "request_us": spread(&summary.latencies),
        "http": http(summary),
        "kafka": kafka(summary),
        "readers": readers(summary),
    })
    .to_string()
}

fn wal(summary: &Summary<'_>) -> Value {
    let wal = &summary.observed.wal;
    let (full_in, drained_in) = match summary.trend {
        Trend::Full(seconds) => (Some(seconds), None),
        Trend::Drained(seconds) => (None, Some(seconds)),
        Trend::Empty | Trend::KeepsUp | Trend::Steady => (None, None),
    };
    json!({
        "bytes": wal.bytes,
        "full_bytes": full_bytes(wal.max_bytes),
        "capacity_bytes": wal.max_bytes,
        "lag_records": summary.observed.lag_records(),
        "oldest_seconds": wal.oldest_age.map(|age| age.as_secs_f64()),
        "drain_bytes_per_second": wal.drain_bytes_per_second,
        "full_in_seconds": full_in,
        "drained_in_seconds": drained_in,
    })
}

/// Buckets of the last minute: the upper bound, null for the last one, and how many.
fn spread(spread: &Spread) -> Value {
    let buckets: Vec<_> = spread.histogram.buckets().filter(|(_, count)| *count > 0).collect();
    json!({"p50": spread.p50, "p99": spread.p99, "count": spread.histogram.count(), "buckets": buckets})
}

fn http(summary: &Summary<'_>) -> Value {
    let http = &summary.observed.http;
    let mut answers = json!({});
    for given in &http.answers {
        answers[&*given.route][given.status.to_string()] = given.count.into();
    }
    json!({
        "connections": http.connections,
        "in_flight": http.open_requests,
        "accepted_records": http.records,
        "replayed_requests": http.replayed,
        "answers": answers,
        "refused": counts(&http.refusals),
    })
}

fn kafka(summary: &Summary<'_>) -> Value {
    let forward = &summary.observed.forward;
    let errors =
        summary.observed.errors().map(|(at_ms, error)| json!({"at_ms": at_ms, "error": error}));
    json!({
        "connected": forward.connected,
        "in_flight": forward.in_flight,
        "delivered": forward.delivered,
        "retried": forward.retried,
        "stuck_partitions": forward.stuck,
        "dead_letters": forward.dead_letters,
        "errors": errors.collect::<Vec<_>>(),
    })
}

fn readers(summary: &Summary<'_>) -> Value {
    let readers = &summary.observed.http.readers;
    json!({
        "now": readers.readers,
        "at_most": readers.readers_max,
        "records": readers.records,
        "bytes": readers.bytes,
    })
}

fn counts(counts: &[(&'static str, u64)]) -> Value {
    counts.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect()
}
