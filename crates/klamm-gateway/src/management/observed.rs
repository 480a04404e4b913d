//! What the pages of the management port are made of.

use crate::http::HttpState;
use crate::wal::WalState;
use std::sync::Arc;

/// Where a gateway is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It opens its log and its address, and takes nothing yet.
    #[default]
    Starting,
    /// It takes requests.
    Serving,
    /// It ends: what it has taken goes to Kafka, and nothing more is taken.
    Draining,
}

/// A gateway as it is at one moment.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Where it is in its life.
    pub phase: Phase,
    /// The id of its log; empty before the log is open.
    pub log: Arc<str>,
    /// Its log.
    pub wal: WalState,
    /// What HTTP does.
    pub http: HttpState,
    /// What goes to Kafka.
    pub forward: ForwardFigures,
}

/// What goes to Kafka.
#[derive(Debug, Clone, Default)]
pub struct ForwardFigures {
    /// Whether Kafka answers.
    pub connected: bool,
    /// Records that were sent and not acknowledged yet.
    pub in_flight: u64,
    /// Records that Kafka has acknowledged.
    pub delivered: u64,
    /// Records that were handed to the client once more.
    pub retried: u64,
    /// Records that Kafka will never take, by reason, out of a closed set.
    pub dead_letters: Vec<(&'static str, u64)>,
    /// Partitions that take nothing for now.
    pub stuck_partitions: u64,
    /// What went wrong last, the latest first.
    pub errors: Vec<LastError>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// What.
    pub what: String,
}

/// A gateway that can be looked at.
pub trait Observe: Send + Sync + 'static {
    /// How it is now. Called once a second and for each request: it must not wait.
    fn observe(&self) -> Observed;
}

impl<F: Fn() -> Observed + Send + Sync + 'static> Observe for F {
    fn observe(&self) -> Observed {
        self()
    }
}
