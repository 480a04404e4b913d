//! The way of a request while there are fault rules or requests are logged.

use super::{Context, Handle, Outcome, finish};
use crate::fault::{self, Keys, Seen};
use crate::request_log::Entry;
use klamm_protocol::error_code::ErrorCode;

/// Judges a request, notes it, and answers it as the rules want; the code is the first error in the answer.
pub(super) async fn answer<R: Handle>(
    request: R,
    mut cx: Context,
    correlation_id: i32,
) -> (Outcome, ErrorCode) {
    let targets = request.targets(&cx);
    let keys = if cx.cluster.faults.any() { request.keys() } else { Keys::default() };
    let (api, client_id) = (cx.api, &*cx.client_id);
    let seen = Seen { api, node: cx.node_id(), client_id, targets: &targets, keys: &keys };
    let mut verdict = cx.cluster.faults.judge(&seen, R::FAILS_BY_TOPIC);
    let topics = targets.iter().map(|target| target.topic.as_str());
    let entry = Entry::begin(&cx, correlation_id, topics, &verdict.ids);
    cx.topic_faults = std::mem::take(&mut verdict.by_topic);
    let (cluster, version) = (cx.cluster.clone(), cx.version);
    let mut error = ErrorCode::NONE;
    let answered = fault::carry_out(request, cx, verdict.course).await;
    let outcome = answered.and_then(|mut response| {
        fault::spoil(&mut response, &cluster, &verdict);
        error = fault::Faulty::error(&response);
        finish::<R>(&response, version, correlation_id)
    });
    fault::delay(&cluster, &verdict).await;
    let outcome = match (outcome, verdict.cut_after) {
        (Ok(frame), Some(bytes)) => Err(fault::cut(frame, bytes)),
        (outcome, _) => outcome,
    };
    entry.end(&outcome, error);
    (outcome, error)
}
