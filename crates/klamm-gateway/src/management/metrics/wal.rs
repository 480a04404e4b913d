//! Pure: the write-ahead log.

use super::super::health::full_bytes;
use super::distribution::{counts, durations};
use crate::wal::WalState;
use klamm_metrics::Text;

pub(super) fn write(text: &mut Text, wal: &WalState) {
    room(text, wal);
    progress(text, wal);
    let name = "klamm_gateway_wal_sync_duration_seconds";
    durations(&mut text.histogram(name, "Syncs of the log to its disk."), &[], &wal.sync_us);
    let name = "klamm_gateway_wal_sync_records";
    counts(&mut text.histogram(name, "Records that one sync made safe."), &[], &wal.sync_records);
    troubles(text, wal);
}

fn room(text: &mut Text, wal: &WalState) {
    let gauges = [
        ("klamm_gateway_wal_bytes", "Bytes that wait for Kafka, or to be written.", wal.bytes),
        ("klamm_gateway_wal_capacity_bytes", "Bytes that the log may have.", wal.max_bytes),
        (
            "klamm_gateway_wal_full_bytes",
            "Bytes of the log from which on records are refused.",
            full_bytes(wal.max_bytes),
        ),
        ("klamm_gateway_wal_queued_bytes", "Bytes that wait to be written.", wal.queued_bytes),
    ];
    for (name, help, value) in gauges {
        text.gauge(name, help).value(value);
    }
    text.gauge(
        "klamm_gateway_wal_remembered_requests",
        "Names of requests that are remembered, so that none is taken twice.",
    )
    .value(wal.seen);
}

fn progress(text: &mut Text, wal: &WalState) {
    text.counter(
        "klamm_gateway_wal_appended_records_total",
        "Records that were made safe, since the log was made.",
    )
    .value(wal.next);
    text.counter(
        "klamm_gateway_wal_released_records_total",
        "Records that Kafka or a dead letter has, since the log was made.",
    )
    .value(wal.released);
    text.counter(
        "klamm_gateway_wal_lost_records_total",
        "Accepted records that can not be read from the log any more.",
    )
    .value(wal.lost);
}

fn troubles(text: &mut Text, wal: &WalState) {
    let gauges = [
        (
            "klamm_gateway_wal_failed",
            "1 when the log takes nothing until the gateway is started again.",
            wal.failed.is_some(),
        ),
        (
            "klamm_gateway_wal_cursor_failing",
            "1 when the log's cursor could not be saved the last time.",
            wal.cursor_error.is_some(),
        ),
        (
            "klamm_gateway_wal_read_failing",
            "1 when the log cannot be read, so that nothing goes to Kafka.",
            wal.read_error.is_some(),
        ),
    ];
    for (name, help, value) in gauges {
        text.gauge(name, help).value(u8::from(value));
    }
}
