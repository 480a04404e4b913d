//! Answers into batches: in place if they are plain, on a worker thread if they are compressed.

use super::super::fetch::{
    Batch, Budget, DecodeSettings, Decoder, FetchDataError, FetchLease, FetchedData, Position, Step,
};
use super::Fetcher;
use crate::consumer::TopicPartition;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Worker threads that one consumer uses at a time.
pub(super) const WORKERS: usize = 4;
/// Compressed data of this size is done with before a worker would have begun.
const IN_PLACE_MAX_BYTES: usize = 2 * 1024;

/// A partition's part of an answer that is being decoded.
#[derive(Debug)]
pub(super) struct DecodeTask {
    tp: TopicPartition,
    lease: FetchLease,
    decoder: Decoder,
}

/// How far that has come.
#[derive(Debug)]
pub(super) struct DecodeDone {
    task: DecodeTask,
    batches: Vec<Batch>,
    end: End,
}

#[derive(Debug)]
enum End {
    /// The budget has no room.
    Blocked,
    Done,
    Failed(FetchDataError),
}

impl DecodeTask {
    pub(super) fn new(
        tp: TopicPartition,
        lease: FetchLease,
        data: FetchedData,
        settings: DecodeSettings,
    ) -> Self {
        Self { tp, lease, decoder: Decoder::new(data, settings) }
    }

    fn is_quick(&self) -> bool {
        !self.decoder.is_compressed() || self.decoder.undecoded() <= IN_PLACE_MAX_BYTES
    }

    fn run(mut self, budget: &Budget, urgent: bool) -> DecodeDone {
        let mut batches = Vec::new();
        let end = loop {
            match self.decoder.next(budget, urgent && batches.is_empty()) {
                Ok(Step::Batches(more)) => batches.extend(more),
                Ok(Step::Blocked) => break End::Blocked,
                Ok(Step::Done) => break End::Done,
                Err(error) => break End::Failed(error),
            }
        };
        DecodeDone { task: self, batches, end }
    }
}

impl Fetcher {
    /// Decodes now, or has it done.
    pub(super) fn decode(&mut self, task: DecodeTask, now: Instant) {
        if task.is_quick() && self.blocked_at.is_none() {
            let done = task.run(&self.budget, false);
            self.handle_decoded(done, now);
        } else {
            self.waiting.push_back(task);
        }
    }

    /// Takes what workers have done and gives them more; true if there was any.
    pub(super) fn poll_decoding(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(done)) = self.working.poll_join_next(cx) {
            any = true;
            match done {
                Ok(done) => self.handle_decoded(done, now),
                Err(error) => super::give_up(error),
            }
        }
        if self.waiting.is_empty() {
            return any;
        }
        self.drop_stale();
        // Said before it is looked at: what is let go from here on rings.
        self.shared.doorbell.await_room(usize::MAX);
        self.shared.doorbell.await_taking();
        while self.working.len() < WORKERS
            && let Some(urgent) = self.may_decode()
            && let Some(task) = self.waiting.pop_front()
        {
            any = true;
            self.blocked_at = None;
            if task.is_quick() {
                let done = task.run(&self.budget, urgent);
                self.handle_decoded(done, now);
            } else {
                let budget = self.budget.clone();
                self.working.spawn_blocking(move || task.run(&budget, urgent));
            }
        }
        any
    }

    /// Whether to decode what waits, and whether the application waits for it: then it may go over the
    /// budget.
    fn may_decode(&self) -> Option<bool> {
        let used = self.budget.used();
        match self.blocked_at {
            None => Some(false),
            Some(before) if used < before => Some(false),
            // Nothing is at hand or will be: without going over there may never be anything again.
            Some(_) => {
                let stuck = self.working.is_empty() && self.shared.lock().is_drained();
                (stuck && used <= self.budget.limit()).then_some(true)
            }
        }
    }

    /// Lets go of what was moved or let go by the application.
    fn drop_stale(&mut self) {
        let state = self.shared.lock();
        self.waiting.retain(|task| state.positions.is_current(&task.tp, task.lease.lease));
        if self.waiting.is_empty() {
            self.blocked_at = None;
        }
    }

    fn handle_decoded(&mut self, done: DecodeDone, now: Instant) {
        let DecodeDone { task, batches, end } = done;
        let (offset, leader_epoch) = task.decoder.position();
        let bytes = batches.iter().map(Batch::bytes).sum();
        let blocked = matches!(end, End::Blocked);
        let mut state = self.shared.lock();
        let next = Position { offset, leader_epoch };
        let (tp, lease) = (&task.tp, task.lease);
        if !state.positions.decoded(tp, lease, next, bytes, !blocked, now.into_std()) {
            drop(state);
            // It was moved meanwhile; its memory is given back outside of the lock.
            return drop((task.decoder, batches));
        }
        self.news |= !batches.is_empty();
        state.push(tp, lease.lease, batches);
        if let End::Failed(error) = end {
            state.positions.stop(tp);
            state.push_error(tp, error.into());
            self.news = true;
        }
        drop(state);
        if blocked {
            self.blocked_at = Some(self.budget.used());
            self.waiting.push_front(task);
        }
    }
}
