//! How long a member had nothing because its group was agreeing on who reads what.

use klamm::consumer::ListenerFuture;
use klamm::{Consumer, RebalanceListener, TopicPartition};
use std::collections::BTreeSet;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Watches what comes and goes.
#[derive(Debug)]
pub(super) struct Joining(Mutex<State>);

#[derive(Debug)]
struct State {
    assigned: BTreeSet<TopicPartition>,
    /// Since when there is nothing.
    since: Instant,
    all: Duration,
    /// Of `all`, what was not told yet.
    untold: Duration,
}

impl State {
    fn assigned(&mut self, partitions: &[TopicPartition], now: Instant) {
        if self.assigned.is_empty() && !partitions.is_empty() {
            let took = now.saturating_duration_since(self.since);
            self.all += took;
            self.untold += took;
        }
        self.assigned.extend(partitions.iter().cloned());
    }

    fn gone(&mut self, partitions: &[TopicPartition], now: Instant) {
        self.assigned.retain(|tp| !partitions.contains(tp));
        if self.assigned.is_empty() {
            self.since = now;
        }
    }
}

impl Joining {
    /// Begins to count now.
    pub(super) fn new(now: Instant) -> Self {
        let (assigned, all, untold) = (BTreeSet::new(), Duration::ZERO, Duration::ZERO);
        Self(Mutex::new(State { assigned, since: now, all, untold }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of the time.
    pub(super) fn all(&self) -> Duration {
        self.state().all
    }

    /// The time since this was called last.
    pub(super) fn take(&self) -> Duration {
        std::mem::take(&mut self.state().untold)
    }
}

impl RebalanceListener for Joining {
    fn assigned<'a>(
        &'a self,
        _: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.state().assigned(partitions, Instant::now());
        Box::pin(ready(()))
    }

    fn revoked<'a>(
        &'a self,
        _: &'a Consumer,
        partitions: &'a [TopicPartition],
        _: tokio::time::Instant,
    ) -> ListenerFuture<'a> {
        self.state().gone(partitions, Instant::now());
        Box::pin(ready(()))
    }

    fn lost<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> ListenerFuture<'a> {
        self.state().gone(partitions, Instant::now());
        Box::pin(ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::Joining;
    use klamm::TopicPartition;
    use std::time::{Duration, Instant};

    #[test]
    fn only_time_without_any_partition_counts() {
        let began = Instant::now();
        let at = |secs| began + Duration::from_secs(secs);
        let tps = [0, 1, 2].map(|partition| TopicPartition::new("t", partition));
        let joining = Joining::new(began);
        joining.state().assigned(&tps[..2], at(3));
        joining.state().gone(&tps[..1], at(5));
        joining.state().assigned(&tps[2..], at(6));
        assert_eq!(
            (joining.all(), joining.take()),
            (Duration::from_secs(3), Duration::from_secs(3))
        );
        joining.state().gone(&tps[1..], at(10));
        joining.state().assigned(&[], at(11));
        joining.state().assigned(&tps[..1], at(14));
        assert_eq!(
            (joining.all(), joining.take()),
            (Duration::from_secs(7), Duration::from_secs(4))
        );
        assert_eq!(joining.take(), Duration::ZERO);
    }
}
