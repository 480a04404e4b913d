//! The place of one connection: whoever finds it empty connects, the others wait for what comes of it.

use super::{ConnectError, Connection};
use crate::metadata::backoff;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Bounds of the pause between attempts (`reconnect.backoff.ms`, `reconnect.backoff.max.ms`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReconnectBackoff {
    pub(crate) base: Duration,
    pub(crate) max: Duration,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Slot {
    /// The connection, if there is one and nobody is making it anew.
    pub(crate) fn open(&self) -> Option<Connection> {
        let state = self.state.try_lock().ok()?;
        state.connection.clone().filter(|c| !c.is_closed())
    }

    /// Whether the last attempt failed and the next one must wait.
    pub(crate) fn is_backing_off(&self) -> bool {
        self.state.try_lock().is_ok_and(|state| {
            state.failures > 0 && state.not_before.is_some_and(|at| at > Instant::now())
        })
    }

    /// Ends the connection, if there is one, and returns it.
    pub(crate) fn retire(&self, cause: &str) -> Option<Connection> {
        let connection = self.state.try_lock().ok()?.connection.take()?;
        connection.retire(cause);
        Some(connection)
    }

    /// Returns the connection if `fits`, else makes one with `connect` after the pause that is due.
    ///
    /// Cancel safe: the attempt ends with its caller, and the next in line makes its own.
    pub(crate) async fn get<F>(
        &self,
        fits: impl Fn(&Connection) -> bool,
        connect: impl FnOnce() -> F,
        pause: ReconnectBackoff,
    ) -> Result<Connection, ConnectError>
    where
        F: Future<Output = Result<Connection, ConnectError>>,
    {
        let mut state = self.state.lock().await;
        if let Some(open) = state.connection.as_ref().filter(|c| !c.is_closed() && fits(c)) {
            return Ok(open.clone());
        }
        if let Some(at) = state.not_before {
            tokio::time::sleep_until(at).await;
        }
        // Everything that may connect has this future in its own, and hardly anything ever does: its bytes are apart.
        match Box::pin(connect()).await {
            Ok(connection) => {
                // A broker that accepts and at once closes must not be tried in a tight loop either.
                let not_before = Some(Instant::now() + pause.base);
                *state = State { connection: Some(connection.clone()), failures: 0, not_before };
                Ok(connection)
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                let wait = backoff(pause.base, pause.max, state.failures);
                state.not_before = Some(Instant::now() + wait);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ConnectStage;
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const PAUSE: ReconnectBackoff =
        ReconnectBackoff { base: Duration::from_millis(50), max: Duration::from_secs(1) };

    async fn fail() -> Result<Connection, ConnectError> {
        let address = "b:9092".into();
        Err(ConnectError::new(&address, ConnectStage::Tcp, ErrorKind::Retriable, "refused"))
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_that_fail_grow_further_apart_up_to_a_limit() {
        let (slot, began) = (Slot::default(), Instant::now());
        for _ in 0..6 {
            assert!(slot.get(|_| true, fail, PAUSE).await.is_err());
            assert!(slot.is_backing_off() && slot.open().is_none());
        }
        // 50 + 100 + 200 + 400 + 800 ms, give or take a fifth.
        let took = began.elapsed().as_millis();
        assert!((1_240..=1_870).contains(&took), "{took} ms");
        let began = Instant::now();
        for _ in 0..5 {
            assert!(slot.get(|_| true, fail, PAUSE).await.is_err());
        }
        let took = began.elapsed().as_millis();
        assert!((4_000..=6_010).contains(&took), "{took} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn attempt_that_is_given_up_leaves_the_slot_to_the_next() {
        let (slot, attempts) = (Slot::default(), AtomicUsize::new(0));
        let hang = || async {
            attempts.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        };
        let patience = Duration::from_millis(10);
        assert!(tokio::time::timeout(patience, slot.get(|_| true, hang, PAUSE)).await.is_err());
        assert!(slot.get(|_| true, fail, PAUSE).await.is_err());
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
    }
}
