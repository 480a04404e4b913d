//! Pure: when records of one lane may be on their way: any number while all goes well; after a failure none for a while,
//! and then one, to see.

/// Without any answer for so long, a lane that has no room is passed.
pub(super) const STALL_MS: u64 = 1_000;
/// The first wait after a failure; it doubles.
pub(super) const BACKOFF_MS: u64 = 50;
/// The longest wait between two tries of a lane.
const BACKOFF_MAX_MS: u64 = 5_000;

/// Why a record that was taken is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// Try it again, after others of its lane that failed before it.
    Again,
    /// It was refused together with others: try it alone.
    Refused,
    /// It was not sent at all and may be at once: the topic was learned, or the producer is new.
    Unsent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Open,
    /// Nothing until what is on its way has come back and the time has come.
    Resting { until_ms: u64 },
    /// One record, to see.
    Probing,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Lane {
    mode: Mode,
    tries: u32,
    /// The last answer, or when the first of what is on its way was taken.
    moved_ms: u64,
    /// The only one on its way is to stay that.
    alone: bool,
    /// What is below it is sent alone.
    careful_below: u64,
    /// Records on their way.
    pub(super) taken: u64,
    /// Their bytes, each with 256 on top.
    pub(super) weight: u64,
    /// It may have one part in so many of what is free.
    pub(super) share: u64,
    /// The first sequence that was left in the log, if any was.
    pub(super) behind: Option<u64>,
    /// The present sweep has not passed anything of it.
    pub(super) swept: bool,
}

impl Lane {
    /// Whether it may take this record, room permitting; `known` is whether its topic is.
    pub(super) fn may_take(&self, sequence: u64, known: bool, now_ms: u64) -> bool {
        match self.mode {
            Mode::Open => self.taken == 0 || !(self.alone || self.is_careful(sequence, known)),
            Mode::Resting { until_ms } => self.taken == 0 && now_ms >= until_ms,
            Mode::Probing => self.taken == 0,
        }
    }

    /// Whether this much more is within its share of what is free.
    pub(super) fn has_share(&self, weight: u64, free: u64) -> bool {
        self.share * (self.weight + weight) <= free
    }

    /// A record that it may take is about to be on its way. Returns whether it has to stay alone there.
    pub(super) fn begin(&mut self, sequence: u64, known: bool, now_ms: u64) -> bool {
        let single = self.mode != Mode::Open || self.is_careful(sequence, known);
        self.alone = self.taken == 0 && single;
        if self.taken == 0 {
            self.moved_ms = now_ms;
        }
        if self.mode != Mode::Open {
            self.mode = Mode::Probing;
        }
        self.alone
    }

    /// So many are not on their way any more.
    pub(super) fn back(&mut self, count: u64, weight: u64, now_ms: u64) {
        self.taken -= count;
        self.weight -= weight;
        self.alone = false;
        self.moved_ms = now_ms;
    }

    /// What came back is in Kafka.
    pub(super) fn succeed(&mut self) {
        if self.mode == Mode::Probing {
            self.mode = Mode::Open;
        }
        if self.mode == Mode::Open {
            self.tries = 0;
        }
    }

    /// What came back, all of it below `end`, has to be sent again: it stands still, for longer after each failure.
    pub(super) fn fail(&mut self, how: Failed, end: u64, now_ms: u64) {
        if how == Failed::Refused {
            self.careful_below = self.careful_below.max(end);
        }
        match (self.mode, how) {
            // What failed together is one failure.
            (Mode::Resting { .. }, _) => {}
            (_, Failed::Unsent) => self.mode = Mode::Resting { until_ms: now_ms },
            (Mode::Open | Mode::Probing, _) => {
                let wait = BACKOFF_MS.checked_shl(self.tries).unwrap_or(BACKOFF_MAX_MS);
                self.tries = self.tries.saturating_add(1).min(16);
                self.mode = Mode::Resting { until_ms: now_ms + wait.min(BACKOFF_MAX_MS) };
            }
        }
    }

    /// Whether there is a point in reading again for it.
    pub(super) fn is_ready(&self, now_ms: u64) -> bool {
        match self.mode {
            Mode::Open => {
                let careful = self.behind.is_some_and(|behind| self.is_careful(behind, true));
                self.taken == 0 || !(careful || self.alone || self.is_stalled(now_ms))
            }
            Mode::Resting { until_ms } => self.taken == 0 && now_ms >= until_ms,
            Mode::Probing => self.taken == 0,
        }
    }

    /// When it may be tried, if it has left something and stands still without waiting for answers.
    pub(super) fn wakes_at(&self) -> Option<u64> {
        match self.mode {
            Mode::Resting { until_ms } if self.behind.is_some() && self.taken == 0 => {
                Some(until_ms)
            }
            Mode::Resting { .. } | Mode::Open | Mode::Probing => None,
        }
    }

    /// Whether it has failed and nothing was done since.
    pub(super) fn is_failing(&self) -> bool {
        self.tries > 0
    }

    /// Whether its answers are overdue.
    pub(super) fn is_stalled(&self, now_ms: u64) -> bool {
        self.taken > 0 && now_ms.saturating_sub(self.moved_ms) >= STALL_MS
    }

    /// Whether it stands still, for either reason.
    pub(super) fn is_stuck(&self, now_ms: u64) -> bool {
        self.mode != Mode::Open || self.is_stalled(now_ms)
    }

    /// Whether it can be forgotten.
    pub(super) fn is_idle(&self) -> bool {
        self.taken == 0 && self.behind.is_none() && self.mode == Mode::Open
    }

    fn is_careful(&self, sequence: u64, known: bool) -> bool {
        !known || sequence < self.careful_below
    }
}
