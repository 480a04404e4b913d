//! What the application has in hand, and what a group has to know of that.
//!
//! What was handed out counts as processed when the application polls again. Until then a partition
//! that is to go to somebody else waits.

use super::super::TopicPartition;
use super::super::fetch::{Lease, Position};
use super::super::processing::Intake;
use super::{Current, Shared, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Records that the application works on.
#[derive(Debug, Clone)]
struct Piece {
    tp: TopicPartition,
    /// Where to go on if they are not processed.
    from: Position,
    /// Where to go on if they are.
    to: i64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(in super::super) struct InHand {
    /// What was handed out last.
    last: Option<Piece>,
    /// The group's assignments by which partitions are read.
    leases: BTreeMap<TopicPartition, u64>,
    /// Of those, what is being let go of: nothing more is handed out.
    going: BTreeSet<TopicPartition>,
    polled_at: Option<Instant>,
    /// The task of the group waits for a poll.
    poll_wanted: bool,
    /// Who takes batches in the application's place.
    pub(super) intake: Option<Arc<dyn Intake>>,
    /// The consumer is to be closed when that has ended.
    pub(super) closing: bool,
}

impl InHand {
    /// The assignment under which a partition is read.
    pub(in super::super) fn lease(&self, tp: &TopicPartition) -> Option<u64> {
        self.leases.get(tp).copied()
    }

    pub(super) fn begins(&mut self, tp: TopicPartition, from: Position, to: i64) {
        self.last = Some(Piece { tp, from, to });
    }

    /// The application is done with what it has.
    pub(in super::super) fn is_processed(&mut self) {
        self.last = None;
    }

    pub(super) fn forget(&mut self, tp: &TopicPartition) {
        self.last.take_if(|last| last.tp == *tp);
    }

    pub(super) fn released(&mut self, tp: &TopicPartition) {
        self.leases.remove(tp);
        self.going.remove(tp);
        if let Some(intake) = &self.intake {
            intake.release(tp);
        }
    }

    pub(in super::super) fn is_going(&self, tp: &TopicPartition) -> bool {
        self.going.contains(tp)
    }
}

impl Shared {
    /// The application polls: it is alive, and done with what it was given before.
    pub(super) fn note_poll(&self, state: &mut State, polled: Option<Instant>) {
        let Some(at) = polled else { return };
        state.in_hand.polled_at = Some(at);
        state.all_processed();
        if std::mem::take(&mut state.in_hand.poll_wanted) {
            self.group.notify_one();
        }
    }

    /// When the application was last seen to be alive: now, if it waits and nothing is there for it.
    pub(in super::super) fn alive_at(&self, now: Instant) -> Option<Instant> {
        let state = self.lock();
        let waits = self.waiting.load(Ordering::Relaxed) > 0 && !state.has_something();
        if waits { Some(now) } else { state.in_hand.polled_at.max(state.in_hand.finished_at()) }
    }

    /// Wakes the task of the group with the next poll.
    pub(in super::super) fn want_poll(&self) {
        self.lock().in_hand.poll_wanted = true;
    }
}

impl Current {
    fn unprocessed(&self) -> Option<Piece> {
        let from = Position { offset: self.processed, leader_epoch: -1 };
        let piece = Piece { tp: self.tp.clone(), from, to: self.next_offset };
        (self.processed < self.next_offset).then_some(piece)
    }

    /// What is in hand of a batch that is no longer handed out record by record.
    pub(super) fn leaves_in_hand(&self, in_hand: &mut InHand) {
        in_hand.last = self.unprocessed().or(in_hand.last.take());
    }
}

impl State {
    /// Takes a partition on that has no position yet.
    pub(in super::super) fn take_on(&mut self, tp: &TopicPartition, now: Instant) -> Lease {
        self.assigned_anew = true;
        self.positions.assign(tp.clone(), now)
    }

    /// From now on a partition is read by this assignment of the group.
    pub(in super::super) fn lease_out(&mut self, tp: &TopicPartition, lease: u64) {
        self.in_hand.leases.insert(tp.clone(), lease);
    }

    /// What is read for the group, and by which assignment.
    pub(in super::super) fn leased(&self) -> Vec<(TopicPartition, u64)> {
        self.in_hand.leases.iter().map(|(tp, lease)| (tp.clone(), *lease)).collect()
    }

    /// Whether there is something to take.
    fn has_something(&self) -> bool {
        let records = self.current.as_ref().is_some_and(|current| current.records.len() > 0);
        records || !self.rests.is_empty() || !self.ready.is_empty() || self.general.is_some()
    }

    /// All that was handed out is processed.
    pub(in super::super) fn all_processed(&mut self) {
        self.in_hand.is_processed();
        if let Some(current) = &mut self.current {
            current.processed = current.next_offset;
        }
    }

    /// Where to go on if the application dies now; `None` without a position.
    pub(in super::super) fn processed(&self, tp: &TopicPartition) -> Option<Position> {
        if self.in_hand.intake.is_some() {
            return self.processed_by_run(tp);
        }
        self.unprocessed(tp).map(|piece| piece.from).or_else(|| self.came_to(tp))
    }

    /// Whether the application works on records of a partition.
    pub(in super::super) fn is_in_work(&self, tp: &TopicPartition) -> bool {
        if let Some(intake) = &self.in_hand.intake {
            return intake.is_in_work(tp);
        }
        self.unprocessed(tp).is_some()
    }

    fn unprocessed(&self, tp: &TopicPartition) -> Option<Piece> {
        let current = self.current.as_ref().filter(|current| current.tp == *tp);
        let current = current.and_then(Current::unprocessed);
        current.or_else(|| self.in_hand.last.clone().filter(|last| last.tp == *tp))
    }

    /// Where the application has come to, to the record.
    pub(in super::super) fn came_to(&self, tp: &TopicPartition) -> Option<Position> {
        let offset = self.position(tp)?;
        let known = self.positions.position(tp).filter(|at| at.offset == offset);
        Some(known.unwrap_or(Position { offset, leader_epoch: -1 }))
    }

    /// Hands out nothing more of a partition; where the application is in it stays known.
    pub(in super::super) fn hold_back(&mut self, tp: &TopicPartition, now: Instant) {
        let (came_to, unprocessed) = (self.came_to(tp), self.unprocessed(tp));
        self.forget(tp);
        if let Some(at) = came_to
            && self.positions.position(tp) != Some(at)
        {
            self.positions.seek(tp, at, now);
        }
        self.positions.stop(tp);
        self.in_hand.going.insert(tp.clone());
        if let Some(intake) = &self.in_hand.intake {
            intake.hold_back(tp);
        }
        self.in_hand.last = unprocessed.or(self.in_hand.last.take());
    }

    /// The application says that all before `offset` is processed.
    pub(in super::super) fn processed_to(&mut self, tp: &TopicPartition, offset: i64) {
        self.in_hand.last.take_if(|last| last.tp == *tp && last.to <= offset);
    }
}
