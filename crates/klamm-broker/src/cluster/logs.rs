//! Opening, cleaning and closing the logs, and what the journal says of them.

use super::{Cluster, random_id};
use crate::config::{BrokerConfig, Overrides, SettingError, TopicConfig};
use crate::group::RestoreError;
use crate::journal::{self, Journal, JournalError};
use crate::partition::Partition;
use crate::topics::{Topic, TopicError};
use crate::transaction;
use klamm_log::storage::Storage;
use klamm_log::{Durability, Log, LogConfig, LogError, Recovery};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::{Str, Uuid};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use tokio::sync::Notify;

/// Keys of the journal: one for each topic, and single ones.
const TOPICS: &str = "topic/";
const CLUSTER_ID: &str = "cluster-id";
const SETTINGS: &str = "settings";

/// Why what the storage holds cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFailed {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the broker's journal has an entry that this version cannot read: {0}")]
    Entry(String),
    #[error("the broker's journal has a group that this version cannot read: {0}")]
    Group(#[from] RestoreError),
    #[error("the broker's journal has a transaction that this version cannot read: {0}")]
    Transaction(#[from] transaction::RestoreError),
    #[error("{0}")]
    Topic(#[from] TopicError),
    #[error("the broker's journal cannot be written")]
    Write,
}

/// What the journal says of a topic.
#[derive(Debug, Serialize, Deserialize)]
struct TopicEntry {
    id: [u8; 16],
    /// Replicas of each partition.
    partitions: Vec<Vec<i32>>,
    settings: Overrides,
}

/// Opens the journal's own log.
pub(super) fn open_journal(
    storage: &Arc<dyn Storage>,
    durability: Durability,
    written: &Arc<Notify>,
) -> Result<Journal, OpenFailed> {
    let mut config = LogConfig::default();
    config.retention_ms = None;
    config.segment_bytes = 64 << 20;
    config.sync_names = durability == Durability::Always;
    let (log, recovery) = Log::open(storage.clone(), journal::DIR, config)?;
    report(journal::DIR, &recovery);
    let topic = Str::from_static(journal::DIR);
    let partition = Partition::new(topic, 0, vec![0], log, durability, written.clone());
    Ok(Journal::open(Arc::new(partition))?)
}

/// The id of the cluster; made when there is none.
pub(super) fn cluster_id(journal: &Journal) -> Result<Str, OpenFailed> {
    if let Some((_, id)) = journal.entries(CLUSTER_ID).into_iter().next() {
        return Str::from_utf8(id).map_err(|e| OpenFailed::Entry(e.to_string()));
    }
    let id = random_id().to_string();
    let change = (CLUSTER_ID.to_owned(), Some(id.clone().into_bytes()));
    journal.write(vec![change], 0).map_err(|_| OpenFailed::Write)?;
    Ok(Str::from(id))
}

impl Cluster {
    /// Every log there is, the journal's included.
    pub(crate) fn logs(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics.all();
        let partitions = topics.iter().flat_map(|topic| topic.partitions());
        partitions.chain([self.journal.partition().clone()]).collect()
    }

    /// Removes what is too old or too much, from every topic; returns the bytes.
    pub(crate) fn retain(&self) -> u64 {
        let (now_ms, mut bytes) = (self.clock.now_ms(), 0);
        for partition in self.topics.all().iter().flat_map(|topic| topic.partitions()) {
            match partition.clean(now_ms) {
                Ok(retained) => bytes += retained.bytes,
                Err(error) => {
                    let (topic, index) = (partition.topic().as_str(), partition.index());
                    tracing::error!(topic, partition = index, %error, "old segments could not be removed");
                }
            }
        }
        bytes
    }

    /// Writes everything out, so that the next start need not look at every record.
    pub(crate) fn close(&self) -> io::Result<()> {
        let closed: Vec<io::Result<()>> = self.logs().iter().map(|log| log.close()).collect();
        closed.into_iter().collect()
    }

    /// Opens every topic the journal names.
    pub(super) fn restore(&self) -> Result<(), OpenFailed> {
        let wrong = |error: String| OpenFailed::Entry(error);
        if let Some((_, settings)) = self.journal.entries(SETTINGS).into_iter().next() {
            let dynamic = serde_json::from_slice(&settings).map_err(|e| wrong(e.to_string()))?;
            let config = self.config().with_dynamic(dynamic).map_err(|e| wrong(e.to_string()))?;
            *self.config.write() = Arc::new(config);
        }
        for (name, entry) in self.journal.entries(TOPICS) {
            let entry: TopicEntry =
                serde_json::from_slice(&entry).map_err(|e| wrong(format!("topic {name}: {e}")))?;
            let config = TopicConfig::new(&entry.settings, &self.config());
            let config = config.map_err(|error| wrong(format!("topic {name}: {error}")))?;
            let topic = Str::from(name);
            let nodes = self.nodes.ids();
            // A broker may come back with fewer nodes.
            let known = |replicas: Vec<i32>| match replicas.iter().all(|id| nodes.contains(id)) {
                true => replicas,
                false => nodes.iter().take(replicas.len()).copied().collect(),
            };
            let assignment = entry.partitions.into_iter().map(known).collect();
            let partitions = self.partitions(&self.storage, &topic, 0, assignment, &config)?;
            let id = Uuid::from_bytes(entry.id);
            let topic = Topic::new(topic, id, partitions, entry.settings, Arc::new(config));
            self.topics.insert(Arc::new(topic));
        }
        Ok(())
    }

    /// Opens the logs of partitions from `first` on.
    pub(super) fn partitions(
        &self,
        storage: &Arc<dyn Storage>,
        topic: &Str,
        first: usize,
        assignment: Vec<Vec<i32>>,
        config: &TopicConfig,
    ) -> Result<Vec<Arc<Partition>>, TopicError> {
        let config = self.log_config(config);
        let open = |(index, replicas): (usize, Vec<i32>)| {
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            let dir = format!("{}-{index}", topic.as_str());
            let (log, recovery) = Log::open(storage.clone(), &dir, config.clone())
                .map_err(|error| TopicError::Storage(error.to_string()))?;
            report(&dir, &recovery);
            let (topic, written) = (topic.clone(), self.written.clone());
            let partition = Partition::new(topic, index, replicas, log, self.durability, written);
            Ok(Arc::new(partition))
        };
        (first..).zip(assignment).map(open).collect()
    }

    /// What a topic's settings mean for its logs.
    pub(super) fn log_config(&self, config: &TopicConfig) -> LogConfig {
        let mut config = config.log(self.durability == Durability::Always);
        config.segment_bytes = config.segment_bytes.min(self.segment_limit());
        config.producer_id_expiration_ms = i64::from(self.config().producer_id_expiration_ms);
        config
    }

    /// Writes down what a topic is now.
    pub(super) fn remember(&self, topic: &Topic) -> Result<(), TopicError> {
        let partitions = topic.partitions().into_iter();
        let entry = TopicEntry {
            id: topic.id().to_bytes(),
            partitions: partitions.map(|partition| partition.replicas().to_vec()).collect(),
            settings: topic.overrides(),
        };
        let value = serde_json::to_vec(&entry).map_err(|e| TopicError::Storage(e.to_string()))?;
        let change = (format!("{TOPICS}{}", topic.name().as_str()), Some(value));
        self.write_now(change).map_err(|code| TopicError::Storage(code.to_string()))
    }

    /// Writes down that a topic is no more.
    pub(super) fn forget(&self, topic: &Topic) -> Result<(), ErrorCode> {
        self.write_now((format!("{TOPICS}{}", topic.name().as_str()), None))
    }

    /// Writes down what was set for the broker while it runs.
    pub(super) fn remember_settings(&self, config: &BrokerConfig) -> Result<(), SettingError> {
        let failed = |why: String| SettingError::Storage(why);
        let value = serde_json::to_vec(&config.dynamic).map_err(|e| failed(e.to_string()))?;
        let written = self.write_now((SETTINGS.to_owned(), Some(value)));
        written.map_err(|code| failed(code.to_string()))
    }

    /// Topics and settings are rare and everything depends on them: they are on the disk when they are acknowledged.
    fn write_now(&self, change: journal::Change) -> Result<(), ErrorCode> {
        self.journal.write(vec![change], self.clock.now_ms())?;
        match self.durability {
            Durability::Memory => Ok(()),
            _ => self.journal.partition().flush_now(),
        }
    }
}

/// Says what a crash or a disk has done to a log.
fn report(dir: &str, recovery: &Recovery) {
    if recovery.truncated_bytes > 0 {
        let bytes = recovery.truncated_bytes;
        tracing::warn!(log = dir, bytes, "cut off an append that a crash had interrupted");
    }
    for damage in &recovery.quarantined {
        let (bytes, from, upto) = (damage.bytes, damage.from_offset, damage.upto_offset);
        let file = damage.file.as_str();
        tracing::error!(log = dir, bytes, from, upto, file, "moved damaged bytes out of a log");
    }
}
