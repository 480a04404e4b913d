//! Pure: one assigned partition.

use super::positions::{EpochEnd, Leader, Lease, Position, PositionEvent, PositionSettings};
use super::positions::{ResetTarget, StallCause};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Uuid;
use std::time::Instant;

/// What stands between a partition and its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its start has not been said.
    Unset,
    /// Its offset has to be looked up.
    Resetting { target: ResetTarget, asked: bool },
    /// The log may have been truncated below the position.
    Validating { asked: bool },
    /// Nothing.
    Fetching,
    /// The application has to move it.
    Stopped,
}

/// Whether records are on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    Idle,
    /// Asked for, by this number.
    InFlight(u64),
    /// Here, but not all decoded.
    Decoding(u64),
}

/// Whether an answer is likely to have records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Not asked for since it was moved or resumed, or under this leader.
    Unknown,
    /// The last answer says where the end is.
    Told,
    /// The last answer had no records of any partition.
    Dry,
}

/// One assigned partition.
#[derive(Debug)]
pub(super) struct AssignedPartition {
    pub(super) lease: Lease,
    pub(super) phase: Phase,
    pub(super) paused: bool,
    pub(super) busy: Busy,
    pub(super) outlook: Outlook,
    /// The next offset to ask for.
    pub(super) fetch_at: Position,
    /// Where the application has come to; between the two lies what is buffered.
    delivered: Position,
    pub(super) buffered: usize,
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    pub(super) topic_id: Uuid,
    /// A follower to read from, and until when.
    pub(super) replica: Option<(i32, Instant)>,
    /// The follower could not serve it: the leader is to do so itself once.
    pub(super) leader_only: bool,
    /// No request before this.
    pub(super) not_before: Option<Instant>,
    pub(super) high_watermark: Option<i64>,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
    /// The last answer's error.
    pub(super) trouble: Option<ErrorCode>,
    /// The error that the application was told of last.
    reported: Option<ErrorCode>,
    /// Since when it should have moved and has not.
    pub(super) waiting_since: Option<Instant>,
    pub(super) stalled: bool,
    /// Its place in the round: the smallest is asked for first.
    pub(super) turn: u64,
}

impl AssignedPartition {
    pub(super) fn new(lease: Lease, now: Instant) -> Self {
        let nowhere = Position { offset: -1, leader_epoch: -1 };
        Self {
            lease,
            phase: Phase::Unset,
            paused: false,
            busy: Busy::Idle,
            outlook: Outlook::Unknown,
            fetch_at: nowhere,
            delivered: nowhere,
            buffered: 0,
            leader: None,
            leader_epoch: -1,
            topic_id: Uuid::ZERO,
            replica: None,
            leader_only: false,
            not_before: None,
            high_watermark: None,
            last_stable_offset: -1,
            log_start_offset: -1,
            trouble: None,
            reported: None,
            waiting_since: Some(now),
            stalled: false,
            turn: lease.0,
        }
    }

    /// Where the application has come to, if it is anywhere.
    pub(super) fn consumed(&self) -> Option<Position> {
        Some(self.delivered).filter(|at| at.offset >= 0)
    }

    /// The end of what can be read, if it is known.
    pub(super) fn end(&self, read_committed: bool) -> Option<i64> {
        match self.last_stable_offset {
            stable if read_committed && stable >= 0 => Some(stable),
            _ => self.high_watermark,
        }
    }

    /// Whether there is more than was fetched, or it is not known.
    pub(super) fn is_behind(&self) -> bool {
        self.phase != Phase::Fetching
            || self.high_watermark.is_none_or(|end| self.fetch_at.offset < end)
    }

    /// Whether records are expected when it is asked for.
    pub(super) fn expects(&self) -> bool {
        match self.outlook {
            Outlook::Unknown => true,
            Outlook::Told => self.is_behind(),
            Outlook::Dry => false,
        }
    }

    /// Starts the clock by which a stall is noticed, or stops it.
    pub(super) fn waits(&mut self, now: Instant) {
        let waits = !self.paused && self.phase != Phase::Stopped && self.is_behind();
        self.waiting_since = waits.then_some(now);
        self.stalled = false;
    }

    /// Lets the clock run on if it runs, and starts it if it should.
    fn keeps_waiting(&mut self, now: Instant) {
        match self.waiting_since {
            Some(_) if self.is_behind() => {}
            _ => self.waits(now),
        }
    }

    /// Starts anew in another phase: what was asked, fetched and buffered is of no use.
    pub(super) fn renew(&mut self, lease: Lease, phase: Phase, now: Instant) {
        (self.lease, self.phase, self.busy, self.buffered) = (lease, phase, Busy::Idle, 0);
        (self.not_before, self.trouble, self.reported) = (None, None, None);
        self.outlook = Outlook::Unknown;
        self.waits(now);
    }

    pub(super) fn move_to(&mut self, lease: Lease, position: Position, now: Instant) {
        (self.fetch_at, self.delivered) = (position, position);
        let phase = self.validating_if_needed();
        self.renew(lease, phase, now);
    }

    fn validating_if_needed(&self) -> Phase {
        // Without an epoch on both sides there is nothing to compare.
        match (self.fetch_at.leader_epoch, self.leader_epoch) {
            (0.., 0..) => Phase::Validating { asked: false },
            _ => Phase::Fetching,
        }
    }

    pub(super) fn leader_changed(&mut self, leader: Leader, now: Instant) {
        let newer = leader.epoch > self.leader_epoch;
        let moved = leader.node != self.leader || leader.topic_id != self.topic_id;
        if leader.epoch < self.leader_epoch && leader.epoch >= 0 || !(newer || moved) {
            return;
        }
        (self.leader, self.leader_epoch, self.topic_id) =
            (leader.node, leader.epoch, leader.topic_id);
        self.replica = None;
        self.not_before = None;
        self.outlook = Outlook::Unknown;
        if let Busy::InFlight(_) = self.busy {
            // It was asked of another leader, or under another name.
            self.busy = Busy::Idle;
        }
        match &mut self.phase {
            Phase::Resetting { asked, .. } => *asked = false,
            Phase::Fetching if newer => self.phase = self.validating_if_needed(),
            Phase::Validating { asked } => *asked = false,
            _ => {}
        }
        self.keeps_waiting(now);
    }

    /// Reads from the leader, who is not to name the follower again at once.
    pub(super) fn leave_replica(&mut self) {
        self.leader_only |= self.replica.take().is_some();
    }

    /// After an error: waits a while, and reads from the leader.
    pub(super) fn back_off(&mut self, error: Option<ErrorCode>, until: Instant, now: Instant) {
        match &mut self.phase {
            Phase::Resetting { asked, .. } | Phase::Validating { asked } => *asked = false,
            _ => {}
        }
        self.leave_replica();
        self.trouble = error.or(self.trouble);
        self.not_before = Some(until);
        self.waiting_since = self.waiting_since.or(Some(now).filter(|_| !self.paused));
    }

    /// The event for an error that the application was not told of last.
    pub(super) fn report(&mut self, error: ErrorCode, stopped: bool) -> Option<PositionEvent> {
        let news = self.reported.replace(error) != Some(error);
        (news || stopped).then_some(PositionEvent::Refused { error, stopped })
    }

    /// An answer without an error.
    pub(super) fn recovered(&mut self, now: Instant) {
        (self.trouble, self.reported, self.not_before) = (None, None, None);
        self.keeps_waiting(now);
    }

    /// All before `next` is decoded, `bytes` of it to be handed out.
    pub(super) fn decoded(&mut self, next: Position, bytes: usize, now: Instant) {
        self.buffered = self.buffered.saturating_add(bytes);
        if next.offset > self.fetch_at.offset {
            if self.buffered == 0 {
                // Nothing to hand out: markers, and what compaction took out.
                self.delivered = next;
            }
            self.fetch_at = next;
            self.waits(now);
        }
    }

    /// The application has been given all before `next`.
    pub(super) fn handed_out(&mut self, next: Position, bytes: usize, now: Instant) {
        self.buffered = self.buffered.saturating_sub(bytes);
        self.delivered = if self.buffered == 0 { self.fetch_at.max(next) } else { next };
        self.waits(now);
    }

    /// The position is valid.
    pub(super) fn validated(&mut self, now: Instant) {
        self.phase = Phase::Fetching;
        self.recovered(now);
    }

    /// The log ends the position's epoch before the position.
    pub(super) fn truncated(
        &mut self,
        lease: Lease,
        end: EpochEnd,
        settings: &PositionSettings,
        now: Instant,
    ) -> Option<PositionEvent> {
        let seen = self.delivered;
        if end.end_offset >= seen.offset {
            // Only what is buffered is gone: read it again, if what stands before it is still there.
            self.move_to(lease, seen, now);
            return None;
        }
        let diverging_offset = end.end_offset;
        if settings.reset.is_some() {
            let position = Position { offset: diverging_offset, leader_epoch: end.epoch };
            self.move_to(lease, position, now);
            self.phase = Phase::Fetching;
        } else {
            self.renew(lease, Phase::Stopped, now);
        }
        Some(PositionEvent::LogTruncated { position: seen.offset, diverging_offset })
    }

    /// The cause if it has not moved for too long; what may be in the way is put aside.
    pub(super) fn stall(
        &mut self,
        settings: &PositionSettings,
        now: Instant,
    ) -> Option<StallCause> {
        let since = self.waiting_since.filter(|_| !self.stalled && !self.paused)?;
        let decoding = matches!(self.busy, Busy::Decoding(_));
        if since + settings.stall_timeout > now || self.buffered > 0 || decoding {
            // With something at hand it is the application that does not move.
            return None;
        }
        let cause = self.cause(settings.read_committed);
        self.stalled = true;
        if cause != StallCause::OpenTransaction {
            self.leave_replica();
            (self.not_before, self.busy) = (None, Busy::Idle);
            match &mut self.phase {
                Phase::Resetting { asked, .. } | Phase::Validating { asked } => *asked = false,
                _ => {}
            }
        }
        Some(cause)
    }

    fn cause(&self, read_committed: bool) -> StallCause {
        if self.leader.is_none() {
            return StallCause::NoLeader;
        }
        if let Some(error) = self.trouble {
            return StallCause::Error(error);
        }
        let at_end = self.end(read_committed).is_some_and(|end| self.fetch_at.offset >= end);
        match (self.phase, self.busy) {
            (Phase::Unset | Phase::Resetting { .. }, _) => StallCause::NoPosition,
            (Phase::Validating { .. }, _) => StallCause::NotValidated,
            _ if at_end && self.is_behind() => StallCause::OpenTransaction,
            (_, Busy::InFlight(_)) => StallCause::NoAnswer,
            _ if at_end => StallCause::NoAnswer,
            _ => StallCause::NothingSent,
        }
    }
}
