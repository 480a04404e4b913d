//! Pure: connections, requests, answers and refusals.

use super::super::observed::HttpFigures;
use super::super::text::Text;

pub(super) fn write(text: &mut Text, http: &HttpFigures) {
    connections(text, http);
    requests(text, http);
    let mut family = text.counter(
        "klamm_gateway_refused_total",
        "Requests, and connections before one, that were refused, by reason.",
    );
    for (reason, count) in &http.refused {
        family.sample(&[("reason", reason)], count);
    }
    text.counter("klamm_gateway_accepted_records_total", "Records that clients were promised.")
        .value(http.records);
    text.counter(
        "klamm_gateway_replayed_requests_total",
        "Requests that had been taken before, and were answered the same again.",
    )
    .value(http.replayed);
}

fn connections(text: &mut Text, http: &HttpFigures) {
    text.gauge("klamm_gateway_http_connections", "Open connections.").value(http.connections);
    text.counter("klamm_gateway_http_connections_total", "Connections that were accepted.")
        .value(http.connections_total);
    text.gauge("klamm_gateway_http_requests_in_flight", "Requests that are worked on.")
        .value(http.in_flight);
    text.gauge("klamm_gateway_http_body_bytes", "Bytes of bodies in memory.")
        .value(http.body_bytes);
    text.gauge("klamm_gateway_http_body_limit_bytes", "Bytes of bodies that may be in memory.")
        .value(http.body_limit);
    text.counter("klamm_gateway_http_received_bytes_total", "Bytes of bodies that were read.")
        .value(http.received_bytes);
}

fn requests(text: &mut Text, http: &HttpFigures) {
    let mut family =
        text.counter("klamm_gateway_http_requests_total", "Answers, by route and status code.");
    for route in &http.routes {
        for (status, count) in &route.statuses {
            family.sample(&[("route", &route.route), ("status", &status.to_string())], count);
        }
    }
    let mut family = text.histogram(
        "klamm_gateway_http_request_duration_seconds",
        "From a request's head to its answer, by route.",
    );
    for route in &http.routes {
        family.durations(&[("route", &route.route)], &route.latency_us);
    }
}
