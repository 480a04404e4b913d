//! `klamm perf http`: requests to a gateway, on a schedule or as fast as answers come, and whether what was accepted arrives.
//!
//! `request` makes the bytes, `schedule` says when they go, `connection` sends them and waits for the `answer`, `load` has the
//! threads, `books` counts, and `topic` looks afterwards for what was accepted. `own` is a gateway for a load
//! that was given no address.

mod answer;
mod args;
mod books;
mod connection;
mod load;
mod own;
mod print;
mod request;
mod schedule;
mod target;
mod topic;

pub(crate) use self::args::PerfHttp;

use self::books::{Accepted, Ledger};
use self::load::Load;
use self::own::Own;
use self::print::Outcome;
use self::request::{BodyKind, NUMBERS, Request};
use self::schedule::Plan;
use self::target::Target;
use self::topic::{Before, Sightings, Verdict};
use super::RATE_TOLERANCE;
use super::measure::{Meter, Totals};
use crate::args::Global;
use crate::connect::{Settings, all_settings, connect};
use crate::failure::{DATA, Failure, RATE_MISSED, USAGE};
use hyper::header::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// The longest load.
const MAX_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

pub(crate) async fn run(global: &Global, args: PerfHttp) -> Result<(), Failure> {
    let mut settings = all_settings(global, &[])?;
    let (target, own) = match args.url.clone() {
        Some(url) => (url, None),
        None => {
            let own = Own::start(settings.client.clone()).await?;
            settings.client = own.client.clone();
            (own.target()?, Some(own))
        }
    };
    let outcome = measure(global, &args, &target, settings).await;
    let stopped = match own {
        Some(own) => own.stop().await,
        None => Ok(()),
    };
    judge(&args, &outcome?).and(stopped)
}

async fn measure(
    global: &Global,
    args: &PerfHttp,
    target: &Target,
    settings: Settings,
) -> Result<Outcome, Failure> {
    let run = format!("{:08x}", fastrand::u32(..));
    let load = load(args, target, &run)?;
    load::reach(&load.address, load.timeout).await?;
    let before = before(args, target, settings).await?;
    let progress = print::progress(global.output, args, &load.meter);
    let books = load.run().await;
    progress.finish();
    let mut books = books?;
    let mut accepted = load.meter.finish(&Totals::default());
    accepted.secs = accepted.secs.max(f64::MIN_POSITIVE);
    let verdict = match (before, books.accepted.take()) {
        (Some(before), Some(accepted)) => Some(find(args, &run, &load, before, accepted).await?),
        _ => None,
    };
    let outcome = Outcome { accepted, books, verdict, body_bytes: load.request.body_len() };
    print::outcome(global.output, args, &outcome);
    Ok(outcome)
}

/// What is going to be sent.
fn load(args: &PerfHttp, target: &Target, run: &str) -> Result<Load, Failure> {
    if !(0.001..=MAX_SECONDS).contains(&args.seconds) {
        return Err(Failure::new(USAGE, format!("--seconds: 0.001 to {MAX_SECONDS}")));
    }
    let request = request(args, target, run)?;
    let most = NUMBERS / request.records();
    Ok(Load {
        address: target.address.clone(),
        plan: Plan {
            rate: u64::try_from(args.throughput).ok().filter(|r| *r > 0).map(|r| r as f64),
            time: Duration::from_secs_f64(args.seconds),
            requests: args.num_requests.unwrap_or(most).min(most),
        },
        request,
        connections: args.connections,
        threads: args.threads.min(args.connections),
        timeout: Duration::from_millis(args.timeout),
        verify: args.verify.is_some(),
        ledger: args.ledger.as_deref().map(Ledger::create).transpose()?,
        meter: Arc::new(Meter::new(args.warmup_requests)?),
    })
}

fn request(args: &PerfHttp, target: &Target, run: &str) -> Result<Request, Failure> {
    let line = match &args.body {
        BodyKind::Text(text) => text.clone(),
        BodyKind::Size(size) => request::generated(*size, run).ok_or_else(|| {
            Failure::new(USAGE, format!("--body {size}: too small to hold an id"))
        })?,
        BodyKind::File(path) => std::fs::read_to_string(path)
            .map_err(|e| Failure::new(DATA, format!("{}: {e}", path.display())))?,
    };
    let records = args.records_per_request;
    let usual = if records > 1 { "application/x-ndjson" } else { "application/json" };
    let content_type = args.content_type.as_deref().unwrap_or(usual);
    let headers = args.header.iter().map(|header| header_of(header));
    let mut headers = headers.collect::<Result<Vec<_>, _>>()?;
    let content_type = header_of(&format!("content-type: {content_type}"))?.1;
    headers.retain(|(name, _)| name != "content-type");
    let request = Request::new(target, &content_type, &headers, line.trim_end(), records);
    request.ok_or_else(|| Failure::new(USAGE, "the body of a request is too large"))
}

/// Name and value of a header; what would break a request is refused.
fn header_of(text: &str) -> Result<(String, String), Failure> {
    let wrong = || Failure::new(USAGE, format!("{text:?} is not of the form name: value"));
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
    let value: HeaderValue = value.trim().parse().map_err(|_| wrong())?;
    let own = ["host", "content-length", "transfer-encoding", "connection"];
    if own.contains(&name.as_str()) {
        return Err(Failure::new(USAGE, format!("{name} is set already")));
    }
    Ok((name.as_str().to_owned(), value.to_str().map_err(|_| wrong())?.to_owned()))
}

/// Where the topic ends now, if it is read afterwards.
async fn before(
    args: &PerfHttp,
    target: &Target,
    settings: Settings,
) -> Result<Option<Before>, Failure> {
    let Some(named) = &args.verify else { return Ok(None) };
    let topic = Some(named.as_str()).filter(|topic| !topic.is_empty()).or(target.topic());
    let topic = topic.ok_or_else(|| {
        Failure::new(USAGE, "the path names no topic: --verify=TOPIC says which one is read")
    })?;
    let client = connect(settings.client).await?;
    Before::look(client, settings.consumer, topic).await.map(Some)
}

async fn find(
    args: &PerfHttp,
    run: &str,
    load: &Load,
    before: Before,
    accepted: Accepted,
) -> Result<Verdict, Failure> {
    let request = &load.request;
    let sightings = Sightings::new(run, accepted, request.records(), request.has_numbers());
    if sightings.is_blind() {
        let text = "neither bodies nor answers have an id: put {{id}} into the body";
        return Err(Failure::new(USAGE, text));
    }
    before.find(sightings, Duration::from_millis(args.verify_timeout)).await
}

/// Whether it was as it must be.
fn judge(args: &PerfHttp, outcome: &Outcome) -> Result<(), Failure> {
    let Outcome { accepted, books, verdict, .. } = outcome;
    if let Some(verdict) = verdict.as_ref().filter(|verdict| !verdict.is_clean()) {
        return Err(Failure::new(RATE_MISSED, print::verdict_text(verdict)));
    }
    let busy: u64 =
        [429, 503].iter().filter_map(|s| books.statuses.get(s)).map(|t| t.count()).sum();
    let allowed = if args.refusals_ok { busy } else { 0 };
    let bad = books.answers() - books.good() - allowed + books.unanswered();
    if bad > 0 {
        let all = books.answers() + books.unanswered();
        return Err(Failure::new(DATA, format!("{bad} of {all} requests were not accepted")));
    }
    let target = args.throughput as f64;
    let rate = accepted.rate + allowed as f64 / accepted.secs;
    if target > 0.0 && rate < target * (1.0 - RATE_TOLERANCE) {
        let text = format!("{rate:.0} requests/s is short of the {target:.0} asked for");
        return Err(Failure::new(RATE_MISSED, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::header_of;

    #[test]
    fn headers_are_names_and_values() {
        let header = header_of("X-Key:  a b").unwrap();
        assert_eq!((&*header.0, &*header.1), ("x-key", "a b"));
        for wrong in ["x", "x y: z", "x: a\r\nb: c", ": z", "Host: other", "content-length: 3"] {
            assert!(header_of(wrong).is_err(), "{wrong:?}");
        }
    }
}
