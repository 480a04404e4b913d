//! Pure: what brokers answer about assigned partitions, and what follows from it.

use super::decision::{Verdict, decide, decide_lookup};
use super::partition::{AssignedPartition, Busy, Outlook, Phase};
use super::positions::{EpochEnd, FetchLease, Lease, Position, PositionEvent, Positions};
use super::positions::{Reaction, ResetTarget, Told};
use crate::consumer::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use std::time::Instant;

impl Positions {
    fn current(&mut self, tp: &TopicPartition, lease: Lease) -> Option<&mut AssignedPartition> {
        self.partitions.get_mut(tp).filter(|p| p.lease == lease)
    }

    fn asked(&mut self, tp: &TopicPartition, lease: FetchLease) -> Option<&mut AssignedPartition> {
        let busy = Busy::InFlight(lease.ask);
        self.current(tp, lease.lease).filter(|p| p.busy == busy)
    }

    /// The offset that was looked up, with the epoch of its record. A late answer changes nothing.
    pub(crate) fn reset_answered(
        &mut self,
        tp: &TopicPartition,
        lease: Lease,
        answer: Result<Position, ErrorCode>,
        now: Instant,
    ) -> Reaction {
        let number = Lease(self.number());
        let until = now + self.settings.retry_backoff;
        let Some(partition) = self.current(tp, lease) else { return Reaction::default() };
        let Phase::Resetting { target, asked: true } = partition.phase else {
            return Reaction::default();
        };
        match answer {
            Ok(found) if found.offset >= 0 => {
                partition.move_to(number, found, now);
                // It is of the leader that was asked just now.
                partition.phase = Phase::Fetching;
            }
            Ok(_) if matches!(target, ResetTarget::AtTime(_) | ResetTarget::Ago(_)) => {
                // No record is so young: the end is where the next one will be.
                let phase = Phase::Resetting { target: ResetTarget::Latest, asked: false };
                partition.renew(number, phase, now);
            }
            Ok(_) => partition.back_off(Some(ErrorCode::UNKNOWN_SERVER_ERROR), until, now),
            Err(error) => return lookup_failed(partition, error, until, now),
        }
        Reaction::default()
    }

    /// What the leader says of the position's epoch. A late answer changes nothing.
    pub(crate) fn validation_answered(
        &mut self,
        tp: &TopicPartition,
        lease: Lease,
        answer: Result<EpochEnd, ErrorCode>,
        now: Instant,
    ) -> Reaction {
        let (number, settings) = (Lease(self.number()), self.settings);
        let Some(partition) = self.current(tp, lease) else { return Reaction::default() };
        if partition.phase != (Phase::Validating { asked: true }) {
            return Reaction::default();
        }
        match answer {
            // A broker that knows nothing of the epoch, or cannot tell, says nothing about loss.
            Ok(end) if end.epoch < 0 || end.end_offset < 0 => partition.validated(now),
            Err(ErrorCode::UNSUPPORTED_VERSION) => partition.validated(now),
            Ok(end) if end.end_offset >= partition.fetch_at.offset => partition.validated(now),
            Ok(end) => {
                let event = partition.truncated(number, end, &settings, now);
                return Reaction { event, ..Reaction::default() };
            }
            Err(error) => {
                return lookup_failed(partition, error, now + settings.retry_backoff, now);
            }
        }
        Reaction::default()
    }

    /// A lookup had no answer: it is made again. That never moves a position.
    pub(crate) fn lookup_unanswered(&mut self, tp: &TopicPartition, lease: Lease, now: Instant) {
        let until = now + self.settings.retry_backoff;
        if let Some(partition) = self.current(tp, lease) {
            partition.back_off(None, until, now);
        }
    }

    /// A fetch had no answer: its partitions are asked for again, of the leader.
    pub(crate) fn fetch_unanswered(
        &mut self,
        tp: &TopicPartition,
        lease: FetchLease,
        now: Instant,
    ) {
        let until = now + self.settings.retry_backoff;
        if let Some(partition) = self.asked(tp, lease) {
            partition.busy = Busy::Idle;
            partition.back_off(None, until, now);
        }
    }

    /// A fetch was answered without a word about this partition: nothing is new.
    pub(crate) fn fetch_without_news(
        &mut self,
        tp: &TopicPartition,
        lease: FetchLease,
        now: Instant,
    ) {
        if let Some(partition) = self.asked(tp, lease) {
            (partition.busy, partition.outlook) = (Busy::Idle, Outlook::Told);
            partition.recovered(now);
        }
    }

    /// The answer to a fetch had no records at all: it is not for want of room that this partition has none.
    pub(crate) fn fetch_was_dry(&mut self, tp: &TopicPartition, lease: FetchLease) {
        let partition = self.current(tp, lease.lease);
        if let Some(partition) = partition.filter(|p| p.outlook == Outlook::Told) {
            partition.outlook = Outlook::Dry;
        }
    }

    /// A fetch was answered by `node`. A late answer changes nothing and is not taken.
    pub(crate) fn fetch_answered(
        &mut self,
        tp: &TopicPartition,
        lease: FetchLease,
        node: i32,
        told: &Told,
        now: Instant,
    ) -> Reaction {
        let (number, settings) = (self.number(), self.settings);
        let Some(partition) = self.asked(tp, lease) else { return Reaction::default() };
        partition.busy = Busy::Idle;
        if partition.phase != Phase::Fetching {
            return Reaction::default();
        }
        let until = now + settings.retry_backoff;
        let mut reaction = Reaction::default();
        match decide(told.error, partition.leader != Some(node)) {
            Verdict::Deliver => {
                if let Some(end) = told.diverging.filter(|end| end.end_offset >= 0) {
                    reaction.event = partition.truncated(Lease(number), end, &settings, now);
                    return reaction;
                }
                partition.learn(told, now + settings.replica_lease, now);
                reaction.take = told.has_records;
                if reaction.take {
                    // Whoever was served goes to the end of the round.
                    (partition.busy, partition.turn) = (Busy::Decoding(lease.ask), number);
                }
            }
            Verdict::ToLeader => {
                partition.leave_replica();
                partition.outlook = Outlook::Unknown;
            }
            Verdict::OutOfRange => return self.out_of_range(tp, now),
            verdict => return refused(partition, told.error, verdict, until, now),
        }
        reaction
    }

    fn out_of_range(&mut self, tp: &TopicPartition, now: Instant) -> Reaction {
        let Some(partition) = self.partitions.get_mut(tp) else { return Reaction::default() };
        let position = partition.fetch_at.offset;
        if partition.buffered > 0 {
            // What is buffered is good; when it is handed out the question comes up again.
            partition.back_off(None, now + self.settings.retry_backoff, now);
            return Reaction::default();
        }
        let event = match self.settings.reset {
            Some(target) => {
                self.reset(tp, target, now);
                None
            }
            None => {
                self.stop(tp);
                Some(PositionEvent::OffsetOutOfRange { position })
            }
        };
        Reaction { event, ..Reaction::default() }
    }

    /// Records of an answer were decoded up to `next`: `bytes` of them wait to be handed out. `done` says
    /// that there are no more. False if they are not wanted any more.
    pub(crate) fn decoded(
        &mut self,
        tp: &TopicPartition,
        lease: FetchLease,
        next: Position,
        bytes: usize,
        done: bool,
        now: Instant,
    ) -> bool {
        let busy = Busy::Decoding(lease.ask);
        let partition = self.current(tp, lease.lease).filter(|p| p.busy == busy);
        let Some(partition) = partition else { return false };
        partition.decoded(next, bytes, now);
        if done {
            partition.busy = Busy::Idle;
        }
        true
    }

    /// The application gets all before `next`, `bytes` of it. False if it is not to have them: the
    /// partition was moved or let go since.
    pub(crate) fn handed_out(
        &mut self,
        tp: &TopicPartition,
        lease: Lease,
        next: Position,
        bytes: usize,
        now: Instant,
    ) -> bool {
        let Some(partition) = self.current(tp, lease) else { return false };
        partition.handed_out(next, bytes, now);
        true
    }
}

impl AssignedPartition {
    /// Takes over what a good answer says.
    fn learn(&mut self, told: &Told, replica_until: Instant, now: Instant) {
        self.high_watermark = Some(told.high_watermark).filter(|offset| *offset >= 0);
        self.last_stable_offset = told.last_stable_offset;
        self.log_start_offset = told.log_start_offset;
        (self.outlook, self.leader_only) = (Outlook::Told, false);
        if told.preferred_read_replica >= 0 {
            self.replica = Some((told.preferred_read_replica, replica_until));
            self.outlook = Outlook::Unknown;
        }
        self.recovered(now);
    }
}

fn refused(
    partition: &mut AssignedPartition,
    error: ErrorCode,
    verdict: Verdict,
    until: Instant,
    now: Instant,
) -> Reaction {
    partition.back_off(Some(error), until, now);
    let mut reaction = Reaction::default();
    match verdict {
        Verdict::Again { refresh } => reaction.refresh = refresh,
        Verdict::Stop => {
            partition.phase = Phase::Stopped;
            partition.waiting_since = None;
            reaction.event = partition.report(error, true);
        }
        _ => reaction.event = partition.report(error, false),
    }
    reaction
}

fn lookup_failed(
    partition: &mut AssignedPartition,
    error: ErrorCode,
    until: Instant,
    now: Instant,
) -> Reaction {
    refused(partition, error, decide_lookup(error), until, now)
}
