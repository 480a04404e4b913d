//! Pure: the requests of one connection that wait for an answer, in the order they were written.

use super::error::RequestError;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Somebody who waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) correlation_id: i32,
    pub(crate) deadline: Instant,
    pub(crate) timeout: Duration,
    pub(crate) reply: oneshot::Sender<Result<Bytes, RequestError>>,
}

/// The answers still to come. A waiter keeps its place until its answer, however long ago its caller
/// lost interest: brokers answer in order, so a place given up would shift every later answer.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    waiters: VecDeque<Waiter>,
}

impl InFlight {
    pub(crate) fn push(&mut self, waiter: Waiter) {
        self.waiters.push_back(waiter);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// The earliest deadline.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiters.iter().map(|w| w.deadline).min()
    }

    /// Hands an answer to the first in line; an error says why the connection cannot be trusted.
    pub(crate) fn handle_answer(
        &mut self,
        correlation_id: i32,
        frame: Bytes,
    ) -> Result<(), String> {
        match self.waiters.pop_front() {
            Some(first) if first.correlation_id == correlation_id => {
                // The caller may be gone; that is its right.
                let _ = first.reply.send(Ok(frame));
                Ok(())
            }
            Some(first) => {
                let expected = first.correlation_id;
                self.waiters.push_front(first);
                Err(format!("answer to request {correlation_id} came where {expected} was due"))
            }
            None => Err(format!("answer to request {correlation_id}, which was never asked")),
        }
    }

    /// Ends all waiting for one shared cause; all of these requests were at least partly written.
    pub(crate) fn fail_all(
        &mut self,
        address: &Arc<str>,
        cause: &Arc<str>,
        timed_out: Option<Instant>,
    ) {
        for waiter in self.waiters.drain(..) {
            let address = Arc::clone(address);
            let error = match timed_out {
                Some(now) if waiter.deadline <= now => RequestError::Timeout {
                    address,
                    timeout: waiter.timeout,
                    may_have_reached_broker: true,
                },
                _ => RequestError::Lost {
                    address,
                    cause: Arc::clone(cause),
                    may_have_reached_broker: true,
                },
            };
            let _ = waiter.reply.send(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(correlation_id: i32) -> (Waiter, oneshot::Receiver<Result<Bytes, RequestError>>) {
        let (reply, receiver) = oneshot::channel();
        let timeout = Duration::from_secs(1);
        (Waiter { correlation_id, deadline: Instant::now() + timeout, timeout, reply }, receiver)
    }

    #[test]
    fn swapped_answers_are_refused() {
        let mut in_flight = InFlight::default();
        let (first, _a) = waiter(1);
        let (second, _b) = waiter(2);
        in_flight.push(first);
        in_flight.push(second);
        assert!(in_flight.handle_answer(2, Bytes::new()).is_err());
        assert!(in_flight.handle_answer(1, Bytes::new()).is_ok());
        assert!(in_flight.handle_answer(2, Bytes::new()).is_ok());
        assert!(in_flight.handle_answer(3, Bytes::new()).is_err(), "never asked");
    }

    #[test]
    fn a_hundred_thousand_cancelled_requests_leave_nothing_behind() {
        let mut in_flight = InFlight::default();
        for id in 0..100_000 {
            let (waiter, receiver) = waiter(id);
            in_flight.push(waiter);
            drop(receiver);
        }
        for id in 0..100_000 {
            in_flight.handle_answer(id, Bytes::new()).unwrap();
        }
        assert!(in_flight.is_empty());
        assert!(in_flight.deadline().is_none());
    }
}
