//! Requests by API.

use super::durations::durations;
use crate::cluster::Cluster;
use crate::fault::name;
use crate::metrics::ApiTotals;
use klamm_metrics::Text;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use std::collections::BTreeMap;

type Totals = BTreeMap<ApiKey, ApiTotals>;

pub(super) fn write(text: &mut Text, cluster: &Cluster) {
    let totals = cluster.metrics.requests.totals();
    outcomes(text, &totals);
    let mut family =
        text.gauge("klamm_broker_requests_in_flight", "Requests that have begun and not ended.");
    each(&totals, |api, totals| family.sample(api, totals.in_flight()));
    times(text, &totals);
    let mut family = text.counter("klamm_broker_request_bytes_total", "Bytes of requests.");
    each(&totals, |api, totals| family.sample(api, totals.request_bytes));
    let mut family = text.counter("klamm_broker_response_bytes_total", "Bytes of responses.");
    each(&totals, |api, totals| family.sample(api, totals.response_bytes));
    memory(text, cluster);
}

fn each(totals: &Totals, mut write: impl FnMut(&[(&str, &str)], &ApiTotals)) {
    for (&api, totals) in totals {
        write(&[("api", api.name())], totals);
    }
}

fn outcomes(text: &mut Text, totals: &Totals) {
    let mut family = text.counter(
        "klamm_broker_requests_total",
        "Requests by what became of them: the first error in the answer or NONE, unanswered (acks=0), \
         disconnected, abandoned by the client.",
    );
    each(totals, |api, totals| {
        let mut outcome = |outcome: &str, count| {
            if count > 0 {
                family.sample(&[api[0], ("outcome", outcome)], count);
            }
        };
        outcome("NONE", totals.succeeded());
        for (&code, &count) in &totals.errors {
            outcome(&name::of_error(ErrorCode(code)), count);
        }
        outcome("unanswered", totals.unanswered);
        outcome("disconnected", totals.disconnected);
        outcome("abandoned", totals.abandoned);
    });
}

fn times(text: &mut Text, totals: &Totals) {
    let mut family = text.histogram(
        "klamm_broker_request_duration_seconds",
        "From a whole request to its answer, without the time it was held.",
    );
    each(totals, |api, totals| durations(&mut family, api, &totals.duration));
    let mut family = text.histogram(
        "klamm_broker_request_hold_duration_seconds",
        "How long requests were held until there was something to answer: records for Fetch, members for JoinGroup \
         and SyncGroup.",
    );
    each(totals, |api, totals| {
        if totals.held.count() > 0 {
            durations(&mut family, api, &totals.held);
        }
    });
}

fn memory(text: &mut Text, cluster: &Cluster) {
    let (used, limit) = cluster.memory.usage();
    text.gauge("klamm_broker_request_memory_bytes", "Memory that large requests have reserved.")
        .value(used);
    text.gauge("klamm_broker_request_memory_limit_bytes", "Memory that large requests share.")
        .value(limit);
    let (sessions, partitions) = cluster.fetch_sessions.lock().count();
    text.gauge("klamm_broker_fetch_sessions", "Fetch sessions.").value(sessions);
    text.gauge("klamm_broker_fetch_session_partitions", "Partitions that fetch sessions remember.")
        .value(partitions);
}
