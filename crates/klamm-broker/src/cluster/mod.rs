//! Everything the nodes of one broker share: topics, groups, settings, time.

mod cap;
mod configs;
mod group_configs;
mod internal;
mod leaders;
mod logs;
mod topics;

pub(crate) use self::group_configs::ShareSettings;
pub(crate) use self::internal::InternalTopic;
pub(crate) use self::leaders::Move;
pub(crate) use self::logs::OpenFailed;
pub(crate) use self::topics::NewTopic;

use self::cap::Cap;
use self::group_configs::GroupConfigs;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::coordinators::Coordinators;
use crate::fault::Faults;
use crate::fetch::FetchSessions;
use crate::groups::Groups;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::quotas::Quotas;
use crate::release::Release;
use crate::request_log::RequestLog;
use crate::security::Security;
use crate::server::{Pieces, RequestBuffers, RequestMemory};
use crate::shares::Shares;
use crate::stale_metadata::StaleMetadata;
use crate::topics::Topics;
use crate::transactions::Transactions;
use klamm_log::Durability;
use klamm_log::storage::Storage;
use klamm_protocol::primitives::{Str, Uuid};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use tokio::sync::Notify;

/// The state behind every listener.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Stays the same for a data directory.
    pub(crate) id: Str,
    pub(crate) release: Release,
    pub(crate) clock: Clock,
    pub(crate) nodes: Nodes,
    pub(crate) topics: Topics,
    pub(crate) fetch_sessions: Mutex<FetchSessions>,
    pub(crate) durability: Durability,
    /// The directory everything is in, or a name that says that there is none.
    pub(crate) place: String,
    /// Told when something was appended that is to be on the disk.
    pub(crate) written: Arc<Notify>,
    pub(crate) journal: Journal,
    pub(crate) transactions: Transactions,
    pub(crate) groups: Groups,
    pub(crate) coordinators: Coordinators,
    pub(crate) stale_metadata: StaleMetadata,
    pub(crate) shares: Shares,
    pub(crate) faults: Faults,
    pub(crate) request_log: RequestLog,
    cap: Cap,
    pub(crate) metrics: Metrics,
    pub(crate) security: Security,
    /// What large requests share.
    pub(crate) memory: RequestMemory,
    pub(crate) buffers: Arc<RequestBuffers>,
    /// What large answers go through.
    pub(crate) pieces: Arc<Pieces>,
    storage: Arc<dyn Storage>,
    config: RwLock<Arc<BrokerConfig>>,
    group_configs: GroupConfigs,
    pub(crate) quotas: Quotas,
    /// Held while topics are made, changed or deleted, so that what was checked still holds when it is done.
    changing: Mutex<()>,
}

impl Cluster {
    /// Opens what is in the storage.
    ///
    /// # Errors
    /// [`OpenFailed`], with what cannot be read.
    #[expect(clippy::too_many_arguments, reason = "each is given once, by the builder")]
    pub(crate) fn open(
        config: BrokerConfig,
        release: Release,
        storage: Arc<dyn Storage>,
        durability: Durability,
        place: String,
        nodes: Nodes,
        request_log: RequestLog,
        security: Security,
    ) -> Result<Self, OpenFailed> {
        let written = Arc::new(Notify::new());
        let metrics = Metrics::default();
        let journal = logs::open_journal(&storage, durability, &written, &metrics.storing)?;
        let clock = Clock::new();
        let transactions = Transactions::open(&config, &journal)?;
        let groups = Groups::open(&config, &journal, clock.now_ms())?;
        let shares = Shares::open(&journal).map_err(OpenFailed::Entry)?;
        let cluster = Self {
            id: logs::cluster_id(&journal)?,
            release,
            clock,
            nodes,
            topics: Topics::default(),
            fetch_sessions: Mutex::default(),
            durability,
            place,
            written,
            journal,
            transactions,
            groups,
            coordinators: Coordinators::default(),
            stale_metadata: StaleMetadata::default(),
            shares,
            faults: Faults::default(),
            request_log,
            cap: Cap::default(),
            metrics,
            memory: RequestMemory::new(security.limits.request_memory_bytes),
            buffers: Arc::default(),
            pieces: Arc::default(),
            security,
            storage,
            config: RwLock::new(Arc::new(config)),
            group_configs: GroupConfigs::default(),
            quotas: Quotas::default(),
            changing: Mutex::new(()),
        };
        cluster.restore()?;
        let groups = cluster.restore_group_configs();
        groups.map_err(|error| OpenFailed::Entry(error.to_string()))?;
        let quotas = cluster.quotas.restore(&cluster.journal);
        quotas.map_err(|error| OpenFailed::Entry(error.to_string()))?;
        cluster.transactions.start(&cluster).map_err(|_| OpenFailed::Write)?;
        cluster.security.restore(&cluster.journal).map_err(|e| OpenFailed::Entry(e.to_string()))?;
        Ok(cluster)
    }

    /// Whether requests are judged and noted, rather than only answered.
    pub(crate) fn is_observed(&self) -> bool {
        self.faults.any() || self.request_log.is_on()
    }

    /// The settings in force.
    pub(crate) fn config(&self) -> Arc<BrokerConfig> {
        self.config.read().clone()
    }
}

/// A version 4 UUID, as Kafka makes them for topics.
fn random_id() -> Uuid {
    let mut bytes: [u8; 16] = fastrand::u128(..).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}
