//! The broker's time: one clock for timeouts, timestamps and retention, which tests can move.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Milliseconds since 1970 that never go back.
///
/// Read once from the wall clock at the start, then advanced by the runtime's monotonic clock, so that it stands still
/// when the runtime's clock is paused and no correction of the wall clock ends a session. [`Clock::advance`] adds to
/// it and wakes whoever sleeps.
#[derive(Debug)]
pub struct Clock {
    start_ms: i64,
    started: Instant,
    shift_ms: AtomicI64,
    moved: Notify,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            start_ms: i64::try_from(wall.as_millis()).unwrap_or_default(),
            started: Instant::now(),
            shift_ms: AtomicI64::new(0),
            moved: Notify::new(),
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.start_ms.saturating_add(elapsed).saturating_add(self.shift_ms.load(Ordering::Relaxed))
    }

    /// Moves the clock forward; timeouts and retention that are due by then take place at once.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.shift_ms.fetch_add(by, Ordering::Relaxed);
        self.moved.notify_waiters();
    }

    /// Waits until [`Clock::now_ms`] has reached `deadline_ms`.
    pub(crate) async fn sleep_until(&self, deadline_ms: i64) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Registered before the clock is read: a move in between is not missed.
            moved.as_mut().enable();
            let Ok(left) = u64::try_from(deadline_ms.saturating_sub(self.now_ms())) else { return };
            if left == 0 {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
                () = moved => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn sleepers_wake_by_time_and_by_a_move() {
        let clock = Clock::new();
        let start = clock.now_ms();
        clock.sleep_until(start + 1000).await;
        assert_eq!(clock.now_ms() - start, 1000);
        let sleeper = clock.sleep_until(start + 3_600_000);
        tokio::pin!(sleeper);
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut sleeper).await.is_err());
        clock.advance(Duration::from_secs(3600));
        assert!(tokio::time::timeout(Duration::from_millis(1), sleeper).await.is_ok());
    }
}
