//! Pure: which request is next, and when it is due.

use std::time::Duration;

/// How exact a time can be: the granularity of the runtime's timer.
const STEP: Duration = Duration::from_millis(1);

/// One request of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Counted from 0 over all threads.
    pub(super) number: u64,
    /// From the start of the load.
    pub(super) due: Duration,
}

/// How much is sent, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Requests a second over all threads; without one a request is due when its connection is free.
    pub(super) rate: Option<f64>,
    /// No request is due later.
    pub(super) time: Duration,
    /// No more requests.
    pub(super) requests: u64,
}

/// Gives out the requests of one thread, in order.
#[derive(Debug)]
pub(super) struct Schedule {
    plan: Plan,
    next: u64,
    threads: u64,
}

impl Schedule {
    /// What thread `thread` of `threads` sends: every so manieth request.
    pub(super) fn new(plan: Plan, thread: u64, threads: u64) -> Self {
        Self { plan, next: thread, threads: threads.max(1) }
    }

    /// The next request for a connection that is free `now`; `None` when there is none any more.
    ///
    /// On a schedule it does not matter when somebody asks: what is late keeps its time.
    pub(super) fn take(&mut self, now: Duration) -> Option<Slot> {
        let Plan { rate, time, requests } = self.plan;
        let number = self.next;
        let due = match rate {
            None => now,
            // A millisecond's share is due at its end.
            Some(rate) => {
                let millis = (number as f64 / rate * 1e3) as u64 + 1;
                Duration::from_millis(millis).max(STEP)
            }
        };
        // On a schedule the last one is due when time is up.
        let late = if rate.is_some() { due > time } else { due >= time };
        if number >= requests || late {
            return None;
        }
        self.next += self.threads;
        Some(Slot { number, due })
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Schedule};
    use std::time::Duration;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn plan(rate: Option<f64>, time: Duration, requests: u64) -> Plan {
        Plan { rate, time, requests }
    }

    #[test]
    fn without_a_rate_a_request_is_due_when_it_can_go() {
        let mut schedule = Schedule::new(plan(None, MS(100), 3), 0, 1);
        let taken: Vec<_> = [5, 7, 90, 91].map(|now| schedule.take(MS(now))).into_iter().collect();
        let seen: Vec<_> = taken.iter().flatten().map(|slot| (slot.number, slot.due)).collect();
        assert_eq!(seen, [(0, MS(5)), (1, MS(7)), (2, MS(90))]);
        assert_eq!(Schedule::new(plan(None, MS(100), 3), 0, 1).take(MS(100)), None);
    }

    #[test]
    fn with_a_rate_nobody_who_is_late_moves_it() {
        let mut schedule = Schedule::new(plan(Some(500.0), MS(10), u64::MAX), 0, 1);
        let due: Vec<_> =
            std::iter::from_fn(|| schedule.take(MS(5_000))).map(|slot| slot.due).collect();
        assert_eq!(due, [1, 3, 5, 7, 9].map(MS));
    }

    #[test]
    fn a_second_holds_what_it_should() {
        for rate in [1.0, 777.0, 1_000.0, 45_678.0] {
            let mut schedule = Schedule::new(plan(Some(rate), MS(1_000), u64::MAX), 0, 1);
            let count = std::iter::from_fn(|| schedule.take(MS(0))).count();
            assert_eq!(count, rate as usize);
        }
    }

    #[test]
    fn threads_share_all_numbers() {
        let mut numbers: Vec<u64> = (0..3)
            .flat_map(|thread| {
                let mut schedule = Schedule::new(plan(None, MS(1), 10), thread, 3);
                std::iter::from_fn(move || schedule.take(MS(0)))
            })
            .map(|slot| slot.number)
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    }
}
