//! A record for tests of what is written.

use super::format::Fields;

pub(super) const FIELDS: Fields<'static> = Fields {
    topic: "orders",
    partition: 3,
    offset: 42,
    leader_epoch: 5,
    timestamp: 1_648_021_901_749,
    log_append_time: false,
    transactional: true,
    producer_id: 9_000,
    producer_epoch: 2,
    key: Some(b"key"),
    value: Some(b"value"),
    headers: &[("one", Some(b"1")), ("two", None), ("one", Some(b"\xff"))],
    log_start: 7,
    last_stable: 43,
    high_watermark: 50,
    count: 11,
};
