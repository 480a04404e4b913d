//! Topics that are made by asking for them.

use super::{Cluster, InternalTopic, NewTopic};
use crate::topics::TopicError;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How long it takes until a topic that was asked for is there. In Kafka another node makes it, which takes some tens of
/// milliseconds, and there are clients that count on it: kafka-go's groups take a topic for one that has not changed when
/// it was not there at one look and is there at the next. Less than any client waits before it asks again.
const DELAY: Duration = Duration::from_millis(30);

/// Topics under way at a time; those beyond are made when they are asked for again.
const MAX_PENDING: usize = 1_000;

/// Those that are under way.
#[derive(Debug, Default)]
pub(crate) struct AutoTopics {
    pending: Mutex<Pending>,
    asked: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    names: BTreeSet<Str>,
    /// When each is due, the earliest first.
    due: VecDeque<(Instant, Str)>,
}

impl AutoTopics {
    fn ask(&self, name: Str, due: Instant) {
        let mut pending = self.pending.lock();
        if pending.names.len() < MAX_PENDING && pending.names.insert(name.clone()) {
            pending.due.push_back((due, name));
            self.asked.notify_one();
        }
    }

    /// Waits for the next that is due.
    async fn next(&self) -> Str {
        loop {
            let first = self.pending.lock().due.front().cloned();
            let Some((due, name)) = first else {
                self.asked.notified().await;
                continue;
            };
            tokio::time::sleep_until(due).await;
            let mut pending = self.pending.lock();
            pending.due.pop_front();
            pending.names.remove(&name);
            return name;
        }
    }
}

impl Cluster {
    /// Has a topic made soon, which whoever asks again finds; gives what whoever asks now is told.
    ///
    /// The answer of now is part of it: clients that deleted a topic and ask whether it is gone make it anew by that.
    pub(crate) fn ask_for_topic(&self, name: &str) -> ErrorCode {
        match self.create_topic(name, self.auto_topic(name), true) {
            Ok(_) => self.auto_topics.ask(Str::from(name), Instant::now() + DELAY),
            Err(TopicError::Exists(_)) => {}
            Err(error) => return error.code(),
        }
        self.release.code_of_a_topic_being_made()
    }

    fn auto_topic(&self, name: &str) -> NewTopic {
        let internal = InternalTopic::named(name);
        internal.map(|topic| topic.description(&self.config())).unwrap_or_default()
    }

    /// Makes what was asked for until `stop` says true.
    pub(crate) async fn make_auto_topics(cluster: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let name = tokio::select! {
                _ = stop.changed() => return,
                name = cluster.auto_topics.next() => name,
            };
            match cluster.create_topic(&name, cluster.auto_topic(&name), false) {
                Ok(_) => {}
                // Somebody made it in the meantime.
                Err(TopicError::Exists(_)) => {}
                Err(error) => tracing::warn!(topic = &*name, %error, "a topic that was asked for"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_is_made_once_in_the_order_of_asking() {
        let topics = AutoTopics::default();
        let began = Instant::now();
        for name in ["b", "a", "b"] {
            topics.ask(Str::from(name), Instant::now() + DELAY);
        }
        assert_eq!((topics.next().await.as_str(), began.elapsed() >= DELAY), ("b", true));
        assert_eq!(topics.next().await.as_str(), "a");
        assert!(tokio::time::timeout(Duration::from_secs(1), topics.next()).await.is_err());
        topics.ask(Str::from("b"), Instant::now() + DELAY);
        assert_eq!(topics.next().await.as_str(), "b", "it may be asked for again");
    }

    #[tokio::test]
    async fn not_too_many_are_under_way() {
        let topics = AutoTopics::default();
        for n in 0..=MAX_PENDING {
            topics.ask(Str::from(n.to_string()), Instant::now());
        }
        let pending = topics.pending.lock();
        assert_eq!((pending.names.len(), pending.due.len()), (MAX_PENDING, MAX_PENDING));
    }
}
