//! How many records may be under way: sent, and not yet read by every reader.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Holds tasks back that are too far ahead of the readers.
#[derive(Debug)]
pub(crate) struct InFlight {
    limit: u64,
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Debug)]
struct State {
    sent: u64,
    /// What each reader has read.
    read: Vec<u64>,
}

impl InFlight {
    /// At most `limit` records under way to `readers` readers.
    pub(crate) fn new(limit: u64, readers: usize) -> Self {
        let state = Mutex::new(State { sent: 0, read: vec![0; readers] });
        Self { limit: limit.max(1), state, moved: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more record may go.
    pub(super) async fn enter(&self) {
        loop {
            // Made before the look: what moves in between wakes it.
            let moved = self.moved.notified();
            {
                let mut state = self.state();
                let behind = state.read.iter().copied().min().unwrap_or(state.sent);
                if state.sent.saturating_sub(behind) < self.limit {
                    state.sent += 1;
                    return;
                }
            }
            moved.await;
        }
    }

    /// A reader has read `count` more.
    pub(crate) fn read(&self, reader: usize, count: u64) {
        self.state().read[reader] += count;
        self.moved.notify_waiters();
    }

    /// A record was not acknowledged: nobody need wait for it.
    pub(super) fn gave_up(&self) {
        self.state().read.iter_mut().for_each(|read| *read += 1);
        self.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::InFlight;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn enters(in_flight: &InFlight) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        matches!(pin!(in_flight.enter()).poll(&mut context), Poll::Ready(()))
    }

    #[test]
    fn the_slowest_reader_counts() {
        let in_flight = InFlight::new(2, 2);
        assert!(enters(&in_flight) && enters(&in_flight) && !enters(&in_flight));
        in_flight.read(0, 2);
        assert!(!enters(&in_flight));
        in_flight.read(1, 1);
        assert!(enters(&in_flight) && !enters(&in_flight));
        in_flight.gave_up();
        assert!(enters(&in_flight) && !enters(&in_flight));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let in_flight = std::sync::Arc::new(InFlight::new(1, 1));
        in_flight.enter().await;
        let waiting = tokio::spawn({
            let in_flight = std::sync::Arc::clone(&in_flight);
            async move { in_flight.enter().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        in_flight.read(0, 1);
        waiting.await.unwrap();
    }
}
