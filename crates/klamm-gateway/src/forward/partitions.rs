//! Which partitions there are not, so that who names one of those is told so at once.

use super::connect::Connected;
use super::shared::Shared;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex as Turn, watch};
use tokio::time::{Instant, timeout};

/// Kafka is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(2);
/// Kafka is asked for a topic no more often than this.
const HOLDS: Duration = Duration::from_secs(1);
/// Topics that are remembered.
const TOPICS_MAX: usize = 10_000;

/// How many partitions a topic had when Kafka was asked last; none: it has no such topic, or did not say.
#[derive(Debug, Clone, Copy)]
struct Known {
    count: Option<i32>,
    asked: Instant,
}

/// A partition that a topic does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("topic {topic} has no partition {partition}: it has {count}, numbered from 0")]
pub struct NoPartition {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// How many the topic has.
    pub count: i32,
}

/// The partitions of topics, as far as they were asked for; clones are the same.
#[derive(Debug, Clone)]
pub struct Partitions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lent: watch::Receiver<Option<Connected>>,
    shared: Arc<Shared>,
    topics: Mutex<BTreeMap<Arc<str>, Known>>,
    /// Whoever asks Kafka does so for all who wait.
    asking: Turn<()>,
}

impl Partitions {
    pub(super) fn new(lent: watch::Receiver<Option<Connected>>, shared: Arc<Shared>) -> Self {
        let (topics, asking) = (Mutex::default(), Turn::default());
        Self(Arc::new(Inner { lent, shared, topics, asking }))
    }

    /// Whether a topic has a partition. What Kafka does not say, because it is away or has no such topic yet, is taken to be
    /// there: a topic may get more partitions at any time, so it is only missing if Kafka has said so just now.
    ///
    /// # Errors
    /// [`NoPartition`].
    pub async fn check(&self, topic: &Arc<str>, partition: i32) -> Result<(), NoPartition> {
        if let Some(said) = self.judge(topic, partition) {
            return said;
        }
        let _turn = self.0.asking.lock().await;
        if let Some(said) = self.judge(topic, partition) {
            return said;
        }
        // Hardly any request comes here, and all of them would carry its bytes.
        let count = Box::pin(self.ask(topic)).await;
        let mut topics = self.0.topics.lock();
        if topics.len() >= TOPICS_MAX {
            topics.clear();
        }
        topics.insert(topic.clone(), Known { count, asked: Instant::now() });
        drop(topics);
        self.judge(topic, partition).unwrap_or(Ok(()))
    }

    /// What follows without asking; `None` if Kafka is to be asked.
    fn judge(&self, topic: &Arc<str>, partition: i32) -> Option<Result<(), NoPartition>> {
        let known = self.0.topics.lock().get(topic).copied();
        match known {
            Some(Known { count: Some(count), .. }) if partition < count => Some(Ok(())),
            _ if !self.0.shared.state.lock().connected => Some(Ok(())),
            Some(Known { count, asked }) if asked.elapsed() < HOLDS => {
                let missing = |count| NoPartition { topic: topic.clone(), partition, count };
                Some(count.map_or(Ok(()), |count| Err(missing(count))))
            }
            _ => None,
        }
    }

    async fn ask(&self, topic: &str) -> Option<i32> {
        let admin = self.0.lent.borrow().as_ref()?.client.admin();
        let described = timeout(PATIENCE, admin.describe_topics(vec![topic.to_owned()])).await;
        let (_, described) = described.ok()?.ok()?.into_iter().next()?;
        i32::try_from(described.ok()?.partitions.len()).ok().filter(|count| *count > 0)
    }
}
