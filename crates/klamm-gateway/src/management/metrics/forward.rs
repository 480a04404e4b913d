//! Pure: what goes to Kafka, and how far that is behind.

use super::super::observed::Observed;
use crate::forward::ForwardState;
use klamm_metrics::Text;

pub(super) fn write(text: &mut Text, observed: &Observed) {
    lag(text, observed);
    let forward = &observed.forward;
    gauges(text, forward);
    counters(text, forward);
    let mut family = text.counter(
        "klamm_gateway_forward_dead_letters_total",
        "Records that Kafka will never take, by reason.",
    );
    for (reason, count) in &forward.dead_letters {
        family.sample(&[("reason", reason)], count);
    }
}

fn gauges(text: &mut Text, forward: &ForwardState) {
    let gauges = [
        (
            "klamm_gateway_kafka_connected",
            "1 when Kafka takes records or answers, 0 within ten seconds when it does not.",
            u64::from(forward.connected),
        ),
        (
            "klamm_gateway_forward_in_flight_records",
            "Records that were sent and not acknowledged yet.",
            forward.in_flight,
        ),
        (
            "klamm_gateway_forward_stuck_partitions",
            "Partitions that take nothing for now; at most 100 are counted.",
            forward.stuck.len() as u64,
        ),
        (
            "klamm_gateway_forward_dead_letter_failing",
            "1 when a dead letter can be put nowhere; it is tried again.",
            u64::from(forward.dead_letter_error.is_some()),
        ),
    ];
    for (name, help, value) in gauges {
        text.gauge(name, help).value(value);
    }
}

fn counters(text: &mut Text, forward: &ForwardState) {
    let counters = [
        (
            "klamm_gateway_forward_sent_records_total",
            "Records given to the producer, further tries included.",
            forward.sent,
        ),
        (
            "klamm_gateway_forward_delivered_records_total",
            "Records of the log that Kafka has acknowledged.",
            forward.delivered,
        ),
        (
            "klamm_gateway_forward_retried_records_total",
            "Tries that failed; the record was or is sent again.",
            forward.retried,
        ),
        (
            "klamm_gateway_forward_rebuilt_producers_total",
            "Producers that were made anew after a failure that ends one.",
            forward.rebuilt,
        ),
        (
            "klamm_gateway_unlogged_delivered_records_total",
            "Records of ack=memory that Kafka has acknowledged.",
            forward.unlogged_delivered,
        ),
        (
            "klamm_gateway_unlogged_lost_records_total",
            "Records of ack=memory that are lost.",
            forward.unlogged_lost,
        ),
    ];
    for (name, help, value) in counters {
        text.counter(name, help).value(value);
    }
}

fn lag(text: &mut Text, observed: &Observed) {
    let wal = &observed.wal;
    text.gauge("klamm_gateway_drain_lag_records", "Accepted records that Kafka does not have yet.")
        .value(observed.lag_records());
    text.gauge("klamm_gateway_drain_lag_bytes", "Bytes in the log that Kafka does not have yet.")
        .value(wal.bytes.saturating_sub(wal.queued_bytes));
    text.gauge(
        "klamm_gateway_drain_lag_seconds",
        "How long the oldest of them has waited; 0 when there are none.",
    )
    .value(wal.oldest_age.unwrap_or_default().as_secs_f64());
    text.gauge(
        "klamm_gateway_drain_bytes_per_second",
        "Bytes of the log that Kafka takes in a second, of late.",
    )
    .value(wal.drain_bytes_per_second);
}
