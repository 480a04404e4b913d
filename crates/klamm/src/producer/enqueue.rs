//! The future of [`Producer::enqueue`].

use super::accumulator::Attempt;
use super::{Delivery, EnqueueError, Producer};
use crate::record::Record;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for memory or metadata; boxed because most records never do.
pub(super) type Slow<'a> =
    Pin<Box<dyn Future<Output = Result<Delivery, EnqueueError>> + Send + 'a>>;

/// Accepts a record when it is first polled; see [`Producer::enqueue`].
///
/// Written by hand: an `async fn` would move the record twice before it is encoded, which costs as
/// much as encoding it.
#[must_use = "a record is accepted when its future is awaited"]
pub struct Enqueue<'a> {
    pub(super) producer: &'a Producer,
    /// The delivery will be awaited next: see [`Producer::send`].
    pub(super) awaited: bool,
    pub(super) state: EnqueueState<'a>,
}

pub(super) enum EnqueueState<'a> {
    New(Record<'a>),
    Waiting(Slow<'a>),
    Ended,
}

impl std::fmt::Debug for Enqueue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enqueue").finish_non_exhaustive()
    }
}

impl<'a> Future for Enqueue<'a> {
    type Output = Result<Delivery, EnqueueError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let EnqueueState::New(record) = &this.state {
            let mut attempt = Attempt { awaited: this.awaited, ..Attempt::default() };
            if let Some(place) = this.producer.inner.accumulator.append(record, &mut attempt) {
                this.state = EnqueueState::Ended;
                return Poll::Ready(Ok(Delivery::new(place, attempt.timestamp_ms)));
            }
            this.wait(attempt);
        }
        this.poll_waiting(cx)
    }
}

impl<'a> Enqueue<'a> {
    #[cold]
    fn wait(&mut self, attempt: Attempt) {
        if let EnqueueState::New(record) = std::mem::replace(&mut self.state, EnqueueState::Ended) {
            self.state = EnqueueState::Waiting(self.producer.enqueue_slowly(record, attempt));
        }
    }

    #[cold]
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery, EnqueueError>> {
        let EnqueueState::Waiting(waiting) = &mut self.state else {
            panic!("an Enqueue was polled after it was ready");
        };
        let result = std::task::ready!(waiting.as_mut().poll(cx));
        self.state = EnqueueState::Ended;
        Poll::Ready(result)
    }
}
