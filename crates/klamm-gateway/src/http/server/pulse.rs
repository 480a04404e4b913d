//! What a connection is doing and since when, so that one that takes too long over it is closed.

use super::super::Limits;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing: no request is open.
    Idle,
    /// The head of a request has begun.
    Head,
    /// At least one request is being answered.
    Busy,
    /// The answer is out, and what the client still sends is thrown away.
    Linger,
}

/// Why a connection is closed from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The head of a request takes too long.
    Head,
    /// There was no request for too long.
    Idle,
    /// The client does not take its answer.
    Write,
    /// It was done long ago.
    Linger,
}

/// What a connection is doing and since when. It is shared by the socket, which sees bytes, and by the service, which sees
/// requests; both run in tasks that may move between threads.
#[derive(Debug)]
pub(super) struct Pulse {
    opened: Instant,
    /// Milliseconds since it was opened, times four, plus the phase.
    mark: AtomicU64,
    /// Requests that are being answered; HTTP/2 has many at a time.
    open: AtomicU32,
    /// Those of them that are told what is in a topic.
    readers: AtomicU32,
    /// There was one of these.
    was_read: AtomicBool,
    /// Milliseconds since it was opened, plus one, when the client first took no more; 0 when it does.
    stalled: AtomicU64,
    /// Whether bytes between requests are the head of one: in HTTP/2 they need not be.
    heads: bool,
    /// A request was answered that was not read to its end.
    unread: AtomicBool,
}

impl Pulse {
    /// Of a connection that was just opened. With `heads`, bytes that come while no request is open begin one.
    pub(super) fn new(heads: bool) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            opened: Instant::now(),
            mark: zero(),
            open: AtomicU32::new(0),
            readers: AtomicU32::new(0),
            was_read: AtomicBool::new(false),
            stalled: zero(),
            heads,
            unread: AtomicBool::new(false),
        }
    }

    /// Bytes came.
    pub(super) fn read(&self) {
        if self.heads && self.phase() == Phase::Idle {
            self.set(Phase::Head);
        }
    }

    /// The client took bytes, or did not.
    pub(super) fn wrote(&self, taken: bool) {
        let stalled = self.stalled.load(Ordering::Relaxed);
        match (taken, stalled) {
            (true, 0) => {}
            (true, _) => self.stalled.store(0, Ordering::Relaxed),
            (false, 0) => self.stalled.store(self.now() + 1, Ordering::Relaxed),
            (false, _) => {}
        }
    }

    /// A request's head is complete.
    pub(super) fn begin(&self) {
        if self.open.fetch_add(1, Ordering::Relaxed) == 0 {
            self.set(Phase::Busy);
        }
    }

    /// A request is answered.
    pub(super) fn end(&self) {
        if self.open.fetch_sub(1, Ordering::Relaxed) == 1 && self.phase() == Phase::Busy {
            self.set(Phase::Idle);
        }
    }

    /// An open request is told what is in a topic.
    pub(super) fn begin_reading(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
        self.was_read.store(true, Ordering::Relaxed);
    }

    /// One of these is answered.
    pub(super) fn end_reading(&self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the client reads topics and waits for nothing else. Its last answer may not have left yet.
    pub(super) fn just_reads(&self) -> bool {
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        self.was_read.load(Ordering::Relaxed) && of(&self.open) == of(&self.readers)
    }

    /// What the client still sends is not wanted.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Nothing more is answered; whether bytes of a request may be on their way still.
    pub(super) fn linger(&self) -> bool {
        let idle = self.phase() == Phase::Idle && !self.unread.load(Ordering::Relaxed);
        self.set(Phase::Linger);
        !idle
    }

    /// Whether the connection is to be closed, and why.
    pub(super) fn overdue(&self, limits: &Limits) -> Option<Overdue> {
        let mark = self.mark.load(Ordering::Relaxed);
        let now = self.now();
        let longer =
            |since: u64, than: Duration| u128::from(now.saturating_sub(since)) > than.as_millis();
        let stalled = self.stalled.load(Ordering::Relaxed);
        if stalled > 0 && longer(stalled - 1, limits.write_timeout) {
            return Some(Overdue::Write);
        }
        let (limit, why) = match phase(mark) {
            Phase::Idle => (limits.idle_timeout, Overdue::Idle),
            Phase::Head => (limits.header_timeout, Overdue::Head),
            Phase::Linger => (limits.linger_timeout, Overdue::Linger),
            Phase::Busy => return None,
        };
        longer(mark >> 2, limit).then_some(why)
    }

    fn phase(&self) -> Phase {
        phase(self.mark.load(Ordering::Relaxed))
    }

    fn set(&self, phase: Phase) {
        self.mark.store(self.now() << 2 | phase as u64, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }
}

fn phase(mark: u64) -> Phase {
    match mark & 3 {
        0 => Phase::Idle,
        1 => Phase::Head,
        2 => Phase::Busy,
        _ => Phase::Linger,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every time is over at once, so that what is reported is what the connection is doing.
    fn none() -> Limits {
        let none = Duration::ZERO;
        Limits {
            header_timeout: none,
            idle_timeout: none,
            write_timeout: none,
            linger_timeout: none,
            ..Limits::default()
        }
    }

    fn old(heads: bool) -> Pulse {
        let opened = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        Pulse { opened, ..Pulse::new(heads) }
    }

    /// Moves everything a second into the past.
    fn later(pulse: &mut Pulse) {
        pulse.opened = pulse.opened.checked_sub(Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn each_phase_has_its_time() {
        let mut pulse = old(true);
        assert_eq!(pulse.overdue(&none()), Some(Overdue::Idle));
        assert_eq!(pulse.overdue(&Limits::default()), None);
        pulse.read();
        later(&mut pulse);
        assert_eq!(pulse.overdue(&none()), Some(Overdue::Head));
        pulse.begin();
        pulse.read();
        pulse.begin();
        later(&mut pulse);
        assert_eq!(pulse.overdue(&none()), None, "an answer takes its time");
        pulse.end();
        assert_eq!(pulse.overdue(&none()), None, "one is left");
        pulse.end();
        later(&mut pulse);
        assert_eq!(pulse.overdue(&none()), Some(Overdue::Idle));
        assert!(!pulse.linger(), "everything was read");
        pulse.read();
        later(&mut pulse);
        assert_eq!(pulse.overdue(&none()), Some(Overdue::Linger));
    }

    #[test]
    fn what_was_not_read_is_waited_for() {
        let refused = old(true);
        refused.begin();
        refused.leave_unread();
        refused.end();
        assert!(refused.linger());
        let within_a_head = old(true);
        within_a_head.read();
        assert!(within_a_head.linger());
    }

    #[test]
    fn a_head_that_comes_in_pieces_gets_no_more_time() {
        let mut pulse = old(true);
        pulse.read();
        (0..11).for_each(|_| {
            later(&mut pulse);
            pulse.read();
        });
        assert_eq!(pulse.overdue(&Limits::default()), Some(Overdue::Head));
    }

    #[test]
    fn bytes_between_requests_of_http2_begin_none() {
        let mut pulse = old(false);
        pulse.read();
        later(&mut pulse);
        assert_eq!(pulse.overdue(&none()), Some(Overdue::Idle));
    }

    #[test]
    fn who_reads_and_sends_does_not_just_read() {
        let pulse = old(false);
        pulse.begin();
        assert!(!pulse.just_reads());
        pulse.begin_reading();
        assert!(pulse.just_reads());
        pulse.begin();
        assert!(!pulse.just_reads(), "something is sent as well");
        pulse.end();
        pulse.end_reading();
        pulse.end();
        assert!(pulse.just_reads(), "the answer may be on its way");
    }

    #[test]
    fn a_client_that_takes_nothing_is_noticed_while_it_is_answered() {
        let mut pulse = old(true);
        pulse.begin();
        pulse.wrote(false);
        later(&mut pulse);
        pulse.wrote(false);
        assert_eq!(pulse.overdue(&none()), Some(Overdue::Write));
        pulse.wrote(true);
        assert_eq!(pulse.overdue(&none()), None);
    }
}
