//! The application's side of a consumer.

use super::TopicPartition;
use super::error::{ConsumeError, OffsetsError, PositionError};
use super::fetch::{Batch, ConsumedRecord, Position, ResetTarget};
use super::fetcher::{Fetcher, follow_metadata};
use super::list_offsets::{self, EARLIEST, LATEST, OffsetAndTimestamp};
use super::membership::{GroupShared, GroupTask, Pattern, Subscribed, assignors_of};
use super::shared::{Shared, Taken};
use crate::client::{Client, ClientInner};
use crate::config::{ConfigError, ConsumerConfig, IsolationLevel};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long [`Consumer::close`] waits for the fetcher.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it waits for the last commit and for the group to know that it has left.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for a consumer that was only dropped.
const BACKGROUND_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads partitions: those of topics it subscribes to that fall to it in its group, or those that it
/// assigns itself.
///
/// Records of a partition come in the order of their offsets, each once, from where it was assigned or
/// moved to; nothing is skipped without an error that says so. Fetching goes on in the background, within
/// `fetch.buffer.memory`. All methods take `&self`: put it into an [`Arc`] to share it.
///
/// With a `group.id` and automatic commits, what was handed out counts as processed with the next poll;
/// several tasks that poll the same consumer had better commit by hand.
///
/// Dropping it ends it: in the background it commits what was processed and leaves its group.
/// [`Consumer::close`] also waits for the end.
#[derive(Debug)]
pub struct Consumer {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Arc<ClientInner>,
    /// With a `group.id`.
    pub(super) group: Option<Arc<GroupShared>>,
    pub(super) read_committed: bool,
    /// It is another's, lent to a listener.
    pub(super) is_view: bool,
}

impl Client {
    /// Makes a consumer. It joins its group at once if it subscribes to something, else it reads nothing
    /// until partitions are assigned.
    ///
    /// # Errors
    /// [`ConfigError`] when settings contradict each other.
    pub fn consumer(&self, config: ConsumerConfig) -> Result<Consumer, ConfigError> {
        config.validate()?;
        let subscribed = subscription(&config)?;
        if subscribed != Subscribed::Nothing && config.group_id.is_none() {
            let reason = "subscribing needs a group.id; without one, assign partitions";
            return Err(ConfigError::Conflict(reason.to_owned()));
        }
        let assignors = assignors_of(&config)?;
        let client = Arc::clone(self.inner());
        let fetcher = Fetcher::new(&config, Arc::clone(&client));
        let shared = Arc::clone(fetcher.shared());
        let group = config.group_id.as_deref().map(|id| {
            let task =
                GroupTask::new(&config, assignors, id, Arc::clone(&client), Arc::clone(&shared));
            let group = Arc::clone(task.group());
            group.lock().auto_commit = config.enable_auto_commit;
            if subscribed != Subscribed::Nothing {
                group.lock().subscribe(subscribed);
            }
            client.io.spawn(task.run());
            group
        });
        client.io.spawn(fetcher.run());
        client.io.spawn(follow_metadata(Arc::downgrade(&shared), Arc::downgrade(&client)));
        let read_committed = config.isolation_level == IsolationLevel::ReadCommitted;
        Ok(Consumer { shared, client, group, read_committed, is_view: false })
    }
}

fn subscription(config: &ConsumerConfig) -> Result<Subscribed, ConfigError> {
    Ok(match &config.topic_pattern {
        Some(pattern) => Subscribed::Pattern(Pattern::new(pattern)?),
        None if config.topics.is_empty() => Subscribed::Nothing,
        None => Subscribed::Topics(config.topics.iter().map(|t| t.as_str().into()).collect()),
    })
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if !self.is_view {
            self.begin_close(BACKGROUND_CLOSE_TIMEOUT);
        }
    }
}

impl Consumer {
    /// Waits for records and returns some of one partition, at most `max.poll.records`; `None` once the
    /// consumer or its client is closed.
    ///
    /// # Errors
    /// [`ConsumeError`], each told once. It ends nothing: call again.
    ///
    /// # Cancel safety
    /// Safe: records are taken only when the future is ready.
    pub async fn poll(&self) -> Result<Option<Batch>, ConsumeError> {
        self.wait(Shared::take_batch).await
    }

    /// Waits for a record and returns it; `None` once the consumer or its client is closed.
    ///
    /// What is left of its batch comes first with the next `recv` or [`Consumer::poll`]. Batches cost less.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    ///
    /// # Cancel safety
    /// Safe, as [`Consumer::poll`].
    pub async fn recv(&self) -> Result<Option<ConsumedRecord>, ConsumeError> {
        self.wait(Shared::take_record).await
    }

    pub(super) async fn wait<T>(
        &self,
        take: impl Fn(&Shared, Option<std::time::Instant>, std::time::Instant) -> Taken<T>,
    ) -> Result<Option<T>, ConsumeError> {
        let now = Instant::now().into_std();
        let (mut polled, mut now) = (Some(now), now);
        loop {
            let taken = take(&self.shared, polled.take(), now);
            if !matches!(taken, Taken::Nothing) {
                // There may be more for somebody else who waits.
                self.shared.ready.notify_one();
            }
            match taken {
                Taken::Some(what) => return Ok(Some(what)),
                Taken::Error(error) => return Err(error),
                Taken::Closed => return Ok(None),
                Taken::Nothing => {
                    let _waiting = Waiting::new(&self.shared.waiting);
                    self.shared.ready.notified().await;
                }
            }
            now = Instant::now().into_std();
        }
    }

    /// Goes on from this offset; what was fetched is let go.
    ///
    /// # Errors
    /// [`PositionError`] when the partition is not assigned or the offset is below 0.
    pub fn seek(&self, partition: &TopicPartition, offset: i64) -> Result<(), PositionError> {
        if offset < 0 {
            let partition = partition.clone();
            return Err(PositionError::NoSuchOffset { partition, offset });
        }
        let position = Position { offset, leader_epoch: -1 };
        self.change(partition, |state, now| state.positions.seek(partition, position, now))
    }

    /// Goes on from the first record there is.
    ///
    /// # Errors
    /// [`PositionError`] when the partition is not assigned.
    pub fn seek_to_beginning(&self, partition: &TopicPartition) -> Result<(), PositionError> {
        self.reset(partition, ResetTarget::Earliest)
    }

    /// Goes on from the next record that is produced.
    ///
    /// # Errors
    /// [`PositionError`] when the partition is not assigned.
    pub fn seek_to_end(&self, partition: &TopicPartition) -> Result<(), PositionError> {
        self.reset(partition, ResetTarget::Latest)
    }

    /// Goes on from the first record whose timestamp, in ms since 1970, is not before this, or from the
    /// end if there is none.
    ///
    /// # Errors
    /// [`PositionError`] when the partition is not assigned.
    pub fn seek_to_time(
        &self,
        partition: &TopicPartition,
        timestamp: i64,
    ) -> Result<(), PositionError> {
        self.reset(partition, ResetTarget::AtTime(timestamp.max(0)))
    }

    fn reset(&self, tp: &TopicPartition, target: ResetTarget) -> Result<(), PositionError> {
        self.change(tp, |state, now| state.positions.reset(tp, target, now))
    }

    /// Goes on from a later offset, past what cannot be read: errors of corrupt data name it.
    ///
    /// # Errors
    /// [`PositionError`] when the partition is not assigned or has come further already.
    pub fn skip_to(&self, partition: &TopicPartition, offset: i64) -> Result<(), PositionError> {
        let skipped =
            self.change(partition, |state, now| state.positions.skip_to(partition, offset, now));
        skipped.map_err(|error| match self.shared.lock().positions.lease(partition) {
            Some(_) => PositionError::NotAhead { partition: partition.clone(), offset },
            None => error,
        })
    }

    /// Moves a partition and lets go of what was fetched of it.
    fn change(
        &self,
        tp: &TopicPartition,
        change: impl FnOnce(&mut super::shared::State, std::time::Instant) -> bool,
    ) -> Result<(), PositionError> {
        {
            let mut state = self.shared.lock();
            if !change(&mut state, Instant::now().into_std()) {
                return Err(PositionError::NotAssigned(tp.clone()));
            }
            state.forget(tp);
            if state.in_hand.is_going(tp) {
                // Its position counts, but nothing more of it is handed out.
                state.positions.stop(tp);
            }
        }
        if let Some(group) = &self.group {
            group.lock().commits.rewound(tp);
        }
        self.shared.doorbell.ring();
        Ok(())
    }

    /// Hands out nothing more of these partitions, and fetches nothing; what was fetched is kept. Other
    /// partitions go on.
    ///
    /// # Errors
    /// [`PositionError`] at the first that is not assigned; those before it are paused.
    pub fn pause<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), PositionError> {
        self.set_paused(partitions, true)
    }

    /// Goes on with these partitions where they were paused.
    ///
    /// # Errors
    /// [`PositionError`] at the first that is not assigned; those before it are resumed.
    pub fn resume<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), PositionError> {
        self.set_paused(partitions, false)
    }

    fn set_paused<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        paused: bool,
    ) -> Result<(), PositionError> {
        let now = Instant::now().into_std();
        let mut refused = Ok(());
        {
            let mut state = self.shared.lock();
            for tp in partitions {
                if !state.pause(tp, paused, now) {
                    refused = Err(PositionError::NotAssigned(tp.clone()));
                    break;
                }
            }
        }
        self.shared.doorbell.ring();
        self.shared.ready.notify_one();
        refused
    }

    /// Whether a partition is paused.
    pub fn is_paused(&self, partition: &TopicPartition) -> bool {
        self.shared.lock().positions.is_paused(partition)
    }

    /// The offset of the next record to be handed out; `None` while it is being looked up, and of
    /// partitions that are not assigned.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.shared.lock().position(partition)
    }

    /// How many offsets lie between the position and the end that can be read, as the broker last told
    /// it; `None` before it has.
    pub fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        let state = self.shared.lock();
        let ahead = state.positions.position(partition)?.offset - state.position(partition)?;
        Some(state.positions.lag(partition)? + ahead)
    }

    /// How much of `fetch.buffer.memory` is taken, in bytes: by requests for what they may bring, by what came,
    /// decompressed or not, and by what the application holds of it.
    pub fn memory_used(&self) -> usize {
        self.shared.budget.used()
    }

    /// The first offset in the log and the offset behind the last that is replicated, as the broker told
    /// with its last answer; `None` before it has.
    pub fn watermarks(&self, partition: &TopicPartition) -> Option<(i64, i64)> {
        let (high, low) = self.shared.lock().positions.offsets(partition)?;
        Some((low, high))
    }

    /// The first offset there is, of each partition, assigned or not.
    ///
    /// # Errors
    /// [`OffsetsError`] of the first partition that has no answer within `request.timeout.ms`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>, OffsetsError> {
        self.offsets(partitions, EARLIEST).await
    }

    /// The end that can be read, of each partition, assigned or not: the offset behind the last record
    /// that is replicated, or with `read_committed` that of the first open transaction.
    ///
    /// # Errors
    /// [`OffsetsError`] of the first partition that has no answer within `request.timeout.ms`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>, OffsetsError> {
        self.offsets(partitions, LATEST).await
    }

    async fn offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        timestamp: i64,
    ) -> Result<BTreeMap<TopicPartition, i64>, OffsetsError> {
        let wanted = partitions.into_iter().map(|tp| (tp, timestamp)).collect();
        let found = self.look_up(wanted).await?;
        Ok(found.into_iter().map(|(tp, found)| (tp, found.offset)).collect())
    }

    /// The first record of each partition whose timestamp, in ms since 1970, is not before the one given;
    /// `None` where there is none.
    ///
    /// # Errors
    /// [`OffsetsError`] of the first partition that has no answer within `request.timeout.ms`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn offsets_for_times(
        &self,
        times: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>, OffsetsError> {
        let wanted = times.into_iter().map(|(tp, timestamp)| (tp, timestamp.max(0))).collect();
        let found = self.look_up(wanted).await?;
        let found = found.into_iter().map(|(tp, found)| {
            let leader_epoch = Some(found.leader_epoch).filter(|epoch| *epoch >= 0);
            let (offset, timestamp) = (found.offset, found.timestamp);
            let at = OffsetAndTimestamp { offset, timestamp, leader_epoch };
            (tp, Some(at).filter(|at| at.offset >= 0))
        });
        Ok(found.collect())
    }

    async fn look_up(
        &self,
        wanted: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, list_offsets::Found>, OffsetsError> {
        let asking = list_offsets::look_up(Arc::clone(&self.client), wanted, self.read_committed);
        self.client.io.run(asking).await.unwrap_or(Err(OffsetsError::Closed))
    }

    /// Ends the consumer: polls return `None` from now on, what was handed out is committed if commits
    /// are automatic, the group learns that it has left, and brokers forget its fetch sessions.
    ///
    /// Waits for that for at most half a minute.
    ///
    /// # Cancel safety
    /// The consumer ends even when the future is dropped after its first poll.
    pub async fn close(&self) {
        self.end_run().await;
        self.shared.lock().all_processed();
        self.begin_close(LEAVE_TIMEOUT);
        if let Some(group) = &self.group {
            let left = group.ended.notified();
            if !group.lock().has_ended() {
                self.bounded(LEAVE_TIMEOUT, left).await;
            }
        }
        if !self.shared.lock().ended {
            self.bounded(CLOSE_TIMEOUT, self.shared.ended.notified()).await;
        }
    }

    pub(super) fn begin_close(&self, timeout: Duration) {
        if let Some(group) = &self.group {
            group.lock().close(Instant::now().into_std() + timeout);
        }
        self.shared.close();
    }

    pub(super) async fn bounded(&self, timeout: Duration, waiting: impl Future<Output = ()>) {
        let bounded = {
            // The caller need not be on a runtime with timers.
            let _guard = self.client.io.enter();
            tokio::time::timeout(timeout, waiting)
        };
        let _ = bounded.await;
    }
}

/// A poll that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
