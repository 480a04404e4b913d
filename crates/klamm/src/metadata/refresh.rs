//! The task that keeps the metadata cache fresh.

use super::Metadata;
use crate::client::ClientInner;
use crate::connection::RequestError;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::{MetadataRequest, MetadataResponse};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// What callers have asked for since the last look.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) refresh: bool,
    /// Topics to ask about from now on.
    pub(crate) topics: BTreeSet<Arc<str>>,
}

/// The loop; it ends with the client.
pub(crate) struct Refresher {
    metadata: Arc<Metadata>,
    client: Weak<ClientInner>,
}

impl Refresher {
    pub(crate) fn new(metadata: Arc<Metadata>, client: Weak<ClientInner>) -> Self {
        Self { metadata, client }
    }

    pub(crate) async fn run(self) {
        let mut failures = 0;
        let mut fetched = Instant::now();
        loop {
            let Some(client) = self.client.upgrade() else { return };
            let (backoff, max_age) = (client.backoff(failures), client.config.metadata_max_age);
            drop(client);
            // However often it is asked for, the cluster is asked once per backoff.
            tokio::time::sleep_until(fetched + backoff).await;
            let age = max_age.saturating_sub(fetched.elapsed());
            if !std::mem::take(&mut self.metadata.wanted.lock().refresh) {
                let _ = tokio::time::timeout(age, self.metadata.wake.notified()).await;
            }
            self.metadata.wanted.lock().refresh = false;
            let Some(client) = self.client.upgrade() else { return };
            let topics = self.metadata.wanted.lock().topics.clone();
            let result = client.fetch_metadata(Some(topics)).await;
            fetched = Instant::now();
            failures = self.handle(&client, result, failures);
        }
    }

    fn handle(
        &self,
        client: &ClientInner,
        result: Result<MetadataResponse, RequestError>,
        failures: u32,
    ) -> u32 {
        match result {
            Ok(answer) if ErrorCode(answer.error_code) == ErrorCode::REBOOTSTRAP_REQUIRED => {
                client.rebootstrap();
                self.metadata.wanted.lock().refresh = true;
                failures + 1
            }
            Ok(answer) => {
                *self.metadata.last_error.lock() = None;
                let leaderless = self.apply(&answer);
                self.metadata.wanted.lock().refresh |= leaderless;
                if leaderless { failures.saturating_add(1).min(4) } else { 0 }
            }
            Err(error) => {
                tracing::warn!(%error, "metadata could not be refreshed");
                *self.metadata.last_error.lock() = Some(error.to_string().into());
                self.metadata.wanted.lock().refresh = true;
                failures.saturating_add(1)
            }
        }
    }

    /// Takes an answer over; says whether some partition has no leader, so that one should look again.
    fn apply(&self, answer: &MetadataResponse) -> bool {
        let before = self.metadata.cluster();
        if let (Some(ours), Some(theirs)) = (&before.cluster_id, &answer.cluster_id)
            && **ours != *theirs.as_str()
        {
            let (ours, theirs) = (&**ours, theirs.as_str());
            tracing::error!(
                ours,
                theirs,
                "a broker of another cluster answered; its answer is not used"
            );
            return true;
        }
        let next = Arc::new(before.after(answer));
        let wanted = self.metadata.wanted.lock().topics.clone();
        let complete = |name: &Arc<str>| {
            next.topics
                .get(name)
                .is_some_and(|t| t.error.is_ok() && t.partitions.iter().all(|p| p.leader.is_some()))
        };
        let incomplete = !wanted.iter().all(complete);
        self.metadata.snapshot.send_replace(next);
        incomplete
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
