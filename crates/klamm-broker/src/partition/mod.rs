//! One partition: who leads it, and its log.

mod check;

pub(crate) use self::check::{Checked, Rejected, check};

use crate::config::TopicConfig;
use klamm_protocol::primitives::Str;
use parking_lot::RwLock;
use std::sync::Arc;

/// A partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    topic: Str,
    index: i32,
    replicas: Vec<i32>,
    leadership: RwLock<Leadership>,
    config: RwLock<Arc<TopicConfig>>,
}

#[derive(Debug, Clone, Copy)]
struct Leadership {
    leader: i32,
    epoch: i32,
}

impl Partition {
    pub(crate) fn new(
        topic: Str,
        index: i32,
        replicas: Vec<i32>,
        config: Arc<TopicConfig>,
    ) -> Self {
        let leader = replicas.first().copied().unwrap_or(-1);
        Self {
            topic,
            index,
            replicas,
            leadership: RwLock::new(Leadership { leader, epoch: 0 }),
            config: RwLock::new(config),
        }
    }

    pub(crate) fn topic(&self) -> &Str {
        &self.topic
    }

    pub(crate) fn index(&self) -> i32 {
        self.index
    }

    /// Nodes that are said to hold it, the preferred leader first.
    pub(crate) fn replicas(&self) -> Vec<i32> {
        self.replicas.clone()
    }

    /// The node that leads it, and the leader epoch.
    pub(crate) fn leader(&self) -> (i32, i32) {
        let leadership = self.leadership.read();
        (leadership.leader, leadership.epoch)
    }

    /// Removes all records and ends every read that waits for more.
    pub(crate) fn delete(&self) {}

    pub(crate) fn configure(&self, config: Arc<TopicConfig>) {
        *self.config.write() = config;
    }
}
