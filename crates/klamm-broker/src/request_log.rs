//! The last requests: what came, from whom, and what became of it; tests wait for them.

use crate::fault::name;
use crate::handler::{Context, NoAnswer};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::Notify;

/// Requests that are remembered unless told otherwise.
pub(crate) const DEFAULT_CAPACITY: usize = 1024;

/// Topics of one request that are remembered.
const MAX_TOPICS: usize = 32;

/// Characters of a name that are remembered: more than any topic has.
const MAX_NAME_CHARS: usize = 256;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// Nothing yet.
    Pending,
    /// It was answered, with this code: the first error in the answer, or none.
    Answered(ErrorCode),
    /// It was handled, and the client wanted no answer (acks=0).
    Unanswered,
    /// The connection was closed in place of an answer, or within it.
    Disconnected,
    /// The connection ended before there was an answer.
    Abandoned,
}

impl RequestOutcome {
    fn name(self) -> String {
        match self {
            Self::Pending => "pending".to_owned(),
            Self::Answered(code) => name::of_error(code),
            Self::Unanswered => "unanswered".to_owned(),
            Self::Disconnected => "disconnected".to_owned(),
            Self::Abandoned => "abandoned".to_owned(),
        }
    }
}

impl Serialize for RequestOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestEntry {
    /// Counts all requests from 1; later ones have larger numbers.
    pub number: u64,
    /// When it was begun, in milliseconds since 1970 by the broker's clock.
    pub time_ms: i64,
    /// The connection it came by.
    pub connection: u64,
    /// The node that was asked.
    pub node: i32,
    /// The client's name for itself; empty when it has none.
    pub client_id: String,
    /// What was asked.
    #[serde(serialize_with = "api_name")]
    pub api: ApiKey,
    /// In which version.
    pub version: i16,
    /// The client's number for the request.
    pub correlation_id: i32,
    /// Topics that it names, each once, up to 32.
    pub topics: Vec<String>,
    /// Fault rules that struck it.
    pub faults: Vec<u64>,
    /// What became of it.
    pub outcome: RequestOutcome,
}

fn api_name<S: Serializer>(api: &ApiKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&name::of_api(*api))
}

#[derive(Debug, Default)]
struct Entries {
    ring: VecDeque<RequestEntry>,
    last: u64,
}

impl Entries {
    fn get_mut(&mut self, number: u64) -> Option<&mut RequestEntry> {
        let first = self.ring.front()?.number;
        self.ring.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }
}

/// The last requests, oldest first.
#[derive(Debug)]
pub(crate) struct RequestLog {
    capacity: usize,
    entries: Mutex<Entries>,
    changed: Notify,
}

impl RequestLog {
    /// A log of that many requests; with 0 none is kept.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default(), changed: Notify::new() }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.capacity > 0
    }

    /// The requests that `wanted` chooses, oldest first.
    pub(crate) fn find(&self, wanted: impl Fn(&RequestEntry) -> bool) -> Vec<RequestEntry> {
        let entries = self.entries.lock();
        entries.ring.iter().filter(|entry| wanted(entry)).cloned().collect()
    }

    /// Waits for the first request that `wanted` chooses, of those remembered and those to come; looks again when what
    /// became of one is known. `None` when there is none in time.
    pub(crate) async fn wait_for(
        &self,
        wanted: impl Fn(&RequestEntry) -> bool,
        limit: Duration,
    ) -> Option<RequestEntry> {
        let found = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Registered before looking: a change in between is not missed.
                changed.as_mut().enable();
                let found = self.entries.lock().ring.iter().find(|entry| wanted(entry)).cloned();
                if let Some(found) = found {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, found).await.ok()
    }

    fn push(&self, mut entry: RequestEntry) -> u64 {
        let mut entries = self.entries.lock();
        entries.last += 1;
        entry.number = entries.last;
        while entries.ring.len() >= self.capacity {
            entries.ring.pop_front();
        }
        entries.ring.push_back(entry);
        let number = entries.last;
        drop(entries);
        self.changed.notify_waiters();
        number
    }

    fn end(&self, number: u64, outcome: RequestOutcome) {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get_mut(number) {
            entry.outcome = outcome;
        }
        drop(entries);
        self.changed.notify_waiters();
    }
}

/// A request under way; dropped before its end it is noted as abandoned.
#[derive(Debug)]
pub(crate) struct Entry {
    cx: Context,
    number: Option<u64>,
    outcome: RequestOutcome,
}

impl Entry {
    /// Notes a request, unless the log is off.
    pub(crate) fn begin<'a>(
        cx: &Context,
        correlation_id: i32,
        topics: impl Iterator<Item = &'a str>,
        faults: &[u64],
    ) -> Self {
        let log = &cx.cluster.request_log;
        let number = log.is_on().then(|| {
            log.push(RequestEntry {
                number: 0,
                time_ms: cx.now_ms(),
                connection: cx.session.id,
                node: cx.node_id(),
                client_id: short(&cx.client_id),
                api: cx.api,
                version: cx.version,
                correlation_id,
                topics: distinct(topics),
                faults: faults.to_vec(),
                outcome: RequestOutcome::Pending,
            })
        });
        Self { cx: cx.clone(), number, outcome: RequestOutcome::Abandoned }
    }

    /// Notes how it ends; `error` is that of the answer, if there is one.
    pub(crate) fn end<T>(mut self, outcome: &Result<T, NoAnswer>, error: ErrorCode) {
        self.outcome = match outcome {
            Ok(_) => RequestOutcome::Answered(error),
            Err(NoAnswer::Silence) => RequestOutcome::Unanswered,
            Err(NoAnswer::Disconnect | NoAnswer::Cut(_)) => RequestOutcome::Disconnected,
        };
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.cx.cluster.request_log.end(number, self.outcome);
        }
    }
}

/// A client may send names of any length; the log stays small.
fn short(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}

/// Whether a name that was remembered is this one, as far as it goes.
fn same(known: &str, name: &str) -> bool {
    known.chars().eq(name.chars().take(MAX_NAME_CHARS))
}

/// Requests name topics partition by partition: equal ones are neighbours more often than not.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        if distinct.len() < MAX_TOPICS && !distinct.iter().rev().any(|known| same(known, name)) {
            distinct.push(short(name));
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(client_id: &str) -> RequestEntry {
        RequestEntry {
            number: 0,
            time_ms: 5,
            connection: 1,
            node: 1,
            client_id: client_id.to_owned(),
            api: ApiKey::Produce,
            version: 9,
            correlation_id: 3,
            topics: vec![],
            faults: vec![],
            outcome: RequestOutcome::Pending,
        }
    }

    fn numbers(log: &RequestLog) -> Vec<u64> {
        log.find(|_| true).iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn the_oldest_make_room_and_ends_find_their_request() {
        let log = RequestLog::new(2);
        let (first, second) = (log.push(entry("a")), log.push(entry("b")));
        let third = log.push(entry("c"));
        assert_eq!(numbers(&log), [second, third]);
        log.end(first, RequestOutcome::Abandoned);
        log.end(third, RequestOutcome::Unanswered);
        let outcomes: Vec<_> = log.find(|_| true).iter().map(|entry| entry.outcome).collect();
        assert_eq!(outcomes, [RequestOutcome::Pending, RequestOutcome::Unanswered]);
        assert_eq!(log.find(|entry| entry.client_id == "b").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_what_is_there_with_what_comes_and_with_time() {
        let log = RequestLog::new(9);
        let limit = Duration::from_secs(1);
        assert_eq!(log.wait_for(|_| true, limit).await, None);
        let waiting = log.wait_for(|entry| entry.client_id == "b", limit);
        tokio::pin!(waiting);
        log.push(entry("a"));
        let short = tokio::time::timeout(Duration::from_millis(1), &mut waiting);
        assert!(short.await.is_err());
        let number = log.push(entry("b"));
        assert_eq!(waiting.await.map(|entry| entry.number), Some(number));
        assert_eq!(log.wait_for(|_| true, limit).await.map(|entry| entry.number), Some(1));
        let ended = log.wait_for(|entry| entry.outcome != RequestOutcome::Pending, limit);
        let end = async { log.end(number, RequestOutcome::Answered(ErrorCode::NONE)) };
        assert_eq!(tokio::join!(ended, end).0.map(|entry| entry.number), Some(number));
    }

    #[test]
    fn topics_are_named_once_and_not_without_end() {
        assert_eq!(distinct(["a", "a", "b", "a"].into_iter()), ["a", "b"]);
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(distinct(many.iter().map(String::as_str)).len(), MAX_TOPICS);
        let (long, longer) = ("ä".repeat(300), "ä".repeat(900));
        let names = distinct([long.as_str(), longer.as_str()].into_iter());
        assert_eq!(names, ["ä".repeat(MAX_NAME_CHARS)]);
    }

    #[test]
    fn entries_are_json_with_names() {
        let json = serde_json::to_value(entry("a")).unwrap();
        assert_eq!((&json["api"], &json["outcome"]), (&"Produce".into(), &"pending".into()));
        let refused = RequestOutcome::Answered(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        assert_eq!(serde_json::to_value(refused).unwrap(), "NOT_LEADER_OR_FOLLOWER");
    }
}
