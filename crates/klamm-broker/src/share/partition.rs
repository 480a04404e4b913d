//! Pure: one partition as a share group has it.

use super::runs::{Run, Runs, State};

/// What bounds the group's work on a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `share.delivery.count.limit`: a record that went out so often is given up.
    pub(crate) deliveries: i16,
    /// `share.partition.max.record.locks`: records that may be under way.
    pub(crate) record_locks: i64,
    /// `share.record.lock.duration.ms`: how long a member may keep a record.
    pub(crate) lock_ms: i64,
}

/// Which records have been processed, which are under way, and with whom.
///
/// Everything before the start (Kafka's SPSO) is done; from the end on nothing has gone out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharePartition {
    pub(super) start: i64,
    /// Behind the last record that ever went out.
    pub(super) end: i64,
    /// From start to end, without gaps.
    pub(super) runs: Runs,
}

impl SharePartition {
    /// Nothing has been read before `start`, and nothing has gone out.
    pub(crate) fn new(start: i64) -> Self {
        Self { start, end: start, runs: Runs::default() }
    }

    /// The first record that is not done with.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// Where to read next: the first record that nobody has.
    pub(crate) fn next_offset(&self) -> i64 {
        let available = self.runs.iter().find(|(_, run)| run.state == State::Available);
        available.map_or(self.end, |(first, _)| first)
    }

    /// Records that went out or are to go out again, and are not done with.
    pub(super) fn in_flight(&self) -> i64 {
        let open = self.runs.iter().filter(|(_, run)| !run.state.is_final());
        open.map(|(first, run)| run.last - first + 1).sum()
    }

    /// Whether a fetch could get a record that has not gone out yet, or one that is to go out again.
    pub(crate) fn has_room(&self, limits: Limits) -> bool {
        self.next_offset() < self.end || self.in_flight() < limits.record_locks
    }

    /// Records before the end of the log that are not done with.
    pub(crate) fn lag(&self, log_end: i64) -> i64 {
        let done = self.runs.iter().filter(|(_, run)| run.state.is_final());
        let done: i64 = done.map(|(first, run)| run.last - first + 1).sum();
        (log_end - self.start - done).max(0)
    }

    /// When the next member is late with a record.
    pub(crate) fn next_deadline(&self) -> Option<i64> {
        let until = |run: &Run| match run.state {
            State::Acquired { until_ms, .. } => Some(until_ms),
            _ => None,
        };
        self.runs.iter().filter_map(|(_, run)| until(run)).min()
    }

    /// Takes back what members have had for too long; says whether there was any.
    pub(crate) fn expire(&mut self, now_ms: i64, limits: Limits) -> bool {
        self.take_back(
            limits,
            |state| matches!(state, State::Acquired { until_ms, .. } if *until_ms <= now_ms),
        )
    }

    /// Takes back what one member has; says whether there was any.
    pub(crate) fn release(&mut self, of: &str, limits: Limits) -> bool {
        self.take_back(
            limits,
            |state| matches!(state, State::Acquired { member, .. } if *member == of),
        )
    }

    fn take_back(&mut self, limits: Limits, due: impl Fn(&State) -> bool) -> bool {
        if !self.runs.iter().any(|(_, run)| due(&run.state)) {
            return false;
        }
        self.runs.change_all(|run| {
            if due(&run.state) {
                run.give_back(limits);
            }
        });
        self.settle();
        true
    }

    /// The log begins later now: what was before is gone, whoever has it. Says whether that concerned the group.
    pub(crate) fn move_start(&mut self, log_start: i64) -> bool {
        if log_start <= self.start {
            return false;
        }
        self.runs.drop_before(log_start);
        self.start = log_start;
        self.end = self.end.max(log_start);
        self.settle();
        true
    }

    /// Moves the start behind everything that is done with.
    pub(super) fn settle(&mut self) {
        while let Some((_, run)) = self.runs.first().filter(|(_, run)| run.state.is_final()) {
            self.start = run.last + 1;
            self.runs.drop_before(self.start);
        }
    }
}

impl Run {
    /// The record can go out again, unless it went out often enough.
    pub(super) fn give_back(&mut self, limits: Limits) {
        self.state = match self.deliveries >= limits.deliveries {
            true => State::Archived,
            false => State::Available,
        };
    }
}
