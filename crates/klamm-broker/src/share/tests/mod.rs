//! The state of share partitions, by scripts and beside a model that keeps every record by itself.

mod model;
mod scripts;

use super::{AckBatch, Acquire, Acquired, Limits, SharePartition, Span, check_batches};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;

pub(super) const LIMITS: Limits = Limits { deliveries: 3, record_locks: 10, lock_ms: 100 };

pub(super) fn acquire(
    state: &mut SharePartition,
    member: &str,
    now_ms: i64,
    (max_records, strict): (i64, bool),
    spans: &[(i64, i64)],
) -> Vec<(i64, i64, i16)> {
    let spans: Vec<Span> = spans.iter().map(|&(first, last)| Span { first, last }).collect();
    let member = Str::from(member);
    let acquire = Acquire { member: &member, now_ms, limits: LIMITS, max_records, strict };
    let from = state.next_offset();
    let runs = state.acquire(acquire, from, &spans);
    runs.iter().map(|&Acquired { first, last, deliveries }| (first, last, deliveries)).collect()
}

pub(super) fn acknowledge(
    state: &mut SharePartition,
    member: &str,
    (first, last): (i64, i64),
    types: &[i8],
) -> Result<(), ErrorCode> {
    let batches = [AckBatch { first, last, types }];
    check_batches(&batches, true)?;
    state.acknowledge(member, 0, LIMITS, &batches)
}
