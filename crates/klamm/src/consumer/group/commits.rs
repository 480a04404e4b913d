//! Pure: the offsets on their way to the coordinator.
//!
//! One request is in flight at a time, so commits cannot overtake each other; what is asked for
//! meanwhile waits, and of several offsets of a partition only the highest is sent. Offsets go up
//! until the application seeks back ([`Commits::rewound`]). An offset carries the *lease* of its
//! partition, a number that is new with every assignment: once a partition has moved, commits of
//! those who still process its records are refused, not sent.

use super::commit_verdict::{CommitVerdict, of_commit};
use super::machine::{Backoff, Generation, GroupConfig};
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// How many commits may be without a result.
const MAX_OPEN_COMMITS: usize = 10_000;

/// How far a partition has been processed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record to process.
    pub offset: i64,
    /// The leader epoch of the last record processed, if it is known.
    pub leader_epoch: Option<i32>,
    /// The application's own note; brokers take 4 KiB unless they are told otherwise.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// All before `offset` has been processed.
    pub fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: String::new() }
    }
}

/// Offsets to commit, each with the lease under which its records were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commit {
    pub(crate) offsets: BTreeMap<TopicPartition, (u64, OffsetAndMetadata)>,
}

/// Why the offset of a partition was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCommitted {
    /// The partition has been revoked, lost or assigned anew since its records were read.
    #[error("the partition has moved since its records were read")]
    LeaseGone,
    /// The coordinator no longer accepts this member.
    #[error("the member is fenced: {0}")]
    Fenced(ErrorCode),
    /// The coordinator refused it for good.
    #[error("{0}")]
    Refused(ErrorCode),
    /// No answer that counts came in time; the offset may have been committed all the same.
    #[error("not committed in time")]
    TimedOut,
    /// Too many commits are waiting for their result.
    #[error("too many commits are under way")]
    TooMany,
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitResult {
    /// What [`Commits::commit`] returned.
    pub(crate) id: u64,
    /// The partitions whose offsets were not committed; empty when all went well.
    pub(crate) failed: BTreeMap<TopicPartition, NotCommitted>,
}

/// What the member has to hear about an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CommitNews {
    /// The coordinator is elsewhere: `coordinator_lost`.
    pub(crate) coordinator_lost: bool,
    /// The group rebalances: `request_rejoin` (classic protocol).
    pub(crate) rejoin: bool,
}

/// A request to the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CommitRequest {
    pub(crate) id: u64,
    /// Names topics by name: versions up to 9.
    pub(crate) request: OffsetCommitRequest,
}

/// An offset that waits or is in flight, and the commits that wait for it.
#[derive(Debug, Clone)]
struct Pending {
    lease: u64,
    offset: OffsetAndMetadata,
    commits: BTreeSet<u64>,
}

#[derive(Debug)]
struct Open {
    left: BTreeSet<TopicPartition>,
    failed: BTreeMap<TopicPartition, NotCommitted>,
    deadline: Instant,
}

#[derive(Debug)]
struct InFlight {
    id: u64,
    generation: Generation,
    offsets: BTreeMap<TopicPartition, Pending>,
}

/// The commits of one consumer.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    next_id: u64,
    last_lease: u64,
    leases: BTreeMap<TopicPartition, u64>,
    /// The highest offset asked for under the present lease.
    floors: BTreeMap<TopicPartition, i64>,
    waiting: BTreeMap<TopicPartition, Pending>,
    in_flight: Option<InFlight>,
    open: BTreeMap<u64, Open>,
    results: VecDeque<CommitResult>,
    backoff: Backoff,
}

impl Commits {
    /// Partitions have been assigned: returns the lease under which their records are read.
    pub(crate) fn assigned(&mut self, partitions: &[TopicPartition]) -> u64 {
        self.last_lease += 1;
        for partition in partitions {
            self.leases.insert(partition.clone(), self.last_lease);
            self.floors.remove(partition);
        }
        self.drop_stale();
        self.last_lease
    }

    /// Partitions have been let go of, or are lost: what waits for them is refused. For a revoke,
    /// call it when [`Commits::is_idle`] says that nothing is left, or when time is up.
    pub(crate) fn released(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.leases.remove(partition);
            self.floors.remove(partition);
        }
        self.drop_stale();
    }

    /// The application has gone back on purpose: the next commit may be lower than the last.
    pub(crate) fn rewound(&mut self, partition: &TopicPartition) {
        self.floors.remove(partition);
    }

    /// The lease of a partition, if it is assigned.
    pub(crate) fn lease(&self, partition: &TopicPartition) -> Option<u64> {
        self.leases.get(partition).copied()
    }

    /// Whether nothing about these partitions waits or is in flight.
    pub(crate) fn is_idle(&self, partitions: &[TopicPartition]) -> bool {
        partitions.iter().all(|partition| {
            let flying = self.in_flight.as_ref().is_some_and(|f| f.offsets.contains_key(partition));
            !flying && !self.waiting.contains_key(partition)
        })
    }

    /// Asks for a commit; its result comes by [`Commits::poll_result`], at `deadline` at the latest.
    ///
    /// An offset that is not above one asked for before under the same lease is not sent: it ends
    /// as that one does, or is done if that is committed.
    pub(crate) fn commit(&mut self, commit: Commit, deadline: Instant) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let full = self.open.len() >= MAX_OPEN_COMMITS;
        let left = commit.offsets.keys().cloned().collect();
        self.open.insert(id, Open { left, failed: BTreeMap::new(), deadline });
        if commit.offsets.is_empty() {
            self.finish_if_done(id);
        }
        for (partition, (lease, offset)) in commit.offsets {
            if full {
                self.resolve(&partition, &[id].into(), Some(&NotCommitted::TooMany));
            } else if self.leases.get(&partition) != Some(&lease) {
                self.resolve(&partition, &[id].into(), Some(&NotCommitted::LeaseGone));
            } else {
                self.wait(partition, Pending { lease, offset, commits: [id].into() });
            }
        }
        id
    }

    fn wait(&mut self, partition: TopicPartition, new: Pending) {
        let floor = self.floors.get(&partition).copied();
        if floor.is_some_and(|floor| new.offset.offset < floor) {
            return self.join_higher(&partition, new.commits);
        }
        self.floors.insert(partition.clone(), new.offset.offset);
        match self.waiting.get_mut(&partition) {
            Some(waiting) => {
                waiting.commits.extend(new.commits);
                waiting.offset = new.offset;
            }
            None => {
                self.waiting.insert(partition, new);
            }
        }
    }

    /// Lets commits end as the higher offset does that waits, is in flight or is committed.
    fn join_higher(&mut self, partition: &TopicPartition, commits: BTreeSet<u64>) {
        let lease = self.leases.get(partition).copied();
        let in_flight = self.in_flight.as_mut().and_then(|f| f.offsets.get_mut(partition));
        let in_flight = in_flight.filter(|pending| Some(pending.lease) == lease);
        match self.waiting.get_mut(partition).or(in_flight) {
            Some(pending) => pending.commits.extend(commits),
            None => self.resolve(partition, &commits, None),
        }
    }

    /// The next request, if something waits, nothing is in flight and there is a generation.
    pub(crate) fn poll_request(
        &mut self,
        now: Instant,
        config: &GroupConfig,
        generation: Option<Generation>,
    ) -> Option<CommitRequest> {
        let idle = self.in_flight.is_none() && !self.waiting.is_empty();
        let generation = generation.filter(|_| idle && self.backoff.is_over(now))?;
        self.next_id += 1;
        let offsets = std::mem::take(&mut self.waiting);
        let request = OffsetCommitRequest {
            group_id: Str::from(&*config.group_id),
            generation_id_or_member_epoch: generation.id,
            member_id: Str::from(&*generation.member_id),
            group_instance_id: generation.group_instance_id.as_deref().map(Str::from),
            topics: topics_of(&offsets),
            ..OffsetCommitRequest::default()
        };
        self.in_flight = Some(InFlight { id: self.next_id, generation, offsets });
        Some(CommitRequest { id: self.next_id, request })
    }

    /// Hands in what came back for the request with this id; `None` when nothing did. `generation`
    /// is the present one: an answer to an older one is no verdict about it.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        config: &GroupConfig,
        id: u64,
        response: Option<&OffsetCommitResponse>,
        generation: Option<&Generation>,
    ) -> CommitNews {
        let mut news = CommitNews::default();
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.id == id) else {
            return news;
        };
        let codes = response.map(codes_by_partition).unwrap_or_default();
        let moved_on = generation.is_some_and(|g| *g != in_flight.generation);
        let mut again = false;
        for (partition, pending) in in_flight.offsets {
            // A partition without an answer may or may not be committed: once more does no harm.
            let code = codes.get(&partition).copied().unwrap_or(ErrorCode::NETWORK_EXCEPTION);
            let error = match of_commit(code) {
                CommitVerdict::Done => {
                    self.resolve(&partition, &pending.commits, None);
                    continue;
                }
                CommitVerdict::Fenced if !moved_on => NotCommitted::Fenced(code),
                CommitVerdict::Refused => NotCommitted::Refused(code),
                verdict => {
                    news.coordinator_lost |= verdict == CommitVerdict::FindCoordinator;
                    news.rejoin |= verdict == CommitVerdict::Rejoin;
                    again = true;
                    self.wait_again(partition, pending);
                    continue;
                }
            };
            // The same offset may be asked for again, but none below one that waits.
            if !self.waiting.contains_key(&partition) {
                self.floors.remove(&partition);
            }
            self.resolve(&partition, &pending.commits, Some(&error));
        }
        match again {
            true => self.backoff.failed(now, config),
            false => self.backoff.succeeded(),
        }
        news
    }

    /// Back to waiting, unless a newer offset waits or the lease is gone.
    fn wait_again(&mut self, partition: TopicPartition, pending: Pending) {
        if self.leases.get(&partition) != Some(&pending.lease) {
            self.resolve(&partition, &pending.commits, Some(&NotCommitted::LeaseGone));
        } else if let Some(waiting) = self.waiting.get_mut(&partition) {
            waiting.commits.extend(pending.commits);
        } else {
            self.waiting.insert(partition, pending);
        }
    }

    /// No coordinator will take them: what waits is refused.
    pub(crate) fn refuse_all(&mut self, code: ErrorCode) {
        for (partition, pending) in std::mem::take(&mut self.waiting) {
            self.floors.remove(&partition);
            self.resolve(&partition, &pending.commits, Some(&NotCommitted::Refused(code)));
        }
    }

    /// Whether something waits or is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.is_some() || !self.waiting.is_empty()
    }

    /// How the next commit ended.
    pub(crate) fn poll_result(&mut self) -> Option<CommitResult> {
        self.results.pop_front()
    }

    /// When `handle_timeout` or `poll_request` has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let retry = self.backoff.until().filter(|_| !self.waiting.is_empty());
        self.open.values().map(|open| open.deadline).chain(retry).min()
    }

    /// Ends the commits whose time is up.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let late = |open: &Open| now >= open.deadline;
        let expired: BTreeSet<u64> =
            self.open.iter().filter(|(_, open)| late(open)).map(|(id, _)| *id).collect();
        for id in &expired {
            let Some(open) = self.open.get(id) else { continue };
            for partition in open.left.clone() {
                self.resolve(&partition, &[*id].into(), Some(&NotCommitted::TimedOut));
            }
        }
        // What nobody waits for any more is not sent.
        let open = &self.open;
        let gone =
            self.waiting.iter().filter(|(_, w)| !w.commits.iter().any(|id| open.contains_key(id)));
        let gone: Vec<TopicPartition> = gone.map(|(partition, _)| partition.clone()).collect();
        for partition in gone {
            self.waiting.remove(&partition);
            self.floors.remove(&partition);
        }
    }

    /// Refuses what waits under a lease that is gone.
    fn drop_stale(&mut self) {
        let stale = self.waiting.iter().filter(|(p, w)| self.leases.get(*p) != Some(&w.lease));
        let stale: Vec<TopicPartition> = stale.map(|(partition, _)| partition.clone()).collect();
        for partition in stale {
            if let Some(waiting) = self.waiting.remove(&partition) {
                self.resolve(&partition, &waiting.commits, Some(&NotCommitted::LeaseGone));
            }
        }
    }

    fn resolve(
        &mut self,
        partition: &TopicPartition,
        commits: &BTreeSet<u64>,
        error: Option<&NotCommitted>,
    ) {
        for id in commits {
            let Some(open) = self.open.get_mut(id) else { continue };
            if open.left.remove(partition)
                && let Some(error) = error
            {
                open.failed.insert(partition.clone(), error.clone());
            }
            self.finish_if_done(*id);
        }
    }

    fn finish_if_done(&mut self, id: u64) {
        if self.open.get(&id).is_some_and(|open| open.left.is_empty())
            && let Some(open) = self.open.remove(&id)
        {
            self.results.push_back(CommitResult { id, failed: open.failed });
        }
    }
}

fn topics_of(offsets: &BTreeMap<TopicPartition, Pending>) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (partition, pending) in offsets {
        let entry = OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: pending.offset.offset,
            committed_leader_epoch: pending.offset.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(Str::from(&*pending.offset.metadata)),
        };
        match topics.last_mut() {
            Some(topic) if *topic.name == *partition.topic => topic.partitions.push(entry),
            _ => topics.push(OffsetCommitRequestTopic {
                name: Str::from(&*partition.topic),
                partitions: vec![entry],
                ..OffsetCommitRequestTopic::default()
            }),
        }
    }
    topics
}

fn codes_by_partition(response: &OffsetCommitResponse) -> BTreeMap<TopicPartition, ErrorCode> {
    let mut codes = BTreeMap::new();
    for topic in &response.topics {
        let name = Arc::<str>::from(topic.name.as_str());
        for partition in &topic.partitions {
            let named =
                TopicPartition { topic: name.clone(), partition: partition.partition_index };
            codes.insert(named, ErrorCode(partition.error_code));
        }
    }
    codes
}
