//! What is known of the cluster: brokers, topics, leaders.
//!
//! One task refreshes the cache: on request, when it grows old, and never faster than the backoff
//! allows, however many callers ask. Readers share immutable snapshots.

mod cluster;
mod refresh;

pub(crate) use self::cluster::{BrokerEndpoint, Cluster, Topic};
pub(crate) use self::refresh::{Refresher, Wanted, backoff, request};

use crate::error::ErrorKind;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::MetadataResponse;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Notify, watch};

/// Why a topic's partitions are not known.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// No such topic, and using it did not make it: this client does not ask for that, or the broker does not do it.
    #[error(
        "topic {0} does not exist; create it (`klamm topics create {0} -p 6`), or have it made: \
         allow.auto.create.topics=true here, auto.create.topics.enable=true on the broker"
    )]
    UnknownTopic(Arc<str>),
    /// The broker refuses to tell.
    #[error("topic {topic}: {code}")]
    Refused {
        /// The topic.
        topic: Arc<str>,
        /// The broker's answer.
        code: ErrorCode,
    },
    /// No answer in time.
    #[error("no metadata of topic {topic} within max.block.ms = {}{}", waited.as_millis(), last.as_ref().map(|l| format!("; last try: {l}")).unwrap_or_default())]
    Timeout {
        /// The topic.
        topic: Arc<str>,
        /// How long was waited.
        waited: Duration,
        /// What the last try came to.
        last: Option<Arc<str>>,
    },
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

impl MetadataError {
    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            MetadataError::UnknownTopic(_) => ErrorKind::Misuse,
            MetadataError::Refused { code: ErrorCode::TOPIC_AUTHORIZATION_FAILED, .. } => {
                ErrorKind::Unauthorized
            }
            MetadataError::Refused { .. } => ErrorKind::Fatal,
            MetadataError::Timeout { .. } => ErrorKind::Retriable,
            MetadataError::Closed => ErrorKind::Closed,
        }
    }
}

/// Refreshes in a row that must call a topic unknown before a caller is told so: a topic that was
/// just created takes a moment to reach every broker.
const UNKNOWN_TOPIC_TRIES: u32 = 4;

/// The cache, shared by everything a client does.
#[derive(Debug)]
pub(crate) struct Metadata {
    snapshot: watch::Sender<Arc<Cluster>>,
    wanted: Mutex<Wanted>,
    wake: Notify,
    last_error: Mutex<Option<Arc<str>>>,
    closed: AtomicBool,
}

impl Metadata {
    pub(crate) fn new() -> Self {
        Self {
            snapshot: watch::Sender::new(Arc::new(Cluster::default())),
            wanted: Mutex::new(Wanted::default()),
            wake: Notify::new(),
            last_error: Mutex::new(None),
            closed: AtomicBool::new(false),
        }
    }

    /// Ends the wait of whoever waits for a topic.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.snapshot.send_modify(|_| {});
        self.wake.notify_one();
    }

    /// The present snapshot.
    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Takes over a first answer.
    pub(crate) fn learn(&self, answer: &MetadataResponse) {
        let next = self.cluster().after(answer);
        self.snapshot.send_replace(Arc::new(next));
    }

    /// Follows the snapshots.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Cluster>> {
        self.snapshot.subscribe()
    }

    /// Asks for a fresh look, soon; repeated calls are one.
    pub(crate) fn request_refresh(&self) {
        self.wanted.lock().refresh = true;
        self.wake.notify_one();
    }

    /// Returns a topic that has partitions, asking the cluster for it if need be.
    ///
    /// Cancel safe: the question stays asked.
    pub(crate) async fn topic(
        &self,
        name: &str,
        wait: Duration,
    ) -> Result<Arc<Topic>, MetadataError> {
        let mut changes = self.changes();
        let stale = changes.borrow().topics.get(name).cloned();
        let find = async {
            loop {
                let cluster = Arc::clone(&changes.borrow_and_update());
                if self.closed.load(Ordering::Relaxed) {
                    return Err(MetadataError::Closed);
                }
                match cluster.topics.get(name) {
                    Some(topic) if !topic.partitions.is_empty() => return Ok(Arc::clone(topic)),
                    Some(topic) => refuse(topic, stale.as_ref())?,
                    None => {}
                }
                self.want(name);
                if changes.changed().await.is_err() {
                    return Err(MetadataError::Closed);
                }
            }
        };
        match tokio::time::timeout(wait, find).await {
            Ok(found) => found,
            Err(_) => Err(MetadataError::Timeout {
                topic: name.into(),
                waited: wait,
                last: self.last_error.lock().clone(),
            }),
        }
    }

    /// Keeps a topic in the cache from now on.
    pub(crate) fn want(&self, name: &str) {
        {
            let unheard_of = !self.snapshot.borrow().topics.contains_key(name);
            let mut wanted = self.wanted.lock();
            if !wanted.topics.contains(name) {
                wanted.topics.insert(name.into());
                wanted.at_once |= unheard_of;
            }
            wanted.refresh = true;
        }
        self.wake.notify_one();
    }

    /// Takes a broker's word on a partition's new leader (KIP-951), if it is news.
    pub(crate) fn leader_hint(
        &self,
        topic: &str,
        partition: i32,
        leader: i32,
        epoch: i32,
        endpoints: &[(i32, BrokerEndpoint)],
    ) {
        self.snapshot.send_if_modified(|cluster| {
            match cluster.with_leader(topic, partition, leader, epoch, endpoints) {
                Some(newer) => {
                    *cluster = Arc::new(newer);
                    true
                }
                None => false,
            }
        });
    }
}

/// An error that waiting does not cure. What was known before the question does not count: a topic
/// may have been created since.
fn refuse(topic: &Arc<Topic>, stale: Option<&Arc<Topic>>) -> Result<(), MetadataError> {
    if stale.is_some_and(|s| Arc::ptr_eq(s, topic)) {
        return Ok(());
    }
    let before = stale.map_or(0, |s| s.unknown_in_a_row);
    let asked = topic.unknown_in_a_row.checked_sub(before).unwrap_or(topic.unknown_in_a_row);
    match topic.error {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION if asked >= UNKNOWN_TOPIC_TRIES => {
            Err(MetadataError::UnknownTopic(Arc::clone(&topic.name)))
        }
        code if code.is_ok() || code.is_retriable() => Ok(()),
        code => Err(MetadataError::Refused { topic: Arc::clone(&topic.name), code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_protocol::message::metadata_response::{
        MetadataResponsePartition, MetadataResponseTopic,
    };

    const WAIT: Duration = Duration::from_secs(60);

    fn answer(code: ErrorCode) -> MetadataResponse {
        let partitions = if code.is_ok() { 1 } else { 0 };
        let topic = MetadataResponseTopic {
            name: Some("t".into()),
            error_code: code.0,
            partitions: vec![MetadataResponsePartition::default(); partitions],
            ..MetadataResponseTopic::default()
        };
        MetadataResponse { topics: vec![topic], ..MetadataResponse::default() }
    }

    /// Asks for the topic and gives these answers meanwhile.
    async fn ask(
        metadata: &Metadata,
        answers: &[ErrorCode],
    ) -> Option<Result<Arc<Topic>, MetadataError>> {
        let mut asking = std::pin::pin!(metadata.topic("t", WAIT));
        for code in answers {
            tokio::select! {
                biased;
                result = &mut asking => return Some(result),
                () = tokio::task::yield_now() => metadata.learn(&answer(*code)),
            }
        }
        tokio::select! {
            biased;
            result = asking => Some(result),
            () = tokio::task::yield_now() => None,
        }
    }

    #[tokio::test]
    async fn unknown_topic_is_an_error_after_some_answers_and_names_the_remedy() {
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let metadata = Metadata::new();
        assert!(ask(&metadata, &[unknown; 3]).await.is_none(), "it may be on its way");
        let error = ask(&metadata, &[unknown; 4]).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("klamm topics create t"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Misuse);
    }

    #[tokio::test]
    async fn topic_that_was_created_after_an_error_is_found() {
        let metadata = Metadata::new();
        let unknown = [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION; 4];
        assert!(ask(&metadata, &unknown).await.unwrap().is_err());
        assert!(ask(&metadata, &[ErrorCode::NONE]).await.unwrap().is_ok(), "stale answer was used");
        let metadata = Metadata::new();
        let denied = [ErrorCode::TOPIC_AUTHORIZATION_FAILED];
        let error = ask(&metadata, &denied).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert!(ask(&metadata, &[ErrorCode::NONE]).await.unwrap().is_ok(), "stale answer was used");
    }

    #[tokio::test(start_paused = true)]
    async fn wait_for_a_topic_is_bounded_and_tells_the_last_error() {
        let metadata = Metadata::new();
        *metadata.last_error.lock() = Some("b:9092: connection refused".into());
        let error = metadata.topic("t", WAIT).await.unwrap_err();
        assert!(error.to_string().contains("connection refused"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Retriable);
    }
}
