//! What the server counts, without locks; [`HttpState`] is what others see of it.

use crate::events::ReadersState;
use crate::http::refused::Reason;
use crate::wal::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Status codes that there are: 100 to 599.
const STATUSES: usize = 500;
/// What requests are counted as that are at no route.
const NOWHERE: &str = "none";

/// How the server is.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct HttpState {
    /// Open connections.
    pub connections: usize,
    /// Connections that were accepted since it started.
    pub accepted: u64,
    /// Requests that are being answered.
    pub open_requests: usize,
    /// Answers by route and status; only those that were given.
    pub answers: Vec<Answers>,
    /// How long answers took by route, in microseconds, from the end of a request's head to the answer.
    pub latency_us: Vec<(Arc<str>, Histogram)>,
    /// What was refused and why, by names that never change; only what happened.
    pub refusals: Vec<(&'static str, u64)>,
    /// Bytes of bodies that were read, as they were sent.
    pub body_bytes: u64,
    /// Records that were taken.
    pub records: u64,
    /// Records that were taken and are in no log.
    pub unlogged: u64,
    /// Requests that were taken before and answered the same again.
    pub replayed: u64,
    /// Bytes of bodies in memory.
    pub admitted_bytes: usize,
    /// Those who read topics.
    pub readers: ReadersState,
    /// No connection is accepted any more.
    pub draining: bool,
}

/// How often a route answered with a status.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answers {
    /// Its name in the configuration; `none` stands for requests that are at no route.
    pub route: Arc<str>,
    /// The status code.
    pub status: u16,
    /// How often.
    pub count: u64,
}

/// What the server counts.
#[derive(Debug)]
pub(in crate::http) struct Counters {
    pub(in crate::http) connections: AtomicUsize,
    pub(in crate::http) accepted: AtomicU64,
    pub(in crate::http) open_requests: AtomicUsize,
    pub(in crate::http) body_bytes: AtomicU64,
    pub(in crate::http) records: AtomicU64,
    pub(in crate::http) unlogged: AtomicU64,
    pub(in crate::http) replayed: AtomicU64,
    /// Those of the configuration in their order, and one for requests that are at none of them.
    routes: Vec<RouteCounters>,
    refusals: [AtomicU64; Reason::ALL.len()],
}

#[derive(Debug)]
struct RouteCounters {
    name: Arc<str>,
    statuses: Box<[AtomicU64]>,
    latency: [AtomicU64; Histogram::BUCKETS],
    latency_sum: AtomicU64,
}

fn zero() -> AtomicU64 {
    AtomicU64::new(0)
}

impl Counters {
    /// For routes of these names.
    pub(in crate::http) fn new(routes: impl Iterator<Item = Arc<str>>) -> Self {
        let route = |name| RouteCounters {
            name,
            statuses: (0..STATUSES).map(|_| zero()).collect(),
            latency: std::array::from_fn(|_| zero()),
            latency_sum: zero(),
        };
        Self {
            connections: AtomicUsize::new(0),
            accepted: zero(),
            open_requests: AtomicUsize::new(0),
            body_bytes: zero(),
            records: zero(),
            unlogged: zero(),
            replayed: zero(),
            routes: routes.chain([Arc::from(NOWHERE)]).map(route).collect(),
            refusals: std::array::from_fn(|_| zero()),
        }
    }

    /// An answer was given to a request at the route of this number, or at none.
    pub(in crate::http) fn answered(&self, route: Option<usize>, status: u16, took: Duration) {
        let counters = route.and_then(|route| self.routes.get(route)).or(self.routes.last());
        let Some(counters) = counters else { return };
        if let Some(count) = counters.statuses.get(usize::from(status).wrapping_sub(100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counters.latency[Histogram::bucket(micros)].fetch_add(1, Ordering::Relaxed);
        counters.latency_sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Something was refused.
    pub(in crate::http) fn refused(&self, reason: Reason) {
        self.refusals[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::http) fn state(&self) -> HttpState {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut state = HttpState {
            connections: self.connections.load(Ordering::Relaxed),
            accepted: of(&self.accepted),
            open_requests: self.open_requests.load(Ordering::Relaxed),
            body_bytes: of(&self.body_bytes),
            records: of(&self.records),
            unlogged: of(&self.unlogged),
            replayed: of(&self.replayed),
            ..HttpState::default()
        };
        for counters in &self.routes {
            let statuses = (100_u16..).zip(counters.statuses.iter().map(of));
            let given = statuses.filter(|(_, count)| *count > 0);
            state.answers.extend(given.map(|(status, count)| {
                let route = counters.name.clone();
                Answers { route, status, count }
            }));
            let latency = counters.latency.each_ref().map(of);
            let latency = Histogram::of(latency, of(&counters.latency_sum));
            if latency.count() > 0 {
                state.latency_us.push((counters.name.clone(), latency));
            }
        }
        let refusals = Reason::ALL.into_iter().zip(self.refusals.iter().map(of));
        let happened = refusals.filter(|(_, count)| *count > 0);
        state.refusals = happened.map(|(reason, count)| (reason.name(), count)).collect();
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_told() {
        let counters = Counters::new([Arc::from("a"), Arc::from("b")].into_iter());
        assert_eq!(counters.state(), HttpState::default());
        counters.answered(Some(1), 202, Duration::from_micros(3));
        counters.answered(Some(1), 202, Duration::from_micros(5));
        counters.answered(None, 404, Duration::ZERO);
        counters.answered(None, 7, Duration::ZERO);
        counters.refused(Reason::Path);
        let state = counters.state();
        let topic = Answers { route: "b".into(), status: 202, count: 2 };
        let other = Answers { route: "none".into(), status: 404, count: 1 };
        assert_eq!(state.answers, [topic, other]);
        assert_eq!(state.refusals, [("path", 1)]);
        let (route, latency) = &state.latency_us[0];
        assert_eq!((&**route, latency.count(), latency.sum()), ("b", 2, 8));
    }
}
