//! A gateway with something in every field.

use super::super::{Observed, Phase};
use crate::events::ReadersState;
use crate::forward::ForwardState;
use crate::http::{Answers, HttpState};
use crate::wal::{Histogram, WalState};
use std::time::{Duration, UNIX_EPOCH};

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
        stale: Vec::new(),
    }
}

fn http() -> HttpState {
    let hooks = "git \"hub\"\\hooks";
    let answers = [
        ("topics", 202, 8_000_000),
        ("topics", 400, 12),
        ("topics", 503, 7),
        (hooks, 202, 900),
        (hooks, 401, 3),
    ];
    HttpState {
        connections: 64,
        accepted: 4711,
        open_requests: 12,
        admitted_bytes: 90_000,
        body_bytes: 3 << 30,
        records: 8_999_000,
        replayed: 31,
        answers: answers
            .map(|(route, status, count)| Answers { route: route.into(), status, count })
            .to_vec(),
        latency_us: vec![("topics".into(), histogram(9)), (hooks.into(), histogram(11))],
        readers: readers(),
        refusals: vec![("log_full", 7), ("invalid", 12), ("unauthenticated", 3)],
        ..HttpState::default()
    }
}

fn readers() -> ReadersState {
    let mut readers = ReadersState::default();
    (readers.readers, readers.readers_max) = (3, 256);
    (readers.records, readers.bytes) = (1_234_567, 5 << 20);
    readers
}

fn forward() -> ForwardState {
    let error = |seconds, what: &str| (UNIX_EPOCH + Duration::from_secs(seconds), what.to_owned());
    let dead_letters = [("MESSAGE_TOO_LARGE", 9), ("INVALID_TOPIC_EXCEPTION", 1)];
    ForwardState {
        connected: true,
        in_flight: 4000,
        sent: 7_304_000,
        delivered: 7_299_990,
        retried: 8,
        rebuilt: 1,
        unlogged_delivered: 77,
        unlogged_lost: 3,
        dead_letters: dead_letters.map(|(reason, n)| (reason.to_owned(), n)).into(),
        stuck: vec![("orders".to_owned(), Some(3))],
        last_errors: vec![
            error(1_763_762_100, "orders: larger than <max.message.bytes> & \"more\""),
            error(1_763_762_400, "orders-3: NOT_LEADER_OR_FOLLOWER"),
        ],
        ..ForwardState::default()
    }
}
