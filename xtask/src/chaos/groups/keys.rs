//! Pure: what came through the chain. Record `n` has the key `k<n % KEYS>` and the value `<n / KEYS>`.

use std::collections::BTreeMap;

use super::verdict::Verdict;
use crate::interop::Row;

/// So many keys share the records.
pub(super) const KEYS: u64 = 997;

/// The line that `klamm produce -K :` makes record `n` of.
pub(super) fn line(n: u64) -> String {
    format!("k{}:{}\n", n % KEYS, n / KEYS)
}

/// Looks whether all of `sent` records are there, each key's in its order; `again` says whether records may have been
/// moved twice.
///
/// Returns how many were there more than once.
pub(super) fn check(verdict: &mut Verdict, sent: u64, rows: &[Row], again: bool) -> u64 {
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    let mut twice = 0;
    for row in rows {
        let Some((key, value)) = identity(row) else {
            verdict.mistake("not a record anybody sent", format!("{row:?}"));
            continue;
        };
        let expected = next.entry(key).or_default();
        match value.cmp(expected) {
            std::cmp::Ordering::Equal => *expected += 1,
            std::cmp::Ordering::Less => twice += 1,
            std::cmp::Ordering::Greater => {
                let what = format!("k{key}: {value} where {expected} is due, at {}", row.offset);
                verdict.mistake("out of order in the end", what);
                *expected = value + 1;
            }
        }
    }
    if twice > 0 && !again {
        verdict.mistake("moved twice without a kill", twice.to_string());
    }
    for key in 0..KEYS {
        let due = (sent + KEYS - 1 - key) / KEYS;
        let came = next.get(&key).copied().unwrap_or(0);
        if came != due {
            verdict.mistake("lost in the end", format!("k{key}: {came} of {due}"));
        }
    }
    twice
}

fn identity(row: &Row) -> Option<(u64, u64)> {
    let key = std::str::from_utf8(row.key.as_deref()?).ok()?.strip_prefix('k')?;
    let value = std::str::from_utf8(row.value.as_deref()?).ok()?;
    Some((key.parse().ok()?, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{KEYS, Verdict, check, line};
    use crate::interop::Row;

    fn rows(numbers: impl IntoIterator<Item = u64>) -> Vec<Row> {
        let row = |n: u64| {
            let text = line(n);
            let (key, value) = text.trim_end().split_once(':').unwrap();
            let (key, value) = (Some(key.into()), Some(value.into()));
            Row { partition: 0, offset: n as i64, timestamp: 0, key, value, headers: String::new() }
        };
        numbers.into_iter().map(row).collect()
    }

    #[test]
    fn all_in_order_holds_and_anything_else_does_not() {
        let judge = |rows: &[Row], again| {
            let mut verdict = Verdict::default();
            let twice = check(&mut verdict, 2 * KEYS + 5, rows, again);
            if verdict.holds() { format!("twice {twice}") } else { verdict.to_string() }
        };
        let sent = 0..2 * KEYS + 5;
        assert_eq!(judge(&rows(sent.clone()), false), "twice 0");
        let moved_again: Vec<u64> = (0..KEYS + 9).chain(KEYS..2 * KEYS + 5).collect();
        assert_eq!(judge(&rows(moved_again.clone()), true), "twice 9");
        assert!(judge(&rows(moved_again), false).contains("without a kill"));
        assert!(judge(&rows(sent.clone().filter(|n| *n != 3)), true).contains("out of order"));
        assert!(judge(&rows(0..2 * KEYS), true).contains("lost in the end"));
        assert!(judge(&rows(sent.chain([2 * KEYS + 5])), true).contains("lost in the end"));
    }
}
