//! What a log says about itself.

use std::time::Duration;

/// Buckets of a histogram: up to 1, 2, 4, ... 2^22, and everything above.
const BUCKETS: usize = 24;

/// Counts by powers of two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    sum: u64,
}

impl Histogram {
    /// How many buckets there are.
    pub(crate) const BUCKETS: usize = BUCKETS;

    /// The bucket of a value.
    pub(crate) fn bucket(value: u64) -> usize {
        let bits = u64::BITS - value.max(1).saturating_sub(1).leading_zeros();
        (bits as usize).min(BUCKETS - 1)
    }

    /// What was counted elsewhere.
    pub(crate) fn of(buckets: [u64; BUCKETS], sum: u64) -> Self {
        Self { buckets, sum }
    }

    pub(super) fn add(&mut self, value: u64) {
        self.buckets[Self::bucket(value)] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Upper bound, the last one has none, and how many values are in each bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bound = |n: usize| (n < BUCKETS - 1).then(|| 1 << n);
        self.buckets.iter().enumerate().map(move |(n, count)| (bound(n), *count))
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

/// How a log is.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct WalState {
    /// Bytes that wait for Kafka, or to be written.
    pub bytes: u64,
    /// Bytes from which on records are refused are 90 % of this.
    pub max_bytes: u64,
    /// Records that wait for Kafka; those released last are among them until 64 KiB are.
    pub records: u64,
    /// How long the oldest of them has waited.
    pub oldest_age: Option<Duration>,
    /// Records are refused while the oldest of them has waited for longer.
    pub max_age: Option<Duration>,
    /// Bytes that wait to be written.
    pub queued_bytes: u64,
    /// The sequence of the next record that is synced.
    pub next: u64,
    /// Everything below this sequence is in Kafka.
    pub released: u64,
    /// Bytes that Kafka takes in a second, of late.
    pub drain_bytes_per_second: f64,
    /// Duration of syncs, in microseconds.
    pub sync_us: Histogram,
    /// Records of each sync.
    pub sync_records: Histogram,
    /// Why nothing is taken any more, if that is so.
    pub failed: Option<String>,
    /// The disk had no room for what was to be written last; records are refused with `Full`, and each append tries again.
    pub disk_full: bool,
    /// Why the last attempt to save the cursor failed; the next one is a second later.
    pub cursor_error: Option<String>,
    /// Why reading stands still; it is tried again every second.
    pub read_error: Option<String>,
    /// Promised sequences that can not be read any more.
    pub lost: u64,
    /// The last files with what was found damaged since the log was opened.
    pub set_aside: Vec<String>,
    /// Idempotency hashes that are remembered.
    pub seen: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_bucket_above_them() {
        let mut histogram = Histogram::default();
        for value in [0, 1, 2, 3, 4, 5, u64::MAX / 2, 1 << 40] {
            histogram.add(value);
        }
        let counts: Vec<_> = histogram.buckets().filter(|bucket| bucket.1 > 0).collect();
        let expected = [(Some(1), 2), (Some(2), 1), (Some(4), 2), (Some(8), 1), (None, 2)];
        assert_eq!(counts, expected);
        assert_eq!(histogram.count(), 8);
    }
}
