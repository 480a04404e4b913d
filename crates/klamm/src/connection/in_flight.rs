//! The requests of one connection that wait for an answer, in the order they are written.

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

impl Waiter {
    /// Ends the wait: for its own timeout if that has passed by `timed_out`, else for `cause`.
    pub(super) fn fail(
        self,
        address: &Arc<str>,
        cause: &Arc<str>,
        timed_out: Option<Instant>,
        may_have_reached_broker: bool,
    ) {
        let address = Arc::clone(address);
        let error = match timed_out {
            Some(now) if self.deadline <= now => {
                RequestError::Timeout { address, timeout: self.timeout, may_have_reached_broker }
            }
            _ => RequestError::Lost { address, cause: Arc::clone(cause), may_have_reached_broker },
        };
        // The caller may be gone; that is its right.
        let _ = self.reply.send(Err(error));
    }
}

/// The answers still to come. A waiter keeps its place until its answer, however long ago its caller
/// lost interest: brokers answer in order, so a place given up would shift every later answer.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    waiters: VecDeque<Waiter>,
    /// How many at the back have no byte written.
    unwritten: usize,
    /// The deadlines that are not later than any behind them: the front is the earliest of all.
    earliest: VecDeque<Instant>,
}

impl InFlight {
    /// Adds a request whose frame is about to be written: its answer can overtake the end of the write.
    pub(crate) fn push(&mut self, waiter: Waiter) {
        while self.earliest.back().is_some_and(|d| *d > waiter.deadline) {
            self.earliest.pop_back();
        }
        self.earliest.push_back(waiter.deadline);
        self.waiters.push_back(waiter);
        self.unwritten += 1;
    }

    /// Notes that the first bytes of the next `n` frames are written.
    pub(crate) fn mark_written(&mut self, n: usize) {
        self.unwritten = self.unwritten.saturating_sub(n);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Whether no request that reached the socket waits for its answer.
    pub(crate) fn is_drained(&self) -> bool {
        self.waiters.len() == self.unwritten
    }

    /// The earliest deadline.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.earliest.front().copied()
    }

    /// Hands an answer to the first in line; an error says why the connection cannot be trusted.
    pub(crate) fn handle_answer(
        &mut self,
        correlation_id: i32,
        frame: Bytes,
    ) -> Result<(), String> {
        if self.is_drained() {
            return Err(format!("answer to request {correlation_id}, which was never asked"));
        }
        match self.waiters.front().map(|w| w.correlation_id) {
            Some(expected) if expected != correlation_id => {
                Err(format!("answer to request {correlation_id} came where {expected} was due"))
            }
            _ => {
                if let Some(first) = self.pop() {
                    // The caller may be gone; that is its right.
                    let _ = first.reply.send(Ok(frame));
                }
                Ok(())
            }
        }
    }

    fn pop(&mut self) -> Option<Waiter> {
        let first = self.waiters.pop_front()?;
        if self.earliest.front() == Some(&first.deadline) {
            self.earliest.pop_front();
        }
        Some(first)
    }

    /// Ends all waiting for one shared cause, and tells each whether a byte of its own was written.
    pub(crate) fn fail_all(
        &mut self,
        address: &Arc<str>,
        cause: &Arc<str>,
        timed_out: Option<Instant>,
    ) {
        let written = self.waiters.len() - self.unwritten.min(self.waiters.len());
        for (i, waiter) in self.waiters.drain(..).enumerate() {
            waiter.fail(address, cause, timed_out, i < written);
        }
        self.earliest.clear();
        self.unwritten = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Receiver = oneshot::Receiver<Result<Bytes, RequestError>>;

    fn waiter(correlation_id: i32, timeout: Duration) -> (Waiter, Receiver) {
        let (reply, receiver) = oneshot::channel();
        (Waiter { correlation_id, deadline: Instant::now() + timeout, timeout, reply }, receiver)
    }

    fn written(ids: impl IntoIterator<Item = i32>) -> (InFlight, Vec<Receiver>) {
        let mut in_flight = InFlight::default();
        let mut receivers = Vec::new();
        for id in ids {
            let (waiter, receiver) = waiter(id, Duration::from_secs(1));
            in_flight.push(waiter);
            in_flight.mark_written(1);
            receivers.push(receiver);
        }
        (in_flight, receivers)
    }

    #[test]
    fn swapped_answers_are_refused() {
        let (mut in_flight, _receivers) = written([1, 2]);
        assert!(in_flight.handle_answer(2, Bytes::new()).is_err());
        assert!(in_flight.handle_answer(1, Bytes::new()).is_ok());
        assert!(in_flight.handle_answer(2, Bytes::new()).is_ok());
        assert!(in_flight.handle_answer(3, Bytes::new()).is_err(), "never asked");
    }

    #[test]
    fn answer_to_a_request_that_is_still_queued_is_refused() {
        let mut in_flight = InFlight::default();
        let (waiter, _receiver) = waiter(1, Duration::from_secs(1));
        in_flight.push(waiter);
        assert!(in_flight.handle_answer(1, Bytes::new()).is_err());
        in_flight.mark_written(1);
        assert!(in_flight.handle_answer(1, Bytes::new()).is_ok());
    }

    #[test]
    fn a_hundred_thousand_cancelled_requests_leave_nothing_behind() {
        let (mut in_flight, receivers) = written(0..100_000);
        drop(receivers);
        for id in 0..100_000 {
            in_flight.handle_answer(id, Bytes::new()).unwrap();
        }
        assert!(in_flight.is_empty());
        assert!(in_flight.deadline().is_none());
    }

    #[test]
    fn each_learns_whether_its_own_bytes_were_written() {
        let (mut in_flight, mut receivers) = written([1]);
        let (waiter, receiver) = waiter(2, Duration::from_secs(1));
        in_flight.push(waiter);
        receivers.push(receiver);
        in_flight.fail_all(&"b:1".into(), &"gone".into(), None);
        let reached: Vec<bool> = receivers
            .iter_mut()
            .map(|r| r.try_recv().unwrap().unwrap_err().may_have_reached_broker())
            .collect();
        assert_eq!(reached, [true, false]);
    }

    proptest::proptest! {
        #[test]
        fn deadline_is_the_earliest_of_all(timeouts in proptest::collection::vec(0u64..9, 1..40)) {
            let mut in_flight = InFlight::default();
            let mut receivers = Vec::new();
            for (id, seconds) in (0..).zip(&timeouts) {
                let (waiter, receiver) = waiter(id, Duration::from_secs(*seconds));
                in_flight.push(waiter);
                in_flight.mark_written(1);
                receivers.push(receiver);
            }
            for id in (0..).take(timeouts.len()) {
                let expected = in_flight.waiters.iter().map(|w| w.deadline).min();
                proptest::prop_assert_eq!(in_flight.deadline(), expected);
                in_flight.handle_answer(id, Bytes::new()).unwrap();
            }
            proptest::prop_assert_eq!(in_flight.deadline(), None);
        }
    }
}
