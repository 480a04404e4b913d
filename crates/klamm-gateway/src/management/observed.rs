//! What the pages of the management port are made of.

use crate::forward::ForwardState;
use crate::http::HttpState;
use crate::wal::WalState;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    pub forward: ForwardState,
    /// Why files of keys and certificates that changed are not in use.
    pub stale: Vec<String>,
}

/// How long a record may wait before Kafka is said to be slow, or away.
const LONG_WAIT: Duration = Duration::from_secs(10);

impl Observed {
    /// Accepted records that Kafka does not have yet.
    pub(super) fn lag_records(&self) -> u64 {
        self.wal.next.saturating_sub(self.wal.released)
    }

    /// What went wrong last, the latest first: milliseconds since 1970, and what.
    pub(super) fn errors(&self) -> impl Iterator<Item = (i64, &str)> {
        let since_1970 = |at: &SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = move |at| i64::try_from(since_1970(at).as_millis()).unwrap_or(i64::MAX);
        self.forward.last_errors.iter().rev().map(move |(at, what)| (ms(at), &**what))
    }

    /// How long the oldest record has waited, when that is long.
    pub(super) fn long_wait(&self) -> Option<Duration> {
        self.wal.oldest_age.filter(|age| *age >= LONG_WAIT && self.lag_records() > 0)
    }
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
