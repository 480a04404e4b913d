//! Pure: every assigned partition, where it is being read, and what has to be found out before it can be.
//!
//! Each partition stands for itself: a leader that moves, a seek, a pause concerns no other. Whatever is
//! asked about one carries a number that dies with the state it was asked for, so that an answer that
//! comes late changes nothing.

use super::partition::{AssignedPartition, Busy, Outlook, Phase};
use crate::consumer::TopicPartition;
use crate::consumer::group::commits::OffsetAndMetadata;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Uuid;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Where to go on, and what is known of what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) offset: i64,
    /// Epoch of the leader that appended the record before; -1 if unknown.
    pub(crate) leader_epoch: i32,
}

/// The right to say something about a partition: good as long as it is read without a seek, a reset, a
/// truncation or a new assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lease(pub(super) u64);

/// The right to answer one fetch of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchLease {
    /// That of what is read from the answer.
    pub(crate) lease: Lease,
    pub(super) ask: u64,
}

/// Which offset is to be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResetTarget {
    Earliest,
    Latest,
    /// The first record not older than this time, in ms since 1970; the end if there is none.
    AtTime(i64),
    /// The first record at most so old.
    Ago(Duration),
}

/// How partitions are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PositionSettings {
    /// What to do without an offset or with one that is not in the log; `None` makes it an error.
    pub(crate) reset: Option<ResetTarget>,
    /// Whether open transactions end what can be read.
    pub(crate) read_committed: bool,
    /// Pause after an error.
    pub(crate) retry_backoff: Duration,
    /// For how long a follower is read from before the leader is asked again.
    pub(crate) replica_lease: Duration,
    /// After how long without progress a partition that has records is reported.
    pub(crate) stall_timeout: Duration,
}

/// Who leads a partition, as metadata has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) node: Option<i32>,
    pub(crate) epoch: i32,
    pub(crate) topic_id: Uuid,
}

/// The end of an epoch, as a broker tells it; -1 where it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    pub(crate) epoch: i32,
    pub(crate) end_offset: i64,
}

/// What the application has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PositionEvent {
    /// Records that were read are gone from the log, and others may stand in their place.
    LogTruncated {
        /// Where the application had come to.
        position: i64,
        /// From here on the log is another one; reading goes on from here if there is a reset policy.
        diverging_offset: i64,
    },
    /// The position is not in the log and there is no policy.
    OffsetOutOfRange { position: i64 },
    /// Nothing is committed and there is no policy.
    NoOffset,
    /// The broker refuses; whether it is tried again depends on the error.
    Refused { error: ErrorCode, stopped: bool },
    /// No progress, although there are records or should be.
    Stalled { cause: StallCause },
}

/// Why a partition does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallCause {
    /// Nobody leads it.
    NoLeader,
    /// Where to begin could not be found out.
    NoPosition,
    /// Whether the log was truncated could not be found out.
    NotValidated,
    /// The last answers were this error.
    Error(ErrorCode),
    /// A transaction has been open for so long.
    OpenTransaction,
    /// A request was not answered.
    NoAnswer,
    /// Answers come without records.
    NothingSent,
}

impl fmt::Display for StallCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StallCause::NoLeader => "nobody leads it",
            StallCause::NoPosition => "where to begin could not be found out",
            StallCause::NotValidated => "whether its log was cut could not be found out",
            StallCause::Error(error) => return write!(f, "the last answer was {error}"),
            StallCause::OpenTransaction => "a transaction is open",
            StallCause::NoAnswer => "a request was not answered",
            StallCause::NothingSent => "answers come without records",
        })
    }
}

/// What a partition's part of an answer says, without its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    /// -1 if the leader has none to recommend.
    pub(crate) preferred_read_replica: i32,
    /// Told when the log is another one than the request took it for.
    pub(crate) diverging: Option<EpochEnd>,
    pub(crate) has_records: bool,
}

/// What to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reaction {
    /// Whether its records are to be decoded.
    pub(crate) take: bool,
    /// Whether metadata is to be asked for.
    pub(crate) refresh: bool,
    pub(crate) event: Option<PositionEvent>,
}

/// All assigned partitions.
#[derive(Debug)]
pub(crate) struct Positions {
    pub(super) partitions: BTreeMap<TopicPartition, AssignedPartition>,
    pub(super) settings: PositionSettings,
    /// Leases, asks and turns count on from here.
    pub(super) last_number: u64,
}

impl From<Position> for OffsetAndMetadata {
    fn from(at: Position) -> Self {
        let leader_epoch = Some(at.leader_epoch).filter(|epoch| *epoch >= 0);
        Self { offset: at.offset, leader_epoch, metadata: String::new() }
    }
}

impl Positions {
    /// Without any partition.
    pub(crate) fn new(settings: PositionSettings) -> Self {
        Self { partitions: BTreeMap::new(), settings, last_number: 0 }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Takes a partition on, without a position; one that is there already starts anew.
    pub(crate) fn assign(&mut self, tp: TopicPartition, now: Instant) -> Lease {
        let lease = Lease(self.number());
        self.partitions.insert(tp, AssignedPartition::new(lease, now));
        lease
    }

    /// Lets a partition go. Returns what to commit: where the application had come to.
    pub(crate) fn unassign(&mut self, tp: &TopicPartition) -> Option<Position> {
        self.partitions.remove(tp).and_then(|p| p.consumed())
    }

    /// The assigned partitions in order.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.keys()
    }

    /// The lease under which a partition is read now.
    pub(crate) fn lease(&self, tp: &TopicPartition) -> Option<Lease> {
        self.partitions.get(tp).map(|p| p.lease)
    }

    /// Whether what was read under this lease is still to be handed out.
    pub(crate) fn is_current(&self, tp: &TopicPartition, lease: Lease) -> bool {
        self.lease(tp) == Some(lease)
    }

    /// Where the application has come to; `None` without a position.
    pub(crate) fn position(&self, tp: &TopicPartition) -> Option<Position> {
        self.partitions.get(tp)?.consumed()
    }

    /// Records between the application and the end that can be read, as far as it is known.
    pub(crate) fn lag(&self, tp: &TopicPartition) -> Option<i64> {
        let partition = self.partitions.get(tp)?;
        let end = partition.end(self.settings.read_committed)?;
        Some((end - partition.consumed()?.offset).max(0))
    }

    /// The high watermark and the log's first offset, as last told.
    pub(crate) fn offsets(&self, tp: &TopicPartition) -> Option<(i64, i64)> {
        let partition = self.partitions.get(tp)?;
        Some((partition.high_watermark?, partition.log_start_offset))
    }

    /// Stops or resumes fetching; what was fetched is kept. False if it is not assigned.
    pub(crate) fn pause(&mut self, tp: &TopicPartition, paused: bool, now: Instant) -> bool {
        let Some(partition) = self.partitions.get_mut(tp) else { return false };
        partition.paused = paused;
        partition.outlook = Outlook::Unknown;
        partition.waits(now);
        true
    }

    /// Whether a partition is paused.
    pub(crate) fn is_paused(&self, tp: &TopicPartition) -> bool {
        self.partitions.get(tp).is_some_and(|p| p.paused)
    }

    /// Starts a partition where its committed offset says, or by the policy if there is none.
    pub(crate) fn start(
        &mut self,
        tp: &TopicPartition,
        lease: Lease,
        committed: Option<Position>,
        now: Instant,
    ) -> Option<PositionEvent> {
        if !self.is_current(tp, lease) || self.partitions.get(tp)?.phase != Phase::Unset {
            return None;
        }
        match (committed.filter(|position| position.offset >= 0), self.settings.reset) {
            (Some(position), _) => {
                self.seek(tp, position, now);
                None
            }
            (None, Some(target)) => {
                self.reset(tp, target, now);
                None
            }
            (None, None) => {
                self.stop(tp);
                Some(PositionEvent::NoOffset)
            }
        }
    }

    /// Goes on from here; what was fetched is let go. False if it is not assigned.
    pub(crate) fn seek(&mut self, tp: &TopicPartition, position: Position, now: Instant) -> bool {
        let lease = Lease(self.number());
        let Some(partition) = self.partitions.get_mut(tp) else { return false };
        partition.move_to(lease, position, now);
        true
    }

    /// Goes on from a later offset, past what cannot be read. False if that is not ahead.
    pub(crate) fn skip_to(&mut self, tp: &TopicPartition, offset: i64, now: Instant) -> bool {
        let ahead = self.position(tp).is_some_and(|position| position.offset < offset);
        ahead && self.seek(tp, Position { offset, leader_epoch: -1 }, now)
    }

    /// Goes on from an offset that is to be looked up. False if it is not assigned.
    pub(crate) fn reset(&mut self, tp: &TopicPartition, target: ResetTarget, now: Instant) -> bool {
        let lease = Lease(self.number());
        let Some(partition) = self.partitions.get_mut(tp) else { return false };
        partition.renew(lease, Phase::Resetting { target, asked: false }, now);
        true
    }

    /// Stops a partition at its place until the application moves it, because what follows cannot be read.
    pub(crate) fn stop(&mut self, tp: &TopicPartition) {
        if let Some(partition) = self.partitions.get_mut(tp) {
            (partition.phase, partition.busy) = (Phase::Stopped, Busy::Idle);
            partition.waiting_since = None;
        }
    }

    /// Takes note of who leads. Under a new epoch the position is validated before it is read on.
    pub(crate) fn leader_changed(&mut self, tp: &TopicPartition, leader: Leader, now: Instant) {
        if let Some(partition) = self.partitions.get_mut(tp) {
            partition.leader_changed(leader, now);
        }
    }

    /// Partitions whose offset is to be looked up with their leader. They are not named again before the
    /// answer.
    pub(crate) fn resets_due(&mut self, now: Instant) -> Vec<(TopicPartition, Lease, ResetTarget)> {
        let due = self.partitions.iter_mut().filter_map(|(tp, p)| match &mut p.phase {
            Phase::Resetting { target, asked }
                if !*asked && p.leader.is_some() && p.not_before.is_none_or(|at| at <= now) =>
            {
                *asked = true;
                Some((tp.clone(), p.lease, *target))
            }
            _ => None,
        });
        due.collect()
    }

    /// Partitions whose position is to be validated with their leader: by the leader's epoch and that of
    /// the position. They are not named again before the answer.
    pub(crate) fn validations_due(
        &mut self,
        now: Instant,
    ) -> Vec<(TopicPartition, Lease, i32, i32)> {
        let due = self.partitions.iter_mut().filter_map(|(tp, p)| match &mut p.phase {
            Phase::Validating { asked }
                if !*asked
                    // What is being decoded moves the position that is asked about.
                    && p.busy == Busy::Idle
                    && p.leader.is_some()
                    && p.not_before.is_none_or(|at| at <= now) =>
            {
                *asked = true;
                Some((tp.clone(), p.lease, p.leader_epoch, p.fetch_at.leader_epoch))
            }
            _ => None,
        });
        due.collect()
    }

    /// The next time after `now` at which something is due because time has passed.
    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let due = self.partitions.values().filter(|p| !p.paused).flat_map(|p| {
            let stall = p.waiting_since.filter(|_| !p.stalled);
            [p.not_before, stall.map(|since| since + self.settings.stall_timeout)]
        });
        due.flatten().filter(|at| *at > now).min()
    }

    /// Partitions that have not moved for too long, each told once until it moves again. They are put in
    /// order: followers are left, pauses and requests without an answer given up.
    pub(crate) fn stalled(&mut self, now: Instant) -> Vec<(TopicPartition, PositionEvent)> {
        let settings = self.settings;
        let stalled = self.partitions.iter_mut().filter_map(|(tp, p)| {
            let cause = p.stall(&settings, now)?;
            Some((tp.clone(), PositionEvent::Stalled { cause }))
        });
        stalled.collect()
    }
}
