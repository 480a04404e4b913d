//! Pure: which of a consumer's connections to a broker the next request takes, and how long it may be
//! held back there.
//!
//! A broker answers the requests of a connection one after the other and holds one back for want of
//! records. What is moved, resumed or added meanwhile is asked for over another connection, a lane, or it
//! would wait as long. The first lane has the session and all partitions in the end; others live from hand
//! to mouth.

use std::time::{Duration, Instant};

/// Most connections of one consumer to one broker.
pub(crate) const LANES: usize = 4;
/// Never held back, so that it is always free soon.
const QUICK: usize = LANES - 1;
/// A request for records that are there is answered within this time; after it, it is taken to be held
/// back. So it is on a slow way too, where a second request fills the time.
const ANSWERED_WITHIN: Duration = Duration::from_millis(20);
/// Other lanes end this part of the longest wait before the first, which then takes their partitions over.
const MARGIN_PART: u32 = 10;
const MARGIN_MAX: Duration = Duration::from_millis(20);

/// A request that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// From when on it is taken to be held back.
    held_from: Instant,
    held_until: Instant,
}

impl Unanswered {
    /// One that is sent now and held back for so long, at once unless it `expects` records.
    pub(crate) fn new(now: Instant, wait: Duration, expects: bool) -> Self {
        let within = if expects { ANSWERED_WITHIN } else { Duration::ZERO };
        Self { held_from: now + within, held_until: now + wait }
    }
}

/// Where the next request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextLane {
    Take {
        lane: usize,
        wait: Duration,
        /// Only for partitions that are expected to have records.
        only_expected: bool,
    },
    /// An answer is on its way; from this time on it is not taken to be.
    NotBefore(Instant),
    /// Every lane is held back but the one whose answer is on its way.
    Busy,
}

/// The lane of the next request, by what is not answered on each.
pub(crate) fn next_lane(
    lanes: &[Option<Unanswered>; LANES],
    max_wait: Duration,
    now: Instant,
) -> NextLane {
    let margin = (max_wait / MARGIN_PART).min(MARGIN_MAX);
    let first = lanes[0].map_or(now, |first| first.held_until);
    let rest = first.saturating_duration_since(now).saturating_sub(margin);
    for (lane, unanswered) in lanes.iter().enumerate() {
        let (wait, only_expected) = match unanswered {
            Some(one) if one.held_from > now => return NextLane::NotBefore(one.held_from),
            Some(_) => continue,
            None if lane == 0 => (max_wait, false),
            None if lane < QUICK && rest > margin => (rest, false),
            None => (Duration::ZERO, true),
        };
        return NextLane::Take { lane, wait, only_expected };
    }
    NextLane::Busy
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(500);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn take(lane: usize, wait: u64, only_expected: bool) -> NextLane {
        NextLane::Take { lane, wait: ms(wait), only_expected }
    }

    #[test]
    fn requests_that_are_held_back_make_way_for_others() {
        let at = Instant::now();
        let mut lanes = [None; LANES];
        assert_eq!(next_lane(&lanes, MAX, at), take(0, 500, false));
        lanes[0] = Some(Unanswered::new(at, MAX, true));
        assert_eq!(next_lane(&lanes, MAX, at), NextLane::NotBefore(at + ANSWERED_WITHIN));
        let now = at + ms(100);
        assert_eq!(next_lane(&lanes, MAX, now), take(1, 380, false), "it ends before the first");
        lanes[1] = Some(Unanswered::new(now, ms(380), false));
        assert_eq!(next_lane(&lanes, MAX, now), take(2, 380, false));
        lanes[2] = Some(Unanswered::new(now, ms(380), false));
        assert_eq!(next_lane(&lanes, MAX, now), take(QUICK, 0, true), "the last is never held");
        lanes[QUICK] = Some(Unanswered::new(now, ms(0), true));
        assert_eq!(next_lane(&lanes, MAX, now), NextLane::NotBefore(now + ANSWERED_WITHIN));
        assert_eq!(next_lane(&lanes, MAX, now + ms(50)), NextLane::Busy);
        lanes[0] = None;
        assert_eq!(next_lane(&lanes, MAX, now), take(0, 500, false), "the first comes first");
    }

    /// Else partitions that came to another lane once would stay there, and cost a request of their own.
    #[test]
    fn before_the_first_lane_ends_nothing_is_held_back_in_others() {
        let at = Instant::now();
        let lanes = [Some(Unanswered::new(at, MAX, false)), None, None, None];
        assert_eq!(next_lane(&lanes, MAX, at + ms(459)), take(1, 21, false));
        assert_eq!(next_lane(&lanes, MAX, at + ms(460)), take(1, 0, true));
        assert_eq!(next_lane(&lanes, MAX, at + ms(900)), take(1, 0, true), "it is late");
        for wait in [0, 1, 10] {
            let short = [Some(Unanswered::new(at, ms(wait), false)), None, None, None];
            let next = next_lane(&short, ms(wait), at + ms(wait));
            assert_eq!(next, take(1, 0, true));
        }
    }
}
