//! Topics that a connection has made by asking for them, and which are not there for it yet.

use klamm_protocol::primitives::Str;
use std::time::Duration;
use tokio::time::Instant;

/// How long a topic stays away from the connection whose asking made it. In Kafka another node makes it, which takes some
/// tens of milliseconds, and there are clients that count on it: a member of kafka-go's groups looks at a topic when it
/// joins and once more, and takes one that was not there at first and is there then for one that has not changed. Less
/// than any client waits before it asks again.
const DELAY: Duration = Duration::from_millis(30);

/// Topics that stay away from a connection at a time; those beyond are there at once.
const MAX_COMING: usize = 100;

/// The topics of one connection.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    /// With when each is there, the earliest first.
    topics: Vec<(Instant, Str)>,
}

impl Coming {
    /// The topic comes to be; the connection has just been told that it does not exist.
    pub(crate) fn add(&mut self, topic: &str, now: Instant) {
        self.topics.retain(|(there, _)| *there > now);
        if self.topics.len() < MAX_COMING {
            self.topics.push((now + DELAY, Str::from(topic)));
        }
    }

    /// Whether the topic is still to come.
    pub(crate) fn has(&self, topic: &str, now: Instant) -> bool {
        self.topics.iter().any(|(there, name)| **name == *topic && *there > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_there_some_time_after_it_was_first_asked_for() {
        let mut coming = Coming::default();
        let now = Instant::now();
        coming.add("a", now);
        assert!(coming.has("a", now) && !coming.has("b", now));
        let before = now + DELAY - Duration::from_nanos(1);
        assert!(coming.has("a", before) && !coming.has("a", now + DELAY));
        coming.add("b", now + DELAY);
        assert_eq!(coming.topics.len(), 1, "what is there is forgotten");
    }

    #[test]
    fn a_connection_that_asks_for_many_has_the_rest_at_once() {
        let mut coming = Coming::default();
        let now = Instant::now();
        for n in 0..=MAX_COMING {
            coming.add(&n.to_string(), now);
        }
        assert_eq!(coming.topics.len(), MAX_COMING);
        assert!(coming.has("0", now) && !coming.has(&MAX_COMING.to_string(), now));
    }
}
