//! The group coordinator at work: one lock, the broker's clock, the journal, and requests that wait.

use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::group::{
    Assignor, Caller, Coordinator, GroupConfig, Reply, RestoreError, Summary, TopicView,
};
use crate::handler::Context;
use crate::journal::{Change, Journal};
use crate::topics::{Topic, Topics};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::{Str, Uuid};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot, watch};

/// Keys of the journal that belong to groups.
const JOURNAL: &str = "group/";

/// All groups of the broker.
#[derive(Debug)]
pub(crate) struct Groups {
    inner: Mutex<Inner>,
    /// Told when the next deadline is another than before.
    rearmed: Notify,
}

#[derive(Debug)]
struct Inner {
    config: GroupConfig,
    coordinator: Coordinator,
    waiters: BTreeMap<u64, oneshot::Sender<Reply>>,
    last_waiter: u64,
}

impl Groups {
    /// The groups that the journal knows.
    ///
    /// # Errors
    /// [`RestoreError`] for an entry that cannot be read.
    pub(crate) fn open(
        config: &BrokerConfig,
        journal: &Journal,
        now_ms: i64,
    ) -> Result<Self, RestoreError> {
        let config = group_config(config);
        let coordinator = restored(config.clone(), journal, now_ms)?;
        let inner = Inner { config, coordinator, waiters: BTreeMap::new(), last_waiter: 0 };
        Ok(Self { inner: Mutex::new(inner), rearmed: Notify::new() })
    }

    /// Forgets what is not in the journal - who waits, and how far rebalances have come - as a restart does.
    ///
    /// # Errors
    /// As [`Groups::open`]; nothing is forgotten then.
    pub(crate) fn reopen(
        &self,
        config: &BrokerConfig,
        journal: &Journal,
        now_ms: i64,
    ) -> Result<(), RestoreError> {
        let mut inner = self.inner.lock();
        inner.config = group_config(config);
        inner.find_back(journal, now_ms)?;
        drop(inner);
        self.rearmed.notify_one();
        Ok(())
    }

    /// Asks the coordinator something that changes nothing.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Coordinator) -> R) -> R {
        look(&self.inner.lock().coordinator)
    }

    /// Has the coordinator do something; returns what it gives and what to wait for in the journal.
    pub(crate) fn act<R>(
        &self,
        journal: &Journal,
        now_ms: i64,
        action: impl FnOnce(&mut Coordinator) -> R,
    ) -> (R, Result<i64, ErrorCode>) {
        self.act_as(journal, now_ms, |inner| action(&mut inner.coordinator))
    }

    fn act_as<R>(
        &self,
        journal: &Journal,
        now_ms: i64,
        action: impl FnOnce(&mut Inner) -> R,
    ) -> (R, Result<i64, ErrorCode>) {
        let mut inner = self.inner.lock();
        let due = inner.coordinator.poll_timeout();
        let result = action(&mut inner);
        // Under the lock: changes are written in the order in which they happened.
        let written = journal.write(inner.changes(), now_ms);
        if written.is_err()
            && let Err(error) = inner.find_back(journal, now_ms)
        {
            tracing::error!(%error, "groups cannot be restored");
        }
        inner.answer();
        if inner.coordinator.poll_timeout() != due {
            self.rearmed.notify_one();
        }
        (result, written)
    }

    /// How groups stand, with at most so many of their offsets.
    pub(crate) fn summary(&self, offsets: usize) -> Summary {
        self.inner.lock().coordinator.summary(offsets)
    }

    /// Ends what runs out of time, until `stop` says true.
    pub(crate) async fn run(cluster: Arc<Cluster>, mut stop: watch::Receiver<bool>) {
        let groups = &cluster.groups;
        loop {
            let due = groups.inner.lock().coordinator.poll_timeout();
            tokio::select! {
                _ = stop.changed() => return,
                () = groups.rearmed.notified() => continue,
                () = cluster.clock.sleep_until(due.unwrap_or(i64::MAX)), if due.is_some() => {}
            }
            let now_ms = cluster.clock.now_ms();
            let ((), written) = groups.act(&cluster.journal, now_ms, |c| c.handle_timeout(now_ms));
            if let Err(code) = written {
                tracing::error!(?code, "what became of groups could not be written down");
            }
        }
    }
}

fn restored(
    config: GroupConfig,
    journal: &Journal,
    now_ms: i64,
) -> Result<Coordinator, RestoreError> {
    let mut coordinator = Coordinator::new(config, fastrand::u64(..));
    for (key, value) in journal.entries(JOURNAL) {
        coordinator.restore(now_ms, &key, &value)?;
    }
    Ok(coordinator)
}

impl Inner {
    /// Begins again from what is written: what a failed write was to tell has not happened, and nobody may build on it.
    fn find_back(&mut self, journal: &Journal, now_ms: i64) -> Result<(), RestoreError> {
        self.coordinator = restored(self.config.clone(), journal, now_ms)?;
        self.waiters.clear();
        Ok(())
    }

    fn changes(&mut self) -> Vec<Change> {
        let changes = std::iter::from_fn(|| self.coordinator.poll_change());
        changes.map(|change| (format!("{JOURNAL}{}", change.key()), change.value())).collect()
    }

    fn answer(&mut self) {
        while let Some((waiter, reply)) = self.coordinator.poll_reply() {
            if let Some(sender) = self.waiters.remove(&waiter) {
                // A receiver that is gone has forgotten its request a moment ago.
                let _ = sender.send(reply);
            }
        }
    }
}

/// A request that waits for its answer; dropped before, it is forgotten.
struct Waiting<'a> {
    cluster: &'a Cluster,
    waiter: u64,
    reply: oneshot::Receiver<Reply>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let now_ms = self.cluster.clock.now_ms();
        let forgotten = self.cluster.groups.act_as(&self.cluster.journal, now_ms, |inner| {
            if inner.waiters.remove(&self.waiter).is_some() {
                inner.coordinator.forget(now_ms, self.waiter);
            }
        });
        if let ((), Err(code)) = forgotten {
            tracing::error!(?code, "the departure of a member could not be written down");
        }
    }
}

impl Context {
    /// Has the coordinator do something, and waits until what it did is as safe as the broker promises.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR when it could not be written down.
    pub(crate) async fn coordinate<R>(
        &self,
        action: impl FnOnce(&mut Coordinator) -> R,
    ) -> Result<R, ErrorCode> {
        let cluster = &self.cluster;
        let (result, written) = cluster.groups.act(&cluster.journal, self.now_ms(), action);
        cluster.journal.durable(written?).await?;
        Ok(result)
    }

    /// Like [`Context::coordinate`], for requests that may have to wait for other members.
    ///
    /// # Errors
    /// The answer that came later; the code when nothing could be written down.
    pub(crate) async fn coordinate_waiting<R>(
        &self,
        action: impl FnOnce(&mut Coordinator, Caller<'_>) -> Option<R>,
        late: impl FnOnce(Reply) -> Option<R>,
    ) -> Result<R, ErrorCode> {
        let cluster = &self.cluster;
        let host = self.session.host();
        let (sender, reply) = oneshot::channel();
        let ((waiter, result), written) =
            cluster.groups.act_as(&cluster.journal, self.now_ms(), |inner| {
                inner.last_waiter += 1;
                let waiter = inner.last_waiter;
                let caller = Caller { client_id: &self.client_id, client_host: &host, waiter };
                let result = action(&mut inner.coordinator, caller);
                if result.is_none() {
                    inner.waiters.insert(waiter, sender);
                }
                (waiter, result)
            });
        if let Some(result) = result {
            cluster.journal.durable(written?).await?;
            return Ok(result);
        }
        let mut waiting = Waiting { cluster, waiter, reply };
        let reply = self.hold.during(&mut waiting.reply).await;
        let reply = reply.map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        late(reply).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)
    }
}

impl Cluster {
    /// A topic has been deleted, and with it what groups have committed in it.
    pub(crate) fn forget_offsets(&self, topic: &Topic) {
        let now_ms = self.clock.now_ms();
        let name = topic.name();
        let ((), written) = self.groups.act(&self.journal, now_ms, |c| c.topic_deleted(name));
        if let Err(code) = written {
            tracing::error!(topic = name.as_str(), ?code, "offsets of a deleted topic are left");
        }
    }
}

fn group_config(config: &BrokerConfig) -> GroupConfig {
    let defaults = GroupConfig::default();
    let size = |members: i32| usize::try_from(members).unwrap_or(usize::MAX);
    GroupConfig {
        min_session_timeout_ms: config.group_min_session_timeout_ms,
        max_session_timeout_ms: config.group_max_session_timeout_ms,
        initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms,
        max_group_size: size(config.group_max_size).min(defaults.max_group_size),
        offsets_retention_ms: i64::from(config.offsets_retention_minutes).saturating_mul(60_000),
        consumer_heartbeat_interval_ms: config.group_consumer_heartbeat_interval_ms,
        consumer_session_timeout_ms: config.group_consumer_session_timeout_ms,
        consumer_max_size: size(config.group_consumer_max_size).min(defaults.consumer_max_size),
        consumer_assignors: assignors(&config.group_consumer_assignors),
        share_session_timeout_ms: config.group_share_session_timeout_ms,
        share_max_size: size(config.group_share_max_size),
        ..defaults
    }
}

fn assignors(names: &str) -> Vec<Assignor> {
    names.split(',').filter_map(|name| Assignor::by_name(name.trim())).collect()
}

impl TopicView for Topics {
    fn names(&self) -> Vec<Str> {
        self.all().iter().map(|topic| topic.name().clone()).collect()
    }

    fn id(&self, name: &str) -> Option<Uuid> {
        self.get(name).map(|topic| topic.id())
    }

    fn name(&self, id: Uuid) -> Option<Str> {
        self.by_id(id).map(|topic| topic.name().clone())
    }

    fn partition_count(&self, name: &str) -> Option<i32> {
        let count = self.get(name)?.partition_count();
        Some(i32::try_from(count).unwrap_or(i32::MAX))
    }
}
