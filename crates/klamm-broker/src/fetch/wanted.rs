//! Pure: one partition that a fetch asks for.

use klamm_protocol::message::fetch_request::{FetchPartition, FetchTopic};
use klamm_protocol::message::{FetchRequest, fetch_request::ForgottenTopic};
use klamm_protocol::primitives::{Str, Uuid};

/// How a client names a topic: by id from version 13 on, by name before. The other part is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicKey {
    pub(crate) id: Uuid,
    pub(crate) name: Str,
}

/// A partition and from where on to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) max_bytes: i32,
    /// The leader epoch the client knows; -1 when it does not say.
    pub(crate) current_leader_epoch: i32,
    /// The epoch of the last record it has; -1 when it does not say.
    pub(crate) last_fetched_epoch: i32,
}

impl Wanted {
    /// All that a request names itself.
    pub(crate) fn of(request: &FetchRequest) -> Vec<Self> {
        let topics = request.topics.iter();
        topics.flat_map(|topic| topic.partitions.iter().map(|p| Self::new(topic, p))).collect()
    }

    fn new(topic: &FetchTopic, partition: &FetchPartition) -> Self {
        Self {
            topic: TopicKey { id: topic.topic_id, name: topic.topic.clone() },
            partition: partition.partition,
            offset: partition.fetch_offset,
            max_bytes: partition.partition_max_bytes,
            current_leader_epoch: partition.current_leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
        }
    }
}

impl TopicKey {
    /// The partitions a request wants no more.
    pub(crate) fn forgotten(request: &FetchRequest) -> impl Iterator<Item = (Self, i32)> {
        request.forgotten_topics_data.iter().flat_map(|topic: &ForgottenTopic| {
            let key = Self { id: topic.topic_id, name: topic.topic.clone() };
            topic.partitions.iter().map(move |&partition| (key.clone(), partition))
        })
    }

    /// Lets go of the frame it was decoded from.
    pub(super) fn detach(&self) -> Self {
        Self { id: self.id, name: self.name.detach() }
    }
}
