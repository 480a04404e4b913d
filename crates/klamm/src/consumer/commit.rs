//! Commits as the application sees them.

use super::fetch::Batch;
use super::group::commits::{Commit, CommitResult, NotCommitted, OffsetAndMetadata};
use super::{Consumer, OffsetsError, TopicPartition};
use crate::error::ErrorKind;
use klamm_protocol::error_code::ErrorCode;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Why offsets were not committed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// There is no `group.id` to commit for.
    #[error("there is no group.id to commit for")]
    NoGroup,
    /// Offsets count from 0; nothing of the call was committed.
    #[error("{partition}: {offset} is no offset")]
    NoSuchOffset {
        /// Which partition.
        partition: TopicPartition,
        /// What was given.
        offset: i64,
    },
    /// These were not; the others of the same call were.
    #[error("{}", FailedText(.0))]
    NotCommitted(BTreeMap<TopicPartition, NotCommitted>),
    /// The consumer or its client is closed; what was asked for may or may not be committed.
    #[error("the consumer is closed")]
    Closed,
}

struct FailedText<'a>(&'a BTreeMap<TopicPartition, NotCommitted>);

impl fmt::Display for FailedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first_key_value() {
            Some((partition, reason)) => write!(f, "{partition} was not committed: {reason}")?,
            None => f.write_str("not committed")?,
        }
        match self.0.len() {
            0 | 1 => Ok(()),
            more => write!(f, ", and {} more", more - 1),
        }
    }
}

impl CommitError {
    /// What to branch on. [`ErrorKind::Fenced`] says that somebody else reads on from an earlier commit.
    pub fn kind(&self) -> ErrorKind {
        match self {
            CommitError::NoGroup | CommitError::NoSuchOffset { .. } => ErrorKind::Misuse,
            CommitError::Closed => ErrorKind::Closed,
            CommitError::NotCommitted(failed) => {
                failed.values().next().map_or(ErrorKind::Fatal, kind_of)
            }
        }
    }
}

fn kind_of(reason: &NotCommitted) -> ErrorKind {
    match reason {
        NotCommitted::LeaseGone | NotCommitted::Fenced(_) => ErrorKind::Fenced,
        NotCommitted::TimedOut | NotCommitted::TooMany => ErrorKind::Retriable,
        NotCommitted::Refused(
            ErrorCode::GROUP_AUTHORIZATION_FAILED | ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ) => ErrorKind::Unauthorized,
        NotCommitted::Refused(_) => ErrorKind::Fatal,
    }
}

/// A commit under way; ready when it is answered.
///
/// Dropping it stops nothing.
#[derive(Debug)]
#[must_use = "a commit may be refused; drop it if that does not matter"]
pub struct CommitHandle(Inner);

#[derive(Debug)]
enum Inner {
    Ready(Result<(), CommitError>),
    Waiting(oneshot::Receiver<CommitResult>),
}

impl CommitHandle {
    pub(super) fn ready(result: Result<(), CommitError>) -> Self {
        Self(Inner::Ready(result))
    }

    pub(super) fn waiting(receiver: oneshot::Receiver<CommitResult>) -> Self {
        Self(Inner::Waiting(receiver))
    }
}

impl Future for CommitHandle {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let receiver = match &mut self.0 {
            Inner::Ready(result) => return Poll::Ready(result.clone()),
            Inner::Waiting(receiver) => receiver,
        };
        let Poll::Ready(answered) = Pin::new(receiver).poll(cx) else { return Poll::Pending };
        let result = match answered {
            Ok(CommitResult { failed, .. }) if failed.is_empty() => Ok(()),
            Ok(CommitResult { failed, .. }) => Err(CommitError::NotCommitted(failed)),
            Err(_) => Err(CommitError::Closed),
        };
        self.0 = Inner::Ready(result.clone());
        Poll::Ready(result)
    }
}

/// An offset to commit; without a lease it is committed under the present one.
type Wanted = (TopicPartition, Option<u64>, OffsetAndMetadata);

impl Consumer {
    /// Commits what is behind this batch: all up to its end is processed.
    ///
    /// Retriable errors are tried again for up to 60 s. One request is under way at a time, and offsets
    /// of a partition only go up, but for a seek.
    ///
    /// # Errors
    /// [`CommitError`]; refused without being sent when the partition was revoked, lost or assigned anew
    /// since the batch was read.
    ///
    /// # Cancel safety
    /// Safe: the commit goes on without its caller.
    pub async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.commit_async(batch).await
    }

    /// Commits as [`Consumer::commit`] does, without waiting: the handle tells how it ended.
    pub fn commit_async(&self, batch: &Batch) -> CommitHandle {
        let partition = TopicPartition::new(Arc::clone(batch.topic_shared()), batch.partition());
        self.shared.lock().processed_to(&partition, batch.next_offset());
        self.shared.group.notify_one();
        let offset = OffsetAndMetadata {
            offset: batch.next_offset(),
            leader_epoch: batch.next_leader_epoch(),
            metadata: String::new(),
        };
        self.ask_for_commit([(partition, Some(batch.lease()), offset)])
    }

    /// Commits these offsets, each of the next record to process, of partitions that are assigned.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    ///
    /// # Cancel safety
    /// Safe: the commit goes on without its caller.
    pub async fn commit_offsets(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, OffsetAndMetadata)>,
    ) -> Result<(), CommitError> {
        self.commit_offsets_async(offsets).await
    }

    /// Commits as [`Consumer::commit_offsets`] does, without waiting.
    pub fn commit_offsets_async(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, OffsetAndMetadata)>,
    ) -> CommitHandle {
        self.ask_for_commit(offsets.into_iter().map(|(tp, offset)| (tp, None, offset)))
    }

    /// Commits everything handed out so far, of all assigned partitions; during [`Consumer::run`] only what
    /// is done of it.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    ///
    /// # Cancel safety
    /// Safe: the commit goes on without its caller.
    pub async fn commit_all(&self) -> Result<(), CommitError> {
        self.commit_all_async().await
    }

    /// Commits as [`Consumer::commit_all`] does, without waiting.
    pub fn commit_all_async(&self) -> CommitHandle {
        let offsets: Vec<Wanted> = {
            let mut state = self.shared.lock();
            state.all_processed();
            let leased = state.leased();
            // A run tells itself what of it is processed.
            let at = |(tp, lease)| Some((state.processed(&tp)?, tp, lease));
            let offsets = leased.into_iter().filter_map(at);
            offsets.map(|(at, tp, lease)| (tp, Some(lease), at.into())).collect()
        };
        self.shared.group.notify_one();
        self.ask_for_commit(offsets)
    }

    fn ask_for_commit(&self, offsets: impl IntoIterator<Item = Wanted>) -> CommitHandle {
        let Some(group) = &self.group else {
            return CommitHandle::ready(Err(CommitError::NoGroup));
        };
        let handle = {
            let mut state = group.lock();
            let mut commit = Commit::default();
            for (partition, lease, offset) in offsets {
                if offset.offset < 0 {
                    let error = CommitError::NoSuchOffset { partition, offset: offset.offset };
                    return CommitHandle::ready(Err(error));
                }
                // There is no lease 0: what is not assigned is refused.
                let lease = lease.or_else(|| state.commits.lease(&partition)).unwrap_or(0);
                commit.offsets.insert(partition, (lease, offset));
            }
            state.commit(commit, Instant::now().into_std())
        };
        self.shared.group.notify_one();
        handle
    }

    /// What the group has committed of each partition, assigned or not; `None` where there is nothing.
    ///
    /// Waits for open transactions that may still commit one.
    ///
    /// # Errors
    /// [`OffsetsError`] of the first partition that has no answer within 60 s, or when there is no
    /// `group.id`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn committed(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, OffsetsError> {
        let Some(group) = &self.group else { return Err(OffsetsError::NoGroup) };
        let partitions = partitions.into_iter().collect();
        let asked = group.lock().look_up(partitions, Instant::now().into_std());
        self.shared.group.notify_one();
        asked.await.unwrap_or(Err(OffsetsError::Closed))
    }
}
