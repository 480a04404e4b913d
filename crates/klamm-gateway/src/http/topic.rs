//! `POST /topics/{topic}`: records in any form.

use super::answer::{self, Answer};
use super::app::{App, Asked, Left, is_confluent};
use super::body::{self, Held, Whole};
use super::delivery;
use super::fields::Fields;
use super::fingerprint;
use super::preference::{Patience, Preference};
use super::refused::Refused;
use crate::format::{Dialect, Incoming, Rejected, confluent_v2, incoming};
use crate::trace;
use crate::{Accepted, Ack};
use http::HeaderValue;
use std::time::Duration;

/// So many records are room that nobody counts.
const FEW_RECORDS: usize = 16;
/// What an answer says of a record, about.
const TOLD_BYTES: usize = 128;

/// Takes the records of a request.
pub(super) async fn produce(
    app: &App,
    asked: Asked<'_>,
    left: &mut Left,
) -> Result<Answer, Refused> {
    let Asked { matched, who, peer, parts, body, now_ms } = asked;
    let confluent = is_confluent(&parts.headers);
    let rejected = |rejected: Rejected| Refused::rejected(&rejected, confluent);
    let held = Held { parts: &parts, rules: matched.rules, now_ms };
    let Whole { bytes, name, mut admitted } = body::whole(app, held, body, left).await?;
    let (envelope, query) = matched.envelope(&parts, peer, now_ms).map_err(rejected)?;
    let trace = trace::context(&parts.headers);
    let named = name.is_some() || fingerprint::is_named(&parts.headers);
    let fingerprint = named.then(|| fingerprint::of(&parts, &bytes));
    let identity = name.map(|name| envelope.identity(&[&name]));
    let (query, size, preference) =
        (query.into_owned(), bytes.len(), Preference::of(&parts.headers));
    let schema = matched.rules.schema.clone();
    let read = move || {
        let read = incoming(Fields::of(&parts.headers), &query, &bytes, envelope);
        let read = read.and_then(|incoming| match &schema {
            Some(schema) => incoming.held_to(schema),
            None => Ok(incoming),
        });
        read.map_err(|rejected| Refused::rejected(&rejected, confluent))
    };
    let Incoming { mut records, dialect, refused, .. } = body::aside(size, read).await?;
    if matched.reads_records() {
        matched.complete(&mut records).map_err(rejected)?;
    }
    if let Some(trace) = trace {
        trace.carry(&mut records);
    }
    if identity.is_some() {
        records.iter_mut().for_each(|record| record.idempotency = identity);
    }
    if let Some(fingerprint) = fingerprint {
        fingerprint::mark(&mut records, fingerprint);
    }
    app.guard.charge(&who, size, records.len())?;
    let ack = if dialect == Dialect::ConfluentV2 { Ack::Kafka } else { matched.rules.ack };
    let Patience { wait, applied } = preference.patience(ack, app.limits.wait);
    // A name is remembered in the log, and outcomes are those of what is in it: whoever wants either gets more than asked for.
    let logged = ack != Ack::Memory || wait.is_some() || named || !refused.is_empty();
    if let Some(unlogged) = app.unlogged.as_ref().filter(|_| !logged) {
        let mut answer = app.send_unlogged(unlogged, records)?;
        prefer(&mut answer, applied);
        return Ok(answer);
    }
    if records.len() > FEW_RECORDS {
        let each = size_of::<Accepted>() + if wait.is_some() { TOLD_BYTES } else { 0 };
        admitted.grow(size.saturating_add(records.len().saturating_mul(each)))?;
    }
    let mut answer = append(app, records, wait, dialect, &refused).await?;
    if wait.is_some() {
        // An answer that tells of every record is many times as long as a short one needs to be.
        answer.body_mut().hold(admitted);
    }
    prefer(&mut answer, applied);
    Ok(answer)
}

/// Tells which preferences went by.
fn prefer(answer: &mut Answer, applied: Option<String>) {
    if let Some(applied) = applied.and_then(|applied| HeaderValue::try_from(applied).ok()) {
        answer.headers_mut().insert("preference-applied", applied);
    }
}

/// Writes the records down and tells what became of them; `refused` are the lines that are none.
async fn append(
    app: &App,
    records: Vec<Accepted>,
    wait: Option<Duration>,
    dialect: Dialect,
    refused: &[(usize, Rejected)],
) -> Result<Answer, Refused> {
    let appended = app.write(records, wait).await?.outcomes().await;
    let instance = app.wal.instance();
    let mut answer = match (&appended.outcomes, dialect) {
        (Some(outcomes), Dialect::ConfluentV2) => {
            let outcomes: Vec<_> = outcomes.iter().map(delivery::confluent).collect();
            answer::answer(200, confluent_v2::CONTENT_TYPE, confluent_v2::answer(&outcomes))
        }
        _ if !refused.is_empty() => answer::partial(instance, &appended, refused),
        (Some(outcomes), Dialect::Klamm) => {
            let body = delivery::body(instance, appended.receipt.first, outcomes);
            answer::answer(delivery::status(outcomes), answer::JSON, body)
        }
        (None, _) => answer::accepted(instance, &appended),
    };
    if appended.replayed > 0 {
        answer.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(answer)
}
