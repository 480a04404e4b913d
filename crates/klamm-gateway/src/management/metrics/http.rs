//! Pure: connections, requests, answers and refusals.

use super::distribution::durations;
use crate::events::ReadersState;
use crate::http::HttpState;
use klamm_metrics::Text;

pub(super) fn write(text: &mut Text, http: &HttpState) {
    connections(text, http);
    requests(text, http);
    readers(text, &http.readers);
    let mut family = text.counter(
        "klamm_gateway_refused_total",
        "Requests, and connections before one, that were refused, by reason.",
    );
    for (reason, count) in &http.refusals {
        family.sample(&[("reason", reason)], count);
    }
    text.counter("klamm_gateway_accepted_records_total", "Records that clients were promised.")
        .value(http.records);
    text.counter(
        "klamm_gateway_unlogged_accepted_records_total",
        "Records of ack=memory that were taken, and are in no log.",
    )
    .value(http.unlogged);
    text.counter(
        "klamm_gateway_replayed_requests_total",
        "Requests that had been taken before, and were answered the same again.",
    )
    .value(http.replayed);
}

fn connections(text: &mut Text, http: &HttpState) {
    text.gauge("klamm_gateway_http_connections", "Open connections.").value(http.connections);
    text.counter("klamm_gateway_http_connections_total", "Connections that were accepted.")
        .value(http.accepted);
    text.gauge("klamm_gateway_http_requests_in_flight", "Requests that are worked on.")
        .value(http.open_requests);
    text.gauge("klamm_gateway_http_body_bytes", "Bytes of bodies in memory.")
        .value(http.admitted_bytes);
    text.counter("klamm_gateway_http_received_bytes_total", "Bytes of bodies that were read.")
        .value(http.body_bytes);
}

fn readers(text: &mut Text, readers: &ReadersState) {
    text.gauge("klamm_gateway_readers", "Requests that read a topic now.").value(readers.readers);
    text.gauge("klamm_gateway_readers_max", "Requests that may read a topic at once.")
        .value(readers.readers_max);
    text.counter("klamm_gateway_read_records_total", "Records of topics that readers were told.")
        .value(readers.records);
    text.counter("klamm_gateway_read_bytes_total", "Bytes in which they were told.")
        .value(readers.bytes);
}

fn requests(text: &mut Text, http: &HttpState) {
    let mut family =
        text.counter("klamm_gateway_http_requests_total", "Answers, by route and status code.");
    for answers in &http.answers {
        let labels = [("route", &*answers.route), ("status", &*answers.status.to_string())];
        family.sample(&labels, answers.count);
    }
    let mut family = text.histogram(
        "klamm_gateway_http_request_duration_seconds",
        "From a request's head to its answer, by route.",
    );
    for (route, latency_us) in &http.latency_us {
        durations(&mut family, &[("route", route)], latency_us);
    }
}
