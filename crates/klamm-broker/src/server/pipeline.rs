//! Requests of one connection that are under way, answered in the order in which they came.

use super::outgoing::Outgoing;
use crate::handler::{NoAnswer, Outcome, Running};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Requests of one connection that may be under way; while so many are, nothing more is read from it.
pub(super) const MAX_IN_FLIGHT: usize = 128;

enum Slot {
    Running(Running),
    Done(Outcome),
}

/// The requests that were read and not yet answered, oldest first.
///
/// All of them are driven, so that a long poll does not hold up the work behind it; only the answers wait for each
/// other. A request without an answer (acks=0) takes a place all the same and never holds up those behind it.
#[derive(Default)]
pub(super) struct Pipeline {
    slots: VecDeque<Slot>,
}

impl Pipeline {
    pub(super) fn push(&mut self, request: Running) {
        self.slots.push_back(Slot::Running(request));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= MAX_IN_FLIGHT
    }

    /// Waits until the oldest request is done, then takes every answer that is due into `outgoing`.
    ///
    /// Cancel safe. True: the connection is to end after these.
    pub(super) async fn answers(&mut self, outgoing: &mut Outgoing) -> bool {
        poll_fn(|cx| self.poll_answers(cx, outgoing)).await
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing) -> Poll<bool> {
        for slot in &mut self.slots {
            if let Slot::Running(request) = slot
                && let Poll::Ready(outcome) = request.as_mut().poll(cx)
            {
                *slot = Slot::Done(outcome);
            }
        }
        let mut taken = false;
        while matches!(self.slots.front(), Some(Slot::Done(_))) {
            taken = true;
            let Some(Slot::Done(outcome)) = self.slots.pop_front() else { break };
            match outcome {
                Ok(frame) => outgoing.push(frame),
                Err(NoAnswer::Silence) => {}
                Err(NoAnswer::Disconnect) => return Poll::Ready(true),
                Err(NoAnswer::Cut(part)) => {
                    outgoing.push(part);
                    return Poll::Ready(true);
                }
            }
        }
        if taken { Poll::Ready(false) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outgoing, Pipeline};
    use crate::handler::NoAnswer;
    use crate::server::Pieces;
    use klamm_protocol::primitives::{Encoder, StreamedFrame};
    use std::future::{pending, ready};
    use std::sync::Arc;
    use tokio::sync::oneshot;

    fn frame(n: u8) -> StreamedFrame {
        let mut e = Encoder::for_frame();
        e.put_slice(&[n]);
        e.into_streamed_frame().unwrap()
    }

    fn numbers(outgoing: &mut Outgoing) -> Vec<u8> {
        let mut parts = Vec::new();
        outgoing.next(&mut parts, &Arc::new(Pieces::default())).unwrap();
        parts.iter().map(|part| part[4]).collect()
    }

    #[tokio::test]
    async fn answers_keep_the_order_of_requests_while_all_proceed() {
        let mut pipeline = Pipeline::default();
        let (first, wait_first) = oneshot::channel();
        let (seen, mut was_polled) = oneshot::channel();
        pipeline.push(Box::pin(async { wait_first.await.map_err(|_| NoAnswer::Disconnect) }));
        pipeline.push(Box::pin(ready(Err(NoAnswer::Silence))));
        pipeline.push(Box::pin(async move {
            seen.send(()).unwrap();
            Ok(frame(3))
        }));
        let mut frames = Outgoing::default();
        tokio::select! {
            biased;
            _ = pipeline.answers(&mut frames) => panic!("the first is not answered yet"),
            _ = &mut was_polled => {}
        }
        first.send(frame(1)).unwrap();
        assert!(!pipeline.answers(&mut frames).await);
        assert_eq!(numbers(&mut frames), [1, 3]);
        assert!(pipeline.is_empty());
    }

    #[tokio::test]
    async fn disconnect_takes_its_turn() {
        let mut pipeline = Pipeline::default();
        pipeline.push(Box::pin(ready(Ok(frame(1)))));
        pipeline.push(Box::pin(ready(Err(NoAnswer::Disconnect))));
        pipeline.push(Box::pin(pending()));
        let mut frames = Outgoing::default();
        assert!(pipeline.answers(&mut frames).await);
        assert_eq!(numbers(&mut frames), [1]);
    }
}
