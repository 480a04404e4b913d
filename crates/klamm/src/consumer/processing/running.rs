//! What a run's reader and its workers share.

use super::RunOptions;
use super::intake::Intake;
use super::lanes::LaneId;
use super::outcome::{HandlerError, RunFailure, RunSummary};
use super::pieces::{Handled, end_of};
use super::work::{Counts, Ending, Job, Work};
use crate::consumer::TopicPartition;
use crate::consumer::fetch::{Batch, Position};
use parking_lot::Mutex;
use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// See the module's head. Its lock is taken after that of the consumer's state, never before.
pub(super) struct Running<T> {
    options: RunOptions,
    keys: RandomState,
    work: Mutex<Work<T>>,
    failure: Mutex<Option<RunFailure>>,
    /// There is something to work on.
    wake: Notify,
    /// There is something to do for the reader.
    news: Notify,
    ended: Notify,
}

/// What the reader has to do.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) stopped: bool,
    pub(super) has_room: bool,
    pub(super) resume: Vec<TopicPartition>,
    /// When to look again.
    pub(super) timeout: Option<Instant>,
}

impl<T: Handled> Running<T> {
    pub(super) fn new(options: RunOptions) -> Arc<Self> {
        Arc::new(Self {
            work: Mutex::new(Work::new(options.clone())),
            options,
            keys: RandomState::new(),
            failure: Mutex::default(),
            wake: Notify::new(),
            news: Notify::new(),
            ended: Notify::new(),
        })
    }

    /// What the reader has to do now. Wakes a worker for what is due to be tried again.
    pub(super) fn look(&self, now: Instant) -> Look {
        let mut work = self.work.lock();
        work.take_news();
        if work.can_start(now) {
            self.wake.notify_one();
        }
        Look {
            stopped: work.is_stopped(),
            has_room: work.has_room(),
            resume: std::iter::from_fn(|| work.poll_resume()).collect(),
            timeout: work.poll_timeout(now),
        }
    }

    /// Waits until there is something to do for the reader.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Waits for something to work on.
    pub(super) async fn next_job(&self) -> Job<T> {
        loop {
            let mut woken = std::pin::pin!(self.wake.notified());
            woken.as_mut().enable();
            if let Some(job) = self.start() {
                return job;
            }
            woken.await;
        }
    }

    fn start(&self) -> Option<Job<T>> {
        let now = now();
        let mut work = self.work.lock();
        let job = work.poll_start(now)?;
        if work.can_start(now) {
            // One wakes the next, as long as there is something left.
            self.wake.notify_one();
        }
        Some(job)
    }

    /// A piece was worked on. True if the last of a partition that is leaving is done.
    pub(super) fn finish(&self, lane: LaneId, result: Result<(), HandlerError>) -> bool {
        let now = now();
        let (news, told) = {
            let mut work = self.work.lock();
            let place = result.is_err().then(|| work.at_work(lane).map(T::place)).flatten();
            let ending = work.finished(lane, result.is_ok(), now);
            let failed = result.err().zip(place);
            if ending == Ending::Stop {
                // Before the reader can see that all has stopped.
                *self.failure.lock() = failed.map(failure);
                (work.take_news(), None)
            } else {
                (work.take_news(), failed.map(|failed| (ending, failure(failed))))
            }
        };
        match told {
            Some((Ending::Skipped, error)) => tracing::error!(%error, "a record is skipped"),
            Some((Ending::Retry, error)) => tracing::warn!(%error, "it is tried again"),
            Some((_, error)) => tracing::warn!(%error, "it is left undone"),
            None => {}
        }
        if news.reader {
            self.news.notify_one();
        }
        news.left
    }

    /// Begins nothing more, so that the run ends.
    pub(super) fn stop(&self) {
        self.change(Work::stop);
    }

    /// Whether nothing is at work any more.
    pub(super) fn is_drained(&self) -> bool {
        self.work.lock().is_drained()
    }

    /// Why all has stopped, if a handler is why.
    pub(super) fn take_failure(&self) -> Option<RunFailure> {
        self.failure.lock().take()
    }

    /// What was done so far, but for positions.
    pub(super) fn summary(&self) -> RunSummary {
        let work = self.work.lock();
        let Counts { handled, retried, skipped } = work.counts();
        let abandoned = work.running();
        RunSummary { handled, retried, skipped, abandoned, ..RunSummary::default() }
    }

    fn change(&self, change: impl FnOnce(&mut Work<T>)) {
        let news = {
            let mut work = self.work.lock();
            change(&mut work);
            work.take_news()
        };
        if news.reader {
            self.news.notify_one();
        }
    }
}

fn failure((error, (partition, offset)): (HandlerError, (TopicPartition, i64))) -> RunFailure {
    RunFailure::Handler { partition, offset, error }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<T: Handled> Intake for Running<T> {
    fn take(&self, tp: &TopicPartition, batch: Batch) -> bool {
        let end = end_of(&batch);
        let pieces = T::pieces(batch, self.options.order, &self.keys);
        let paused = self.work.lock().offer(tp, pieces, end);
        self.wake.notify_one();
        paused
    }

    fn hold_back(&self, tp: &TopicPartition) {
        self.change(|work| work.revoke(tp));
    }

    fn release(&self, tp: &TopicPartition) {
        self.change(|work| work.release(tp));
    }

    fn is_in_work(&self, tp: &TopicPartition) -> bool {
        !self.work.lock().is_idle(tp)
    }

    fn undone(&self, tp: &TopicPartition) -> Option<Position> {
        self.work.lock().undone(tp)
    }

    fn finished_at(&self) -> Option<Instant> {
        self.work.lock().finished_at()
    }

    fn stop(&self) {
        Running::stop(self);
    }

    fn drain_timeout(&self) -> Duration {
        self.options.drain_timeout
    }

    fn partitions(&self) -> Vec<(TopicPartition, bool)> {
        self.work.lock().partitions().map(|(tp, paused)| (tp.clone(), paused)).collect()
    }

    fn ended(&self) -> &Notify {
        &self.ended
    }
}

impl<T> fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("options", &self.options).finish_non_exhaustive()
    }
}
