//! What the application's side and the task of the group share.

use super::pattern::Pattern;
use crate::consumer::commit::{CommitError, CommitHandle};
use crate::consumer::error::OffsetsError;
use crate::consumer::fetch::Lease;
use crate::consumer::group::commits::{Commit, CommitResult, Commits, OffsetAndMetadata};
use crate::consumer::group::lookups::{LookupAnswer, OffsetLookups};
use crate::consumer::topic_partition::TopicPartition;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// How long a commit or a look at committed offsets is tried (`default.api.timeout.ms`).
const API_TIMEOUT: Duration = Duration::from_secs(60);

/// How many looks at committed offsets may wait for an answer.
const LOOKUPS_MAX: usize = 10_000;

/// What a consumer subscribes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) enum Subscribed {
    /// Nothing: partitions are assigned by the application, if any.
    #[default]
    Nothing,
    Topics(BTreeSet<Arc<str>>),
    /// All topics whose name matches.
    Pattern(Pattern),
}

/// Offsets that were committed, or `None` where there are none.
pub(in super::super) type Committed = BTreeMap<TopicPartition, Option<OffsetAndMetadata>>;

/// Who waits for committed offsets.
#[derive(Debug)]
enum Asking {
    /// Partitions that begin there, each under its lease.
    Start(BTreeMap<TopicPartition, Lease>),
    Caller {
        left: usize,
        found: Committed,
        sender: oneshot::Sender<Result<Committed, OffsetsError>>,
    },
}

/// A partition whose start is known now.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) partition: TopicPartition,
    pub(super) lease: Lease,
    pub(super) found: Result<Option<OffsetAndMetadata>, klamm_protocol::error_code::ErrorCode>,
}

/// See the module's head. The lock is held for moments only.
#[derive(Debug, Default)]
pub(in super::super) struct GroupState {
    pub(in super::super) commits: Commits,
    /// Whether the consumer commits by itself.
    pub(in super::super) auto_commit: bool,
    pub(super) lookups: OffsetLookups,
    committing: BTreeMap<u64, oneshot::Sender<CommitResult>>,
    asking: BTreeMap<u64, Asking>,
    pub(super) subscribed: Subscribed,
    /// Grows each time somebody subscribes.
    pub(super) subscribed_no: u64,
    /// Somebody asked for something since the task looked: a coordinator may be found now.
    pub(super) asked: bool,
    /// The consumer is being closed: until then it may commit and leave.
    pub(super) close_by: Option<Instant>,
    /// The task has ended.
    ended: bool,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(in super::super) struct GroupShared {
    state: Mutex<GroupState>,
    /// The task has ended.
    pub(in super::super) ended: Notify,
}

impl GroupShared {
    pub(in super::super) fn lock(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock()
    }

    /// Nothing is committed or asked for from here on.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        // Whoever waits learns it by the end of his channel.
        state.committing.clear();
        state.asking.clear();
        drop(state);
        self.ended.notify_waiters();
        self.ended.notify_one();
    }
}

impl GroupState {
    pub(in super::super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Asks for a commit.
    pub(in super::super) fn commit(&mut self, commit: Commit, now: Instant) -> CommitHandle {
        if self.ended {
            return CommitHandle::ready(Err(CommitError::Closed));
        }
        let (sender, receiver) = oneshot::channel();
        let id = self.commits.commit(commit, now + API_TIMEOUT);
        self.committing.insert(id, sender);
        self.asked = true;
        self.deliver_commits();
        CommitHandle::waiting(receiver)
    }

    /// The application assigns partitions itself: returns the lease of the new ones.
    pub(in super::super) fn assign(
        &mut self,
        before: &[TopicPartition],
        partitions: &[TopicPartition],
    ) -> u64 {
        if !self.is_standalone() {
            self.subscribe(Subscribed::Nothing);
        }
        self.forget_starts(before);
        self.commits.released(before);
        self.commits.assigned(partitions)
    }

    /// Whether the application assigns partitions itself.
    pub(in super::super) fn is_standalone(&self) -> bool {
        self.subscribed == Subscribed::Nothing
    }

    /// Subscribes to something else.
    pub(in super::super) fn subscribe(&mut self, to: Subscribed) {
        self.subscribed = to;
        self.subscribed_no += 1;
    }

    /// The consumer ends: until `by` it may commit and leave.
    pub(in super::super) fn close(&mut self, by: Instant) {
        self.close_by.get_or_insert(by);
    }

    /// Starts partitions at what is committed, once that is known.
    pub(in super::super) fn start_at_committed(&mut self, leases: BTreeMap<TopicPartition, Lease>) {
        if leases.is_empty() {
            return;
        }
        let ask = self.lookups.ask(leases.keys().cloned(), None);
        self.asking.insert(ask, Asking::Start(leases));
        self.asked = true;
    }

    /// Asks for committed offsets.
    pub(in super::super) fn look_up(
        &mut self,
        partitions: BTreeSet<TopicPartition>,
        now: Instant,
    ) -> oneshot::Receiver<Result<Committed, OffsetsError>> {
        let (sender, receiver) = oneshot::channel();
        let (left, found) = (partitions.len(), Committed::new());
        let first = partitions.first().cloned();
        if let Some(partition) = first.filter(|_| self.asking.len() >= LOOKUPS_MAX) {
            let reason = "too many are being looked up".into();
            // Nobody listening is no harm, here and below.
            let _ = sender.send(Err(OffsetsError::Request { partition, reason }));
        } else if left == 0 {
            let _ = sender.send(Ok(found));
        } else if !self.ended {
            let ask = self.lookups.ask(partitions, Some(now + API_TIMEOUT));
            self.asking.insert(ask, Asking::Caller { left, found, sender });
            self.asked = true;
        }
        receiver
    }

    /// Partitions were let go of: their starts are of no interest.
    pub(in super::super) fn forget_starts(&mut self, partitions: &[TopicPartition]) {
        let lookups = &mut self.lookups;
        self.asking.retain(|ask, asking| {
            let Asking::Start(leases) = asking else { return true };
            lookups.forget(*ask, partitions);
            leases.retain(|partition, _| !partitions.contains(partition));
            !leases.is_empty()
        });
    }

    /// Tells whoever waits how commits ended; returns those that nobody waits for.
    pub(super) fn deliver_commits(&mut self) -> Vec<CommitResult> {
        let mut unclaimed = Vec::new();
        while let Some(result) = self.commits.poll_result() {
            match self.committing.remove(&result.id) {
                // A handle may have been dropped.
                Some(sender) => drop(sender.send(result)),
                None => unclaimed.push(result),
            }
        }
        unclaimed
    }

    /// Tells whoever waits what is committed; returns the partitions that start.
    pub(super) fn deliver_lookups(&mut self) -> Vec<Start> {
        let mut starts = Vec::new();
        while let Some(LookupAnswer { ask, partition, found }) = self.lookups.poll_answer() {
            match self.asking.get_mut(&ask) {
                Some(Asking::Start(leases)) => {
                    let lease = leases.remove(&partition);
                    starts.extend(lease.map(|lease| Start { partition, lease, found }));
                    if leases.is_empty() {
                        self.asking.remove(&ask);
                    }
                }
                Some(Asking::Caller { .. }) => self.tell(ask, partition, found),
                None => {}
            }
        }
        starts
    }

    fn tell(
        &mut self,
        ask: u64,
        partition: TopicPartition,
        answer: Result<Option<OffsetAndMetadata>, klamm_protocol::error_code::ErrorCode>,
    ) {
        let Some(Asking::Caller { left, found, .. }) = self.asking.get_mut(&ask) else { return };
        let failed = match answer {
            Ok(offset) => {
                found.insert(partition, offset);
                *left -= 1;
                None
            }
            Err(code) => Some(OffsetsError::Broker { partition, code }),
        };
        if *left > 0 && failed.is_none() {
            return;
        }
        if let Some(Asking::Caller { found, sender, .. }) = self.asking.remove(&ask) {
            // The caller may have gone.
            let _ = sender.send(failed.map_or(Ok(found), Err));
        }
    }
}
