//! Nodes that tests have tell an old story: what Metadata said of the cluster when it was frozen.

use klamm_protocol::message::MetadataResponse;
use klamm_protocol::message::metadata_response::MetadataResponseTopic;
use klamm_protocol::primitives::Uuid;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The old answers, by node.
#[derive(Debug, Default)]
pub(crate) struct StaleMetadata {
    frozen: Mutex<BTreeMap<i32, Arc<Snapshot>>>,
}

/// All brokers and topics as they were.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// By listener: the answer without its topics.
    frames: Vec<MetadataResponse>,
    topics: Vec<MetadataResponseTopic>,
}

impl StaleMetadata {
    /// Has a node answer with this from now on.
    pub(crate) fn freeze(&self, node: i32, then: Snapshot) {
        self.frozen.lock().insert(node, Arc::new(then));
    }

    /// Has a node answer with what is; false when it does already.
    pub(crate) fn thaw(&self, node: i32) -> bool {
        self.frozen.lock().remove(&node).is_some()
    }

    /// What a node answers with, if not with what is.
    pub(crate) fn of(&self, node: i32) -> Option<Arc<Snapshot>> {
        self.frozen.lock().get(&node).cloned()
    }
}

impl Snapshot {
    /// `frames` names every broker, for each listener; `topics` every topic.
    pub(crate) fn new(frames: Vec<MetadataResponse>, topics: Vec<MetadataResponseTopic>) -> Self {
        Self { frames, topics }
    }

    /// The answer without its topics, for clients of a listener.
    pub(crate) fn frame(&self, listener: usize) -> MetadataResponse {
        self.frames.get(listener).cloned().unwrap_or_default()
    }

    pub(crate) fn topics(&self) -> &[MetadataResponseTopic] {
        &self.topics
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&MetadataResponseTopic> {
        self.topics().iter().find(|topic| topic.name.as_deref() == Some(name))
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<&MetadataResponseTopic> {
        self.topics().iter().find(|topic| topic.topic_id == id)
    }
}
