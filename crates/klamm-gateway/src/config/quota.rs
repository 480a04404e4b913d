//! Pure: how much somebody may send, as `{ requests = 100, bytes = "1 MiB" }`.

use super::error::Wrong;
use super::given::{Given, Value};
use super::key::{self, Key, Takes};
use crate::guard::Quota;
use std::num::NonZeroU64;
use std::time::Duration;

/// What a quota takes.
pub(super) const QUOTA: &str = "a table, see below";

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const TIB: u64 = 1 << 40;
pub(super) const RATE_MAX: u64 = 1_000_000_000;

/// The keys of a quota; those of an account stand among its others.
pub(super) const KEYS: &[Key<Quota>] = &[
    Key {
        name: "requests",
        default: "-",
        takes: Takes::Count(1, RATE_MAX, |quota, count| quota.requests = NonZeroU64::new(count)),
        doc: "Requests a second; 429 beyond it.",
    },
    Key {
        name: "records",
        default: "-",
        takes: Takes::Count(1, RATE_MAX, |quota, count| quota.records = NonZeroU64::new(count)),
        doc: "Records a second; 429 beyond it.",
    },
    Key {
        name: "bytes",
        default: "-",
        takes: Takes::Bytes(1, TIB, |quota, bytes| quota.bytes = NonZeroU64::new(bytes)),
        doc: "Bytes of bodies a second; 429 beyond it.",
    },
    Key {
        name: "burst",
        default: "\"1 s\"",
        takes: Takes::Time(Duration::from_millis(1), HOUR, |quota, time| quota.burst = time),
        doc: "For how long may be saved up what is not used.",
    },
];

/// Reads a quota, which says something of what may be sent.
pub(super) fn quota(name: &str, given: &Given) -> Result<Quota, Wrong> {
    let wrong = |reason: &str| Wrong::new(given.at, format!("{name}: {reason}"));
    let Value::Table(table) = &given.value else {
        return Err(wrong(
            "expected a table: { requests = number, records = number, bytes = size }",
        ));
    };
    let mut quota = Quota::default();
    key::set_all(KEYS, &mut quota, table)?;
    if quota.is_unlimited() {
        return Err(wrong("it limits nothing: set requests, records or bytes"));
    }
    Ok(quota)
}
