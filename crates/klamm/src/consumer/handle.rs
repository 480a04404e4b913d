//! The application's side of a consumer.

use super::error::{ConsumeError, OffsetsError, PositionError};
use super::fetch::{Batch, ConsumedRecord, Position, ResetTarget};
use super::fetcher::{Fetcher, follow_metadata};
use super::list_offsets::{self, EARLIEST, LATEST, OffsetAndTimestamp};
use super::shared::{Shared, Taken};
use super::{Start, TopicPartition};
use crate::client::{Client, ClientInner};
use crate::config::{ConfigError, ConsumerConfig, IsolationLevel};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long [`Consumer::close`] waits for the fetcher.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads partitions.
///
/// Records of a partition come in the order of their offsets, each once, from where it was assigned or
/// moved to; nothing is skipped without an error that says so. Fetching goes on in the background, within
/// `fetch.buffer.memory`. All methods take `&self`: put it into an [`Arc`] to share it.
///
/// Dropping it ends it; [`Consumer::close`] also waits for the end.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    client: Arc<ClientInner>,
    read_committed: bool,
}

impl Client {
    /// Makes a consumer. It reads nothing until partitions are assigned.
    ///
    /// # Errors
    /// [`ConfigError`] when settings contradict each other.
    pub fn consumer(&self, config: ConsumerConfig) -> Result<Consumer, ConfigError> {
        config.validate()?;
        if config.group_id.is_some() || !config.topics.is_empty() || config.topic_pattern.is_some()
        {
            let reason = "this version reads by assign() only: set no group.id and no topics";
            return Err(ConfigError::Conflict(reason.to_owned()));
        }
        let client = Arc::clone(self.inner());
        let fetcher = Fetcher::new(&config, Arc::clone(&client));
        let shared = Arc::clone(fetcher.shared());
        client.io.spawn(fetcher.run());
        client.io.spawn(follow_metadata(Arc::downgrade(&shared), Arc::downgrade(&client)));
        let read_committed = config.isolation_level == IsolationLevel::ReadCommitted;
        Ok(Consumer { shared, client, read_committed })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Consumer {
    /// Reads exactly these partitions from now on; those that were read before and are not among them
    /// are let go, and what was fetched of any is too.
    ///
    /// A topic that does not exist is waited for, and reported when it takes too long.
    pub fn assign<T: Into<Arc<str>>>(&self, partitions: impl IntoIterator<Item = (T, i32, Start)>) {
        let now = Instant::now().into_std();
        let wanted: BTreeMap<TopicPartition, Start> = partitions
            .into_iter()
            .map(|(topic, partition, start)| (TopicPartition::new(topic, partition), start))
            .collect();
        let mut topics: Vec<Arc<str>> = wanted.keys().map(|tp| Arc::clone(&tp.topic)).collect();
        topics.dedup();
        {
            let mut state = self.shared.lock();
            let before: Vec<TopicPartition> = state.positions.assigned().cloned().collect();
            for tp in &before {
                state.unassign(tp);
            }
            for (tp, start) in wanted {
                state.assign(tp, start, now);
            }
        }
        topics.iter().for_each(|topic| self.client.metadata.want(topic));
        self.shared.doorbell.ring();
    }

    /// The partitions that are read, in order.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.lock().positions.assigned().cloned().collect()
    }

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

    async fn wait<T>(
        &self,
        take: impl Fn(&Shared, std::time::Instant) -> Taken<T>,
    ) -> Result<Option<T>, ConsumeError> {
        loop {
            let taken = take(&self.shared, Instant::now().into_std());
            if !matches!(taken, Taken::Nothing) {
                // There may be more for somebody else who waits.
                self.shared.ready.notify_one();
            }
            match taken {
                Taken::Some(what) => return Ok(Some(what)),
                Taken::Error(error) => return Err(error),
                Taken::Closed => return Ok(None),
                Taken::Nothing => self.shared.ready.notified().await,
            }
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

    /// Ends the consumer: polls return `None` from now on, and brokers forget its fetch sessions.
    ///
    /// # Cancel safety
    /// The consumer ends even when the future is dropped after its first poll.
    pub async fn close(&self) {
        self.shared.close();
        if self.shared.lock().ended {
            return;
        }
        let bounded = {
            // The caller need not be on a runtime with timers.
            let _guard = self.client.io.enter();
            tokio::time::timeout(CLOSE_TIMEOUT, self.shared.ended.notified())
        };
        let _ = bounded.await;
    }
}
