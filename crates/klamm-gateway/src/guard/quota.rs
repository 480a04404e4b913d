//! Pure: how much somebody may send, as a rate that may be exceeded for a moment.
//!
//! A rate is kept as the time at which everything taken so far would have been earned. That time may run ahead of the
//! clock by the burst and no further.

use std::num::NonZeroU64;
use std::time::Duration;

/// What somebody may send in a second; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests a second.
    pub requests: Option<NonZeroU64>,
    /// Bytes of bodies a second.
    pub bytes: Option<NonZeroU64>,
    /// Records a second.
    pub records: Option<NonZeroU64>,
    /// For how long somebody who was silent may save up.
    pub burst: Duration,
}

/// Without limit, and a second to save up once there is one.
impl Default for Quota {
    fn default() -> Self {
        Self { requests: None, bytes: None, records: None, burst: Duration::from_secs(1) }
    }
}

impl Quota {
    /// Whether there is no limit at all.
    pub fn is_unlimited(&self) -> bool {
        self.rates().iter().all(Option::is_none)
    }

    fn rates(&self) -> [Option<NonZeroU64>; 3] {
        [self.requests, self.bytes, self.records]
    }
}

/// What has been used of a [`Quota`].
///
/// All times are nanoseconds of a clock that never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// For requests, bytes and records: when everything taken would have been earned.
    earned_at: [u64; 3],
}

impl Bucket {
    /// Takes one request of that many bytes and records, or nothing at all.
    ///
    /// What is larger than a whole burst passes when a whole burst is there, and the debt is paid off before anything else
    /// passes: the rate holds in the long run, and no request is refused for ever.
    ///
    /// # Errors
    /// How long it takes until the same request would pass, if nobody else takes anything.
    pub fn take(
        &mut self,
        quota: &Quota,
        now: u64,
        bytes: usize,
        records: usize,
    ) -> Result<(), Duration> {
        let burst = nanoseconds(quota.burst);
        let amounts = [1, bytes as u64, records as u64];
        let mut wait = 0;
        let mut after = self.earned_at;
        for ((rate, amount), at) in quota.rates().into_iter().zip(amounts).zip(&mut after) {
            let Some(rate) = rate else { continue };
            let cost = cost(amount, rate);
            let latest = now.saturating_add(burst.saturating_sub(cost));
            wait = wait.max(at.saturating_sub(latest));
            *at = (*at).max(now).saturating_add(cost);
        }
        if wait > 0 {
            return Err(Duration::from_nanos(wait));
        }
        self.earned_at = after;
        Ok(())
    }

    /// Whether it is as if nothing had ever been taken.
    pub fn is_idle(&self, now: u64) -> bool {
        self.earned_at.iter().all(|at| *at <= now)
    }
}

fn cost(amount: u64, rate: NonZeroU64) -> u64 {
    let exact = u128::from(amount) * 1_000_000_000 / u128::from(rate.get());
    u64::try_from(exact).unwrap_or(u64::MAX)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Quota};
    use proptest::prelude::*;
    use std::num::NonZeroU64;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    fn quota(requests: u64, bytes: u64, records: u64) -> Quota {
        let [requests, bytes, records] = [requests, bytes, records].map(NonZeroU64::new);
        Quota { requests, bytes, records, ..Quota::default() }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (quota, mut bucket) = (quota(10, 0, 0), Bucket::default());
        for _ in 0..10 {
            assert_eq!(bucket.take(&quota, 0, 0, 0), Ok(()));
        }
        let wait = Duration::from_millis(100);
        assert_eq!(bucket.take(&quota, 0, 0, 0), Err(wait));
        assert_eq!(bucket.take(&quota, 99_999_999, 0, 0), Err(Duration::from_nanos(1)));
        assert_eq!(bucket.take(&quota, 100_000_000, 0, 0), Ok(()));
        assert!(bucket.take(&quota, 100_000_000, 0, 0).is_err());
    }

    #[test]
    fn nothing_is_taken_of_one_when_another_is_short() {
        let (quota, mut bucket) = (quota(100, 0, 10), Bucket::default());
        assert_eq!(bucket.take(&quota, 0, 0, 10), Ok(()));
        let before = bucket;
        assert_eq!(bucket.take(&quota, 0, 0, 5), Err(Duration::from_millis(500)));
        assert_eq!(bucket, before);
    }

    #[test]
    fn what_is_larger_than_a_burst_passes_once_and_is_paid_for() {
        let (quota, mut bucket) = (quota(0, 1000, 0), Bucket::default());
        assert_eq!(bucket.take(&quota, 0, 5000, 1), Ok(()));
        assert_eq!(bucket.take(&quota, 0, 5000, 1), Err(Duration::from_secs(5)));
        assert_eq!(bucket.take(&quota, 0, 0, 1), Err(Duration::from_secs(4)));
        assert_eq!(bucket.take(&quota, 5 * SECOND, 5000, 1), Ok(()));
    }

    #[test]
    fn without_limits_everything_passes() {
        let mut bucket = Bucket::default();
        assert!(Quota::default().is_unlimited());
        assert_eq!(bucket.take(&Quota::default(), u64::MAX, usize::MAX, usize::MAX), Ok(()));
        assert!(bucket.is_idle(0));
        let slowest = quota(1, 1, 1);
        assert_eq!(bucket.take(&slowest, u64::MAX, usize::MAX, usize::MAX), Ok(()));
    }

    proptest! {
        #[test]
        fn the_rate_holds_and_the_wait_is_exact(steps in prop::collection::vec((0_u64..SECOND, 0_usize..300), 1..100)) {
            let (quota, mut bucket) = (quota(0, 1000, 0), Bucket::default());
            let (mut now, mut passed) = (0, 0);
            for (pause, bytes) in steps {
                now += pause;
                match bucket.take(&quota, now, bytes, 1) {
                    Ok(()) => passed += bytes as u64,
                    Err(wait) => {
                        let wait = u64::try_from(wait.as_nanos()).unwrap();
                        prop_assert!(bucket.clone().take(&quota, now + wait - 1, bytes, 1).is_err());
                        prop_assert!(bucket.clone().take(&quota, now + wait, bytes, 1).is_ok());
                    }
                }
                prop_assert!(passed * (SECOND / 1000) <= now + SECOND);
            }
        }
    }
}
