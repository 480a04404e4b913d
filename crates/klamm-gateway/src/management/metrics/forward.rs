//! Pure: what goes to Kafka, and how far that is behind.

use super::super::observed::Observed;
use super::super::text::Text;

pub(super) fn write(text: &mut Text, observed: &Observed) {
    lag(text, observed);
    let forward = &observed.forward;
    text.gauge("klamm_gateway_kafka_connected", "1 when Kafka answers.")
        .value(u8::from(forward.connected));
    text.gauge(
        "klamm_gateway_forward_in_flight_records",
        "Records that were sent and not acknowledged yet.",
    )
    .value(forward.in_flight);
    text.gauge("klamm_gateway_forward_stuck_partitions", "Partitions that take nothing for now.")
        .value(forward.stuck_partitions);
    text.counter(
        "klamm_gateway_forward_delivered_records_total",
        "Records that Kafka has acknowledged.",
    )
    .value(forward.delivered);
    text.counter(
        "klamm_gateway_forward_retried_records_total",
        "Records that were handed to the client once more.",
    )
    .value(forward.retried);
    let mut family = text.counter(
        "klamm_gateway_forward_dead_letters_total",
        "Records that Kafka will never take, by reason.",
    );
    for (reason, count) in &forward.dead_letters {
        family.sample(&[("reason", reason)], count);
    }
}

fn lag(text: &mut Text, observed: &Observed) {
    let wal = &observed.wal;
    text.gauge("klamm_gateway_drain_lag_records", "Accepted records that Kafka does not have yet.")
        .value(wal.next.saturating_sub(wal.released));
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
