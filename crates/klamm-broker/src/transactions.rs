//! The transaction coordinator at work: one lock, the journal, and markers in the partitions.
//!
//! Locks are taken in this order: transactions, groups, journal, partition.

mod markers;

use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::handler::Context;
use crate::journal::Journal;
use crate::transaction::{Coordinator, Effect, Limits, RestoreError};
use klamm_protocol::error_code::ErrorCode;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Keys of the journal that belong to transactions and producer ids.
const JOURNAL: &str = "txn/";
/// How often transactions are looked at for their timeouts, in ms of the broker's clock.
const TICK_MS: i64 = 1000;

/// All transactional ids of the broker, and the ids of producers.
#[derive(Debug)]
pub(crate) struct Transactions {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    coordinator: Coordinator,
    limits: Limits,
    /// An effect failed: what the coordinator believes and what is written may differ.
    astray: bool,
}

impl Transactions {
    /// What the journal knows; transactions that a crash left half ended are ended by [`Transactions::start`].
    ///
    /// # Errors
    /// [`RestoreError`] for an entry that cannot be read.
    pub(crate) fn open(config: &BrokerConfig, journal: &Journal) -> Result<Self, RestoreError> {
        let limits = Limits {
            max_timeout_ms: config.transaction_max_timeout_ms,
            expiration_ms: i64::from(config.transactional_id_expiration_ms),
        };
        let coordinator = restored(limits, journal)?;
        Ok(Self { inner: Mutex::new(Inner { coordinator, limits, astray: false }) })
    }

    /// Writes the markers that a crash kept from being written.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR
    pub(crate) fn start(&self, cluster: &Cluster) -> Result<(), ErrorCode> {
        self.inner.lock().carry_out(cluster)
    }

    /// Has it begin again from what is in the journal before it does anything else, as after a restart.
    pub(crate) fn forget(&self) {
        self.inner.lock().astray = true;
    }

    /// Has the coordinator do something and carries out what follows from it.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR when that failed; what was decided may or may not be found after a restart.
    pub(crate) fn act<R>(
        &self,
        cluster: &Cluster,
        action: impl FnOnce(&mut Coordinator) -> R,
    ) -> Result<R, ErrorCode> {
        let mut inner = self.inner.lock();
        inner.find_back(cluster)?;
        let result = action(&mut inner.coordinator);
        inner.carry_out(cluster)?;
        Ok(result)
    }

    /// Has the coordinator allow something, and does it before anybody else can change its mind.
    ///
    /// # Errors
    /// What `allow` says, and as [`Transactions::act`].
    pub(crate) fn act_then<R>(
        &self,
        cluster: &Cluster,
        allow: impl FnOnce(&mut Coordinator) -> Result<(), ErrorCode>,
        then: impl FnOnce() -> R,
    ) -> Result<R, ErrorCode> {
        let mut inner = self.inner.lock();
        inner.find_back(cluster)?;
        let allowed = allow(&mut inner.coordinator);
        inner.carry_out(cluster)?;
        allowed.map(|()| then())
    }

    /// How many transactional ids are in each state, by Kafka's names.
    pub(crate) fn count_by_state(&self) -> BTreeMap<&'static str, usize> {
        self.inner.lock().coordinator.count_by_state()
    }

    /// Aborts what takes too long, until `stop` says true.
    pub(crate) async fn run(cluster: Arc<Cluster>, mut stop: watch::Receiver<bool>) {
        loop {
            let due = cluster.clock.now_ms() + TICK_MS;
            tokio::select! {
                _ = stop.changed() => return,
                () = cluster.clock.sleep_until(due) => {}
            }
            let now_ms = cluster.clock.now_ms();
            if let Err(code) = cluster.transactions.act(&cluster, |c| c.handle_tick(now_ms)) {
                tracing::error!(?code, "overdue transactions could not be aborted");
            }
        }
    }
}

fn restored(limits: Limits, journal: &Journal) -> Result<Coordinator, RestoreError> {
    let mut coordinator = Coordinator::new(limits);
    for (key, value) in journal.entries(JOURNAL) {
        coordinator.restore(&key, Some(&value))?;
    }
    coordinator.start();
    Ok(coordinator)
}

impl Inner {
    /// After a failure: begins again from what is written.
    fn find_back(&mut self, cluster: &Cluster) -> Result<(), ErrorCode> {
        if self.astray {
            self.coordinator = restored(self.limits, &cluster.journal).map_err(|error| {
                tracing::error!(%error, "transactions cannot be restored");
                ErrorCode::KAFKA_STORAGE_ERROR
            })?;
            self.astray = false;
            self.carry_out(cluster)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, cluster: &Cluster) -> Result<(), ErrorCode> {
        let done = self.effects(cluster);
        self.astray |= done.is_err();
        done
    }

    fn effects(&mut self, cluster: &Cluster) -> Result<(), ErrorCode> {
        let now_ms = cluster.clock.now_ms();
        let mut written = false;
        while let Some(effect) = self.coordinator.poll_effect() {
            match effect {
                Effect::Journal { key, value } => {
                    let change = (format!("{JOURNAL}{key}"), value);
                    cluster.journal.write(vec![change], now_ms)?;
                    written = true;
                }
                Effect::WriteMarkers(markers) => {
                    // A decision is certain before anybody can see it.
                    cluster.make_certain(cluster.journal.partition())?;
                    cluster.write_markers(&markers, now_ms)?;
                    self.coordinator.handle_markers_written(markers.token, now_ms);
                }
            }
        }
        if written { cluster.make_certain(cluster.journal.partition()) } else { Ok(()) }
    }
}

impl Context {
    /// Has the transaction coordinator do something and carries out what follows from it.
    ///
    /// # Errors
    /// NOT_COORDINATOR when another node is in charge of the id, COORDINATOR_LOAD_IN_PROGRESS, KAFKA_STORAGE_ERROR.
    pub(crate) fn transact<R>(
        &self,
        id: &str,
        action: impl FnOnce(&mut Coordinator) -> R,
    ) -> Result<R, ErrorCode> {
        self.check_transaction_coordinator(id)?;
        self.cluster.transactions.act(&self.cluster, action)
    }
}
