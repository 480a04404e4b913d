//! How the load is shown: a bar, lines, a table, or JSON.

use super::PerfHttp;
use super::books::{Books, Times};
use super::topic::Verdict;
use crate::args::Output;
use crate::perf::REPORT_EVERY;
use crate::perf::measure::{Meter, Summary};
use crate::perf::progress::{Look, Progress};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

/// What a run came to.
pub(super) struct Outcome {
    /// From when a request was due until it was accepted.
    pub(super) accepted: Summary,
    pub(super) books: Books,
    pub(super) verdict: Option<Verdict>,
    pub(super) body_bytes: usize,
}

/// Shows how far it is.
pub(super) fn progress(output: Output, args: &PerfHttp, meter: &Arc<Meter>) -> Progress {
    let millis = (args.seconds * 1e3) as u64;
    let (began, seen) = (Instant::now(), Arc::clone(meter));
    let requests = args.num_requests;
    let position = move || match requests {
        // Whichever ends it first.
        Some(requests) => {
            let of_requests = seen.progress().saturating_mul(millis) / requests.max(1);
            of_requests.max(began.elapsed().as_millis() as u64)
        }
        None => began.elapsed().as_millis() as u64,
    };
    Progress::start_to(
        Look::of(output, false),
        REPORT_EVERY,
        (meter, millis, position),
        |window| {
            let Summary { sent, failed, rate, .. } = window;
            let latency = window.latency_text();
            format!("{sent} requests accepted, {failed} not, {rate:.1} requests/sec, ms: {latency}")
        },
        |window| {
            let [p50, _, p99, _] = window.percentiles_ms;
            let not =
                if window.failed > 0 { format!("  {} not", window.failed) } else { String::new() };
            format!("{:.0} requests/s  p50 {p50:.2} ms  p99 {p99:.2} ms{not}", window.rate)
        },
    )
}

pub(super) fn outcome(output: Output, args: &PerfHttp, outcome: &Outcome) {
    match output {
        Output::Json => println!("{}", as_json(args, outcome)),
        Output::Text => println!("{}", table(args, outcome)),
    }
    if let Some(refusal) = &outcome.books.first_refusal {
        eprintln!("first refusal: {refusal}");
    }
    if let Some(trouble) = &outcome.books.first_trouble {
        eprintln!("first error: {trouble}");
    }
}

/// From when requests were sent.
fn times_text(times: &Times) -> String {
    let [p50, p95, p99, p999] = [50.0, 95.0, 99.0, 99.9].map(|p| times.percentile(p));
    let max = times.max();
    format!("p50 {p50:.2}   p95 {p95:.2}   p99 {p99:.2}   p99.9 {p999:.2}   max {max:.2}")
}

fn table(args: &PerfHttp, outcome: &Outcome) -> String {
    let Outcome { accepted: a, books, verdict, body_bytes } = outcome;
    let (records, mib) = per_second(args, a, *body_bytes);
    let target =
        if args.throughput > 0 { format!("   target {}", args.throughput) } else { String::new() };
    let mut text = format!(
        "accepted         {:>12}   answered otherwise {}   unanswered {}",
        books.good(),
        books.answers() - books.good(),
        books.unanswered()
    );
    // Writing to memory does not fail.
    let _ = write!(text, "\nrate             {:>12.0} requests/s   {records:.0} records/s", a.rate);
    let _ = write!(text, "   {mib:.2} MiB/s{target}");
    let _ = write!(text, "\nlatency ms       {}", a.latency_text());
    for (status, times) in &books.statuses {
        let count = times.count();
        let _ = write!(text, "\n{status} from sent ms  {}   count {count}", times_text(times));
    }
    for (name, count) in &books.troubles {
        let _ = write!(text, "\nno answer        {count:>12}   {name}");
    }
    if let Some(verdict) = verdict {
        let _ = write!(text, "\n{}", verdict_text(verdict));
    }
    let peak = a.peak_rss_bytes as f64 / 1_048_576.0;
    let _ = write!(text, "\ncpu              {:>12.3} us/request", a.cpu_us_per_record);
    let _ = write!(text, "   peak memory {peak:.1} MiB");
    text
}

/// Records, and MiB of bodies.
fn per_second(args: &PerfHttp, accepted: &Summary, body_bytes: usize) -> (f64, f64) {
    let records = accepted.rate * args.records_per_request as f64;
    (records, accepted.rate * body_bytes as f64 / 1_048_576.0)
}

pub(super) fn verdict_text(verdict: &Verdict) -> String {
    let Verdict { accepted, missing, ids_missing, duplicates, id_duplicates, .. } = verdict;
    let mut text = format!(
        "in the topic     {:>12}   of {accepted} accepted; missing {missing}, by id {ids_missing}; duplicates \
         {duplicates}, by id {id_duplicates}; not accepted and there {}",
        accepted - missing,
        verdict.not_accepted
    );
    if !verdict.examples.is_empty() {
        let _ = write!(text, "\nmissing          {}", verdict.examples.join(" "));
    }
    text
}

fn as_json(args: &PerfHttp, outcome: &Outcome) -> Value {
    let Outcome { accepted: a, books, verdict, body_bytes } = outcome;
    let (records, mib) = per_second(args, a, *body_bytes);
    let statuses: Map<String, Value> = books
        .statuses
        .iter()
        .map(|(status, times)| (status.to_string(), times_json(times)))
        .collect();
    json!({
        "accepted": books.good(),
        "answered_otherwise": books.answers() - books.good(),
        "unanswered": books.unanswered(),
        "errors": books.troubles,
        "first_error": books.first_trouble,
        "first_refusal": books.first_refusal,
        "connections": args.connections,
        "records_per_request": args.records_per_request,
        "body_bytes": body_bytes,
        "seconds": a.secs,
        "requests_per_second": a.rate,
        "records_per_second": records,
        "mib_per_second": mib,
        "target_requests_per_second": args.throughput,
        "latency_ms": a.latency_json(),
        "statuses": statuses,
        "verdict": verdict,
        "cpu_us_per_request": a.cpu_us_per_record,
        "peak_rss_bytes": a.peak_rss_bytes,
    })
}

fn times_json(times: &Times) -> Value {
    let [p50, p95, p99, p999] = [50.0, 95.0, 99.0, 99.9].map(|p| times.percentile(p));
    let sent = json!({"p50": p50, "p95": p95, "p99": p99, "p999": p999, "max": times.max()});
    json!({"count": times.count(), "from_sent_ms": sent})
}
