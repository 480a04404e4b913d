//! Requests by API: how many, how long, how large, with which errors.
//!
//! Connections are spread over [`SHARDS`] sets of counters, so that those on different cores seldom write to the same
//! cache line; a request costs two looks at the clock and five additions.

use super::histogram::{Histogram, Reading};
use crate::handler::Outcome;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Sets of counters; made when the first connection uses them.
const SHARDS: usize = 16;

/// Keys of APIs are below this; what is not is counted with the last.
const API_KEYS: usize = 96;

/// The counters of one API, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct ApiCounters {
    begun: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    duration: Histogram,
    held: Histogram,
    unanswered: AtomicU64,
    disconnected: AtomicU64,
    abandoned: AtomicU64,
}

/// The counters that some connections share.
#[derive(Debug)]
pub(crate) struct Counters {
    apis: Box<[ApiCounters]>,
    /// Answers with an error, which are few.
    errors: Mutex<BTreeMap<(ApiKey, i16), u64>>,
}

impl Default for Counters {
    fn default() -> Self {
        let apis = (0..API_KEYS).map(|_| ApiCounters::default()).collect();
        Self { apis, errors: Mutex::default() }
    }
}

impl Counters {
    fn of(&self, api: ApiKey) -> &ApiCounters {
        let key = usize::try_from(api as i16).unwrap_or(API_KEYS);
        &self.apis[key.min(API_KEYS - 1)]
    }

    /// Notes that a request of so many bytes has begun.
    pub(crate) fn begin(self: &Arc<Self>, api: ApiKey, bytes: usize) -> InFlight {
        let counters = self.of(api);
        counters.begun.fetch_add(1, Ordering::Relaxed);
        counters.request_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        InFlight { counters: self.clone(), api, begun: Instant::now(), hold: None, ended: false }
    }
}

/// How long a request was held back until there was something to answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hold(Option<Arc<AtomicU64>>);

impl Hold {
    /// Counts the time of `waiting` as held, and not as time that the broker took.
    pub(crate) async fn during<T>(&self, waiting: impl Future<Output = T>) -> T {
        let Some(held_ns) = &self.0 else { return waiting.await };
        let since = Instant::now();
        let result = waiting.await;
        let ns = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        held_ns.fetch_add(ns, Ordering::Relaxed);
        result
    }
}

/// A request under way; dropped before its end it counts as abandoned.
#[derive(Debug)]
pub(crate) struct InFlight {
    counters: Arc<Counters>,
    api: ApiKey,
    begun: Instant,
    hold: Option<Arc<AtomicU64>>,
    ended: bool,
}

impl InFlight {
    /// For a request of the kind that waits for others.
    pub(crate) fn hold(&mut self) -> Hold {
        Hold(Some(self.hold.get_or_insert_default().clone()))
    }

    /// Notes how it ends; `error` is that of the answer, if there is one.
    pub(crate) fn end(mut self, outcome: &Outcome, error: ErrorCode) {
        self.ended = true;
        let counters = self.counters.of(self.api);
        self.observe(counters);
        match outcome {
            Ok(frame) => {
                counters.response_bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
                if error != ErrorCode::NONE {
                    *self.counters.errors.lock().entry((self.api, error.0)).or_default() += 1;
                }
            }
            Err(crate::handler::NoAnswer::Silence) => {
                counters.unanswered.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                counters.disconnected.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn observe(&self, counters: &ApiCounters) {
        let mut duration = self.begun.elapsed();
        if let Some(held_ns) = &self.hold {
            let held = Duration::from_nanos(held_ns.load(Ordering::Relaxed));
            counters.held.observe(held);
            duration = duration.saturating_sub(held);
        }
        counters.duration.observe(duration);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.ended {
            self.counters.of(self.api).abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// All requests.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    shards: [OnceLock<Arc<Counters>>; SHARDS],
}

/// What one API has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ApiTotals {
    pub(crate) begun: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) duration: Reading,
    pub(crate) held: Reading,
    pub(crate) unanswered: u64,
    pub(crate) disconnected: u64,
    pub(crate) abandoned: u64,
    /// Answers by the code of their first error.
    pub(crate) errors: BTreeMap<i16, u64>,
}

impl ApiTotals {
    /// Answers without an error.
    pub(crate) fn succeeded(&self) -> u64 {
        let others = self.errors.values().sum::<u64>() + self.unanswered + self.disconnected;
        self.duration.count().saturating_sub(others)
    }

    /// Requests that have begun and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.begun.saturating_sub(self.duration.count() + self.abandoned)
    }

    /// Ends are read before beginnings: what ends in between is not counted twice.
    fn add(&mut self, counters: &ApiCounters) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.unanswered += read(&counters.unanswered);
        self.disconnected += read(&counters.disconnected);
        self.abandoned += read(&counters.abandoned);
        self.response_bytes += read(&counters.response_bytes);
        self.held.add(&counters.held);
        self.duration.add(&counters.duration);
        self.request_bytes += read(&counters.request_bytes);
        self.begun += read(&counters.begun);
    }
}

impl Requests {
    /// The counters for a connection of that number.
    pub(crate) fn counters(&self, connection: u64) -> Arc<Counters> {
        let shard = usize::try_from(connection % SHARDS as u64).unwrap_or(0);
        self.shards[shard].get_or_init(Arc::default).clone()
    }

    /// What was counted, by API; those never asked for are left out.
    pub(crate) fn totals(&self) -> BTreeMap<ApiKey, ApiTotals> {
        let mut totals: BTreeMap<ApiKey, ApiTotals> = BTreeMap::new();
        for shard in self.shards.iter().filter_map(OnceLock::get) {
            for (&(api, code), count) in shard.errors.lock().iter() {
                *totals.entry(api).or_default().errors.entry(code).or_default() += count;
            }
            for &api in ApiKey::ALL {
                let counters = shard.of(api);
                if counters.begun.load(Ordering::Relaxed) > 0 {
                    totals.entry(api).or_default().add(counters);
                }
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::NoAnswer;
    use klamm_protocol::primitives::Encoder;

    fn frame() -> Outcome {
        let mut e = Encoder::for_frame();
        e.put_slice(&[1, 2, 3]);
        Ok(e.into_streamed_frame().unwrap())
    }

    #[test]
    fn every_request_ends_in_one_way() {
        let requests = Requests::default();
        let counters = requests.counters(1);
        let begin = || counters.begin(ApiKey::Produce, 10);
        let under_way = begin();
        begin().end(&frame(), ErrorCode::NONE);
        begin().end(&frame(), ErrorCode::NOT_LEADER_OR_FOLLOWER);
        begin().end(&Err(NoAnswer::Silence), ErrorCode::NONE);
        begin().end(&Err(NoAnswer::Disconnect), ErrorCode::NONE);
        drop(begin());
        let totals = requests.totals().remove(&ApiKey::Produce).unwrap();
        assert_eq!((totals.begun, totals.in_flight(), totals.succeeded()), (6, 1, 1));
        assert_eq!((totals.unanswered, totals.disconnected, totals.abandoned), (1, 1, 1));
        assert_eq!(totals.errors, BTreeMap::from([(ErrorCode::NOT_LEADER_OR_FOLLOWER.0, 1)]));
        assert_eq!((totals.request_bytes, totals.response_bytes), (60, 14));
        drop(under_way);
        assert_eq!(requests.totals()[&ApiKey::Produce].in_flight(), 0);
    }

    #[test]
    fn connections_add_up() {
        let requests = Requests::default();
        for connection in 0..40 {
            requests.counters(connection).begin(ApiKey::Fetch, 1).end(&frame(), ErrorCode::NONE);
        }
        let totals = requests.totals();
        assert_eq!(totals.keys().collect::<Vec<_>>(), [&ApiKey::Fetch]);
        assert_eq!(totals[&ApiKey::Fetch].succeeded(), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn time_held_is_not_time_taken() {
        let requests = Requests::default();
        let mut request = requests.counters(1).begin(ApiKey::Fetch, 1);
        let hold = request.hold();
        // Longer than the whole test takes: were it counted as taken, it would show.
        let held = async { hold.0.as_ref().unwrap().fetch_add(60_000_000_000, Ordering::Relaxed) };
        hold.during(held).await;
        request.end(&frame(), ErrorCode::NONE);
        let totals = requests.totals().remove(&ApiKey::Fetch).unwrap();
        assert!(totals.held.sum_ns >= 60_000_000_000, "{totals:?}");
        assert_eq!(totals.duration.sum_ns, 0);
    }

    #[test]
    fn every_api_has_counters_of_its_own() {
        let highest = ApiKey::ALL.iter().map(|&api| api as usize).max();
        assert!(highest.is_some_and(|key| key < API_KEYS));
    }
}
