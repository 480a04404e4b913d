//! The task that keeps the metadata cache fresh.

use super::{Metadata, Topic, UNKNOWN_TOPIC_TRIES};
use crate::client::ClientInner;
use crate::connection::{Connection, RequestError};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::{MetadataRequest, MetadataResponse};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// After this long without a usable answer everything starts from the bootstrap servers again
/// (`metadata.recovery.rebootstrap.trigger.ms` of KIP-1102).
const REBOOTSTRAP_AFTER: Duration = Duration::from_secs(300);

/// What callers have asked for since the last look.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) refresh: bool,
    /// A topic that was never asked about is among them: that waits for no backoff, as nothing has failed.
    pub(crate) at_once: bool,
    /// Topics to ask about from now on.
    pub(crate) topics: BTreeSet<Arc<str>>,
}

/// The loop; it ends with the client.
pub(crate) struct Refresher {
    metadata: Arc<Metadata>,
    client: Weak<ClientInner>,
    failures: u32,
    fetched: Instant,
    succeeded: Instant,
}

impl Refresher {
    pub(crate) fn new(metadata: Arc<Metadata>, client: Weak<ClientInner>) -> Self {
        let now = Instant::now();
        Self { metadata, client, failures: 0, fetched: now, succeeded: now }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let Some(client) = self.client.upgrade().filter(|c| !c.is_closed()) else { return };
            let (backoff, max_age) =
                (client.backoff(self.failures), client.config.metadata_max_age);
            drop(client);
            // However often it is asked for, the cluster is asked once per backoff.
            self.wait_for_the_backoff(self.fetched + backoff).await;
            self.wait_for_a_reason(self.fetched + max_age).await;
            let Some(client) = self.client.upgrade().filter(|c| !c.is_closed()) else { return };
            let topics = {
                let mut wanted = self.metadata.wanted.lock();
                wanted.at_once = false;
                wanted.topics.clone()
            };
            let result = client.fetch_metadata_from_any(Some(topics)).await;
            self.fetched = Instant::now();
            self.handle(&client, result);
        }
    }

    /// Returns when the backoff is over, or before that for a new topic; not while brokers cannot be reached.
    async fn wait_for_the_backoff(&self, over: Instant) {
        loop {
            let woken = self.metadata.wake.notified();
            let new_topic = std::mem::take(&mut self.metadata.wanted.lock().at_once);
            if new_topic && self.failures == 0 {
                return;
            }
            if tokio::time::timeout_at(over, woken).await.is_err() {
                return;
            }
        }
    }

    /// Returns when somebody wants a fresh look, or the last one is too old.
    async fn wait_for_a_reason(&self, too_old: Instant) {
        while !std::mem::take(&mut self.metadata.wanted.lock().refresh) {
            let woken = self.metadata.wake.notified();
            let gone = self.client.upgrade().is_none_or(|c| c.is_closed());
            if gone || tokio::time::timeout_at(too_old, woken).await.is_err() {
                return;
            }
        }
    }

    fn handle(
        &mut self,
        client: &ClientInner,
        result: Result<(Connection, MetadataResponse), RequestError>,
    ) {
        let again = match result {
            Ok((_, answer)) if ErrorCode(answer.error_code) == ErrorCode::REBOOTSTRAP_REQUIRED => {
                client.rebootstrap();
                true
            }
            Ok((connection, answer)) if !self.metadata.cluster().is_same_cluster(&answer) => {
                self.note_failure("a broker of another cluster answered; its answer is not used");
                connection.retire("it leads to another cluster");
                true
            }
            Ok((_, answer)) => {
                *self.metadata.last_error.lock() = None;
                self.succeeded = self.fetched;
                self.apply(&answer)
            }
            Err(error) => {
                self.note_failure(&error.to_string());
                true
            }
        };
        self.metadata.wanted.lock().refresh |= again;
        self.failures = if again { self.failures.saturating_add(1) } else { 0 };
        if self.succeeded.elapsed() >= REBOOTSTRAP_AFTER {
            self.succeeded = self.fetched;
            client.rebootstrap();
        }
    }

    fn note_failure(&self, error: &str) {
        tracing::warn!(error, "metadata could not be refreshed");
        *self.metadata.last_error.lock() = Some(error.into());
    }

    /// Takes an answer over; says whether one should soon look again.
    fn apply(&self, answer: &MetadataResponse) -> bool {
        let next = Arc::new(self.metadata.cluster().after(answer));
        self.metadata.snapshot.send_replace(Arc::clone(&next));
        let mut wanted = self.metadata.wanted.lock();
        // Whoever asks for a topic that does not exist has had the answer; asking on would never end.
        wanted.topics.retain(|name| {
            let found = next.topics.get(name);
            found.is_none_or(|t| !t.partitions.is_empty() || !is_settled(t))
        });
        !wanted.topics.iter().all(|name| next.topics.get(name).is_some_and(|t| is_settled(t)))
    }
}

/// Whether asking again soon would tell nothing new about a topic.
fn is_settled(topic: &Topic) -> bool {
    match topic.error {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => topic.unknown_in_a_row >= UNKNOWN_TOPIC_TRIES,
        code if code.is_ok() => topic.partitions.iter().all(|p| p.leader.is_some()),
        code => !code.is_retriable(),
    }
}

/// The request for these topics, or for all.
pub(crate) fn request(topics: Option<BTreeSet<Arc<str>>>, auto_create: bool) -> MetadataRequest {
    let topics = topics.map(|names| {
        let topic = |name: Arc<str>| MetadataRequestTopic {
            name: Some((*name).into()),
            ..MetadataRequestTopic::default()
        };
        names.into_iter().map(topic).collect()
    });
    MetadataRequest { topics, allow_auto_topic_creation: auto_create, ..MetadataRequest::default() }
}

/// How long to wait after `failures` failures in a row: exponential, with ±20 % of jitter (KIP-580).
pub(crate) fn backoff(base: Duration, max: Duration, failures: u32) -> Duration {
    let exponential = base.saturating_mul(1 << failures.min(16).saturating_sub(1));
    exponential.min(max).mul_f64(0.8 + 0.4 * fastrand::f64())
}
