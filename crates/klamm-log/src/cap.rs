//! Pure: a cap on the bytes that many logs have together.

/// Closed segments go when the logs have passed this share of the cap, so that appends between two looks have room.
const SOFT_SHARE: (u64, u64) = (7, 8);
/// Active segments may take this share of the cap: they cannot go without the newest records.
const ACTIVE_SHARE: u64 = 4;
/// Segments are not made smaller than this to fit under a cap.
const MIN_SEGMENT_BYTES: u64 = 64 * 1024;

/// What one log takes: bytes and largest timestamp of every segment, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The segments; the last is the active one.
    pub segments: Vec<(u64, i64)>,
}

/// A cap on the bytes of many logs.
///
/// Whoever keeps the logs asks for [`DiskCap::victims`] after appends and at least every second, and has each of them give
/// up its oldest segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskCap {
    limit: u64,
}

impl DiskCap {
    /// A cap of this many bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit }
    }

    /// Above this, segments go.
    pub fn soft_limit(&self) -> u64 {
        self.limit / SOFT_SHARE.1 * SOFT_SHARE.0
    }

    /// The `segment.bytes` with which so many logs fit under the cap; at most what is configured.
    pub fn segment_bytes(&self, configured: u64, logs: usize) -> u64 {
        let fair = self.limit / ACTIVE_SHARE / (logs.max(1) as u64);
        configured.min(fair.max(MIN_SEGMENT_BYTES))
    }

    /// The logs that give up their oldest segment, in this order; a log may be named more than once.
    ///
    /// The segment with the oldest records goes first, whichever log it belongs to. Active segments go only when the closed
    /// ones were not enough for the cap itself.
    pub fn victims(&self, logs: &[Usage]) -> Vec<usize> {
        let mut total: u64 = logs.iter().flat_map(|log| &log.segments).map(|s| s.0).sum();
        let mut gone = vec![0; logs.len()];
        let mut victims = Vec::new();
        for (limit, spare) in [(self.soft_limit(), 1), (self.limit, 0)] {
            while total > limit {
                let oldest =
                    logs.iter().zip(&gone).enumerate().filter_map(|(log, (usage, &gone))| {
                        let left = usage.segments.get(gone..).unwrap_or_default();
                        let &(bytes, timestamp) = left.first()?;
                        (left.len() > spare && bytes > 0).then_some((timestamp, log, bytes))
                    });
                let Some((_, log, bytes)) = oldest.min() else { break };
                gone[log] += 1;
                total -= bytes;
                victims.push(log);
            }
        }
        victims
    }
}

#[cfg(test)]
mod tests {
    use super::{DiskCap, Usage};

    fn usage(segments: &[(u64, i64)]) -> Usage {
        Usage { segments: segments.to_vec() }
    }

    #[test]
    fn the_oldest_records_go_first_and_active_segments_last() {
        let logs = [
            usage(&[(100, 5), (100, 9), (100, 20)]),
            usage(&[(100, 7), (100, 8), (100, 30)]),
            usage(&[(100, 1)]),
        ];
        let cases: [(u64, &[usize]); 6] = [
            (800, &[]),
            (799, &[0]),
            (700, &[0]),
            (480, &[0, 1, 1]),
            (300, &[0, 1, 1, 0]),
            (150, &[0, 1, 1, 0, 2, 0]),
        ];
        for (limit, expected) in cases {
            assert_eq!(DiskCap::new(limit).victims(&logs), expected, "{limit}");
        }
        assert_eq!(DiskCap::new(0).victims(&logs).len(), 7, "everything");
        assert!(DiskCap::new(0).victims(&[usage(&[(0, -1)])]).is_empty(), "nothing to give");
    }

    #[test]
    fn segments_are_small_enough_for_the_cap() {
        let cap = DiskCap::new(200_000_000);
        assert_eq!(cap.segment_bytes(1 << 30, 50), 1_000_000);
        assert_eq!(cap.segment_bytes(4096, 50), 4096);
        assert_eq!(cap.segment_bytes(1 << 30, 100_000), 65_536);
        assert_eq!(DiskCap::new(u64::MAX).segment_bytes(1 << 30, 0), 1 << 30);
    }
}
