//! `run`: reads for its workers until it is stopped, and says how far they came.

use super::intake::Intake;
use super::options::RunOptions;
use super::outcome::{BoxError, RunError, RunFailure, RunSummary};
use super::pieces::Handled;
use super::running::{Look, Running};
use super::worker::work;
use crate::consumer::fetch::Position;
use crate::consumer::handle::LEAVE_TIMEOUT;
use crate::consumer::{
    Batch, CommitError, ConsumeError, ConsumedRecord, Consumer, NotCommitted, OffsetAndMetadata,
    TopicPartition,
};
use crate::error::ErrorKind;
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What [`Consumer::close`] allows a run beyond its own time to end.
const END_TIMEOUT: Duration = Duration::from_secs(1);

impl Consumer {
    /// Hands every record to `handler`, several at once, and commits what is done, until the consumer is
    /// closed, [`Consumer::stop_run`] is called, or something fails for good.
    ///
    /// Handlers are tasks on the caller's runtime; heartbeats and fetches are not kept waiting by them.
    /// Records that have an order among each other ([`RunOptions::order`]) are handled one after the other.
    /// Each is handled at least once: what is committed of a partition is never beyond the first record that
    /// is not done with. A handler that fails or panics is tried again, and then the run stops or the record
    /// is skipped, as options say.
    ///
    /// Commits are those of the consumer: with `enable.auto.commit`, the default, every
    /// `auto.commit.interval.ms`, before a partition goes to another member, and at the end; without it,
    /// none. When a partition is revoked, what is at work is ended and also what stands before it, so that
    /// nobody has to do it again; then the partition goes, at the rebalance's deadline at the latest. When it
    /// is lost, handlers at work go on and are not committed. The member counts as alive
    /// (`max.poll.interval.ms`) for as long as handlers end or there is room for more records.
    ///
    /// The consumer must not be polled meanwhile, and a handler must not wait for [`Consumer::close`], which
    /// waits for it; [`Consumer::stop_run`] waits for nobody. Afterwards it goes on at the first record of each
    /// partition that is not done with.
    ///
    /// # Errors
    /// [`RunError`], with what was done until then. Handlers at work are waited for first, as by
    /// [`Consumer::stop_run`].
    ///
    /// # Cancel safety
    /// Dropping the future drops handlers where they wait; their records are not committed, and the
    /// consumer goes on with them.
    pub async fn run<H, F, E>(
        &self,
        options: RunOptions,
        handler: H,
    ) -> Result<RunSummary, RunError>
    where
        H: Fn(ConsumedRecord) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.run_pieces(options, handler).await
    }

    /// As [`Consumer::run`], with batches of at most `max.poll.records` records of one partition.
    ///
    /// Unless the order is [`Unordered`](super::ProcessingOrder::Unordered), those of a partition are
    /// handled one after the other.
    ///
    /// # Errors
    /// As [`Consumer::run`].
    ///
    /// # Cancel safety
    /// As [`Consumer::run`].
    pub async fn run_batches<H, F, E>(
        &self,
        options: RunOptions,
        handler: H,
    ) -> Result<RunSummary, RunError>
    where
        H: Fn(Batch) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.run_pieces(options, handler).await
    }

    /// Ends [`Consumer::run`]: it returns when what is at work is done, and what stands before it in its
    /// partition. Nothing else is begun.
    pub fn stop_run(&self) {
        let intake = self.shared.lock().in_hand.intake();
        if let Some(intake) = intake {
            intake.stop();
        }
    }

    async fn run_pieces<T, H, F, E>(
        &self,
        options: RunOptions,
        handler: H,
    ) -> Result<RunSummary, RunError>
    where
        T: Handled,
        H: Fn(T) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        options.validate().map_err(RunFailure::Options)?;
        let runtime = Handle::try_current().map_err(|_| RunFailure::NoRuntime)?;
        let (count, drain_timeout) = (options.workers, options.drain_timeout);
        let running = Running::new(options);
        let handed_in = HandedIn::new(self, Arc::clone(&running) as Arc<dyn Intake>)?;
        let mut workers = JoinSet::new();
        let handler = Arc::new(handler);
        for _ in 0..count {
            let (running, shared) = (Arc::clone(&running), Arc::clone(&self.shared));
            workers.spawn_on(work(running, shared, Arc::clone(&handler)), &runtime);
        }
        let mut cause = self.read_for(&running).await;
        self.drain(&running, drain_timeout).await;
        drop(workers);
        cause = cause.or_else(|| running.take_failure());
        let mut summary = running.summary();
        let came_to = handed_in.end();
        summary.positions = came_to.iter().map(|(tp, at)| (tp.clone(), at.offset)).collect();
        if let Err(error) = self.commit_run(came_to).await {
            cause.get_or_insert(RunFailure::Commit(error));
        }
        match cause {
            None => Ok(summary),
            Some(cause) => Err(RunError { cause, summary: Box::new(summary) }),
        }
    }
}

impl Consumer {
    /// Reads for the workers until all is stopped, or until reading fails.
    async fn read_for<T: Handled>(&self, running: &Running<T>) -> Option<RunFailure> {
        loop {
            let Look { stopped, has_room, resume, timeout } =
                running.look(Instant::now().into_std());
            if stopped {
                return None;
            }
            for tp in &resume {
                // If it is gone meanwhile there is nothing to resume.
                let _ = self.resume([tp]);
            }
            let taking = self.wait(|shared, polled, now| shared.hand_in(running, polled, now));
            tokio::select! {
                biased;
                () = running.news() => {}
                () = self.sleep_until(timeout) => {}
                taken = taking, if has_room => match taken {
                    // Workers of the same thread get their turn.
                    Ok(Some(())) => tokio::task::yield_now().await,
                    Ok(None) => return None,
                    Err(error) if is_tried_on(&error) => {}
                    Err(error) => return Some(RunFailure::Consume(error)),
                },
            }
        }
    }

    /// Waits until handlers at work are done, or have had their time.
    async fn drain<T: Handled>(&self, running: &Running<T>, timeout: Duration) {
        running.stop();
        let by = Instant::now() + timeout;
        while !running.is_drained() {
            tokio::select! {
                () = running.news() => {}
                () = self.sleep_until(Some(by.into_std())) => {
                    tracing::error!("handlers are still at work and are dropped");
                    return;
                }
            }
        }
    }

    async fn sleep_until(&self, at: Option<std::time::Instant>) {
        let Some(at) = at else { return pending().await };
        let sleep = {
            let _guard = self.client.io.enter();
            tokio::time::sleep_until(Instant::from_std(at))
        };
        sleep.await;
    }

    /// Commits how far a run has come, unless the consumer is being closed, which does the same.
    async fn commit_run(
        &self,
        came_to: BTreeMap<TopicPartition, Position>,
    ) -> Result<(), CommitError> {
        let by_itself = self.group.as_ref().is_some_and(|group| group.lock().auto_commit);
        if !by_itself || came_to.is_empty() || self.shared.lock().closed {
            return Ok(());
        }
        let offsets = came_to.into_iter().map(|(tp, at)| (tp, OffsetAndMetadata::from(at)));
        match self.commit_offsets(offsets).await {
            // Those were revoked in this moment, and what was done of them committed before.
            Err(CommitError::NotCommitted(failed))
                if failed.values().all(|why| *why == NotCommitted::LeaseGone) =>
            {
                Ok(())
            }
            committed => committed,
        }
    }

    /// Ends the run there is, for the consumer is being closed.
    pub(in super::super) async fn end_run(&self) {
        let intake = self.shared.lock().in_hand.close_after_run();
        let Some(intake) = intake else { return };
        intake.stop();
        let mut ended = pin!(intake.ended().notified());
        ended.as_mut().enable();
        if self.shared.lock().in_hand.intake().is_some() {
            self.bounded(intake.drain_timeout() + END_TIMEOUT, ended).await;
        }
    }
}

/// Whether reading goes on by itself; it is in the log.
fn is_tried_on(error: &ConsumeError) -> bool {
    error.kind() == ErrorKind::Retriable || matches!(error, ConsumeError::UnknownPartition { .. })
}

/// The consumer hands its batches to a run for as long as this lives.
struct HandedIn<'a> {
    consumer: &'a Consumer,
    /// Until it has ended.
    intake: Option<Arc<dyn Intake>>,
}

impl<'a> HandedIn<'a> {
    fn new(consumer: &'a Consumer, intake: Arc<dyn Intake>) -> Result<Self, RunFailure> {
        if !consumer.shared.lock().begin_run(&intake) {
            return Err(RunFailure::AlreadyRunning);
        }
        Ok(Self { consumer, intake: Some(intake) })
    }

    /// Ends it. Returns where the consumer goes on.
    fn end(mut self) -> BTreeMap<TopicPartition, Position> {
        self.take_back()
    }

    fn take_back(&mut self) -> BTreeMap<TopicPartition, Position> {
        let Some(intake) = self.intake.take() else { return BTreeMap::new() };
        let now = Instant::now().into_std();
        let (came_to, closing) = self.consumer.shared.lock().end_run(now);
        if closing {
            self.consumer.begin_close(LEAVE_TIMEOUT);
        }
        self.consumer.shared.doorbell.ring();
        self.consumer.shared.ready.notify_one();
        self.consumer.shared.group.notify_one();
        intake.ended().notify_waiters();
        came_to
    }
}

impl Drop for HandedIn<'_> {
    fn drop(&mut self) {
        self.take_back();
    }
}
