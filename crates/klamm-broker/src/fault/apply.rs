//! Does to a request what the rules want.

use super::response::Faulty;
use super::verdict::{Corruption, Course, Verdict};
use crate::cluster::Cluster;
use crate::handler::{Answer, Context, Handle, NoAnswer};
use bytes::BytesMut;
use klamm_protocol::primitives::{Records, StreamedFrame};
use std::future::pending;
use std::io;

/// Where the records of a batch begin, behind its header.
const FIRST_RECORD_AT: usize = 61;

/// Has a request handled, or refused, or both.
pub(crate) async fn carry_out<R: Handle>(
    request: R,
    cx: Context,
    course: Course,
) -> Answer<R::Response> {
    match course {
        Course::Usual => request.handle(cx).await,
        // Who wants no answer learns of an error by the end of the connection.
        Course::Refuse(_) if !request.wants_answer() => Err(NoAnswer::Disconnect),
        Course::Refuse(code) => Ok(request.refuse(&cx, code)),
        Course::ApplyThenError(code) => {
            let refusal = request.wants_answer().then(|| request.refuse(&cx, code));
            drop(request.handle(cx).await);
            refusal.ok_or(NoAnswer::Disconnect)
        }
        Course::NoAnswer => pending().await,
        Course::Disconnect => Err(NoAnswer::Disconnect),
        Course::ApplyThenDisconnect => {
            drop(request.handle(cx).await);
            Err(NoAnswer::Disconnect)
        }
    }
}

/// Changes a response before it is encoded.
pub(crate) fn spoil<T: Faulty>(response: &mut T, cluster: &Cluster, verdict: &Verdict) {
    if let Some(ms) = verdict.throttle_ms {
        response.throttle(ms);
    }
    for corruption in &verdict.corrupt {
        if !corrupt(response, cluster, corruption) {
            cluster.faults.take_back(corruption.id);
        }
    }
}

/// Damages the first batch of what the rule is for; false when there is none.
fn corrupt<T: Faulty>(response: &mut T, cluster: &Cluster, wanted: &Corruption) -> bool {
    for (topic, id, partition, records) in response.records() {
        let by_id = cluster.topics.by_id(id);
        let topic = by_id.as_ref().map_or(topic, |topic| topic.name());
        let is_wanted = wanted.topic.as_deref().is_none_or(|wanted| wanted == topic.as_str())
            && wanted.partition.is_none_or(|wanted| wanted == partition);
        if is_wanted && !records.is_empty() {
            let damaged = damaged(records).inspect_err(|error| {
                tracing::error!(%error, "records that a fault is to damage could not be read");
            });
            return damaged.map(|damaged| *records = damaged).is_ok();
        }
    }
    false
}

/// Not the header, which says how long the batch is: the checksum is to find it.
fn damaged(records: &Records) -> io::Result<Records> {
    let mut bytes = BytesMut::from(records.load()?);
    let at = FIRST_RECORD_AT.min(bytes.len() - 1);
    bytes[at] ^= 0x01;
    Ok(bytes.freeze().into())
}

/// Waits as long as the rules hold an answer back.
pub(crate) async fn delay(cluster: &Cluster, verdict: &Verdict) {
    if verdict.delay_ms > 0 {
        let clock = &cluster.clock;
        clock.sleep_until(clock.now_ms().saturating_add(verdict.delay_ms)).await;
    }
    for &(id, releases) in &verdict.holds {
        cluster.faults.held(id, releases).await;
    }
}

/// The first `bytes` of an answer; the connection ends behind them.
pub(crate) fn cut(mut frame: StreamedFrame, bytes: usize) -> NoAnswer {
    frame.truncate(bytes);
    NoAnswer::Cut(frame)
}
