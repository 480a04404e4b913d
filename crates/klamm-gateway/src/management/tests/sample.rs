//! A gateway with something in every field.

use super::super::{ForwardFigures, HttpFigures, LastError, Observed, Phase, RouteFigures};
use crate::wal::{Histogram, WalState};
use std::time::Duration;

/// Counts around a bucket, as measured ones are.
pub(in super::super) fn histogram(around: usize) -> Histogram {
    let mut buckets = [0; Histogram::BUCKETS];
    for (distance, count) in [(0, 5000), (1, 900), (2, 40), (5, 1)] {
        buckets[(around + distance).min(Histogram::BUCKETS - 1)] += count;
    }
    Histogram::of(buckets, 6000 << around)
}

/// Nothing of it is zero where that can be.
pub(in super::super) fn busy() -> Observed {
    let wal = WalState {
        bytes: 420 << 20,
        max_bytes: 1 << 30,
        records: 1_700_000,
        oldest_age: Some(Duration::from_millis(42_500)),
        queued_bytes: 12_345,
        next: 9_000_000,
        released: 7_300_000,
        drain_bytes_per_second: 2.5e6,
        sync_us: histogram(8),
        sync_records: histogram(4),
        cursor_error: Some("no space left on device".to_owned()),
        lost: 2,
        seen: 17,
        ..WalState::default()
    };
    Observed {
        phase: Phase::Serving,
        log: "b1946ac92492d234".into(),
        wal,
        http: http(),
        forward: forward(),
    }
}

fn http() -> HttpFigures {
    let route = |name: &str, statuses: &[(u16, u64)]| RouteFigures {
        route: name.into(),
        statuses: statuses.to_vec(),
        latency_us: histogram(9),
    };
    HttpFigures {
        connections: 64,
        connections_total: 4711,
        in_flight: 12,
        body_bytes: 90_000,
        body_limit: 256 << 20,
        received_bytes: 3 << 30,
        records: 8_999_000,
        replayed: 31,
        routes: vec![
            route("topics", &[(202, 8_000_000), (400, 12), (503, 7)]),
            route("git \"hub\"\\hooks", &[(202, 900), (401, 3)]),
        ],
        refused: vec![("log_full", 7), ("invalid", 12), ("unauthenticated", 3)],
    }
}

fn forward() -> ForwardFigures {
    let error = |at_ms, what: &str| LastError { at_ms, what: what.to_owned() };
    ForwardFigures {
        connected: true,
        in_flight: 4000,
        delivered: 7_299_990,
        retried: 8,
        dead_letters: vec![("MESSAGE_TOO_LARGE", 9), ("INVALID_TOPIC_EXCEPTION", 1)],
        stuck_partitions: 1,
        errors: vec![
            error(1_763_762_400_000, "orders-3: NOT_LEADER_OR_FOLLOWER"),
            error(
                1_763_762_100_000,
                "orders: the record is larger than <max.message.bytes> & \"more\"",
            ),
        ],
    }
}
