//! Opening, cleaning and closing the logs, and what the journal says of them.

use super::leaders::Leadership;
use super::{Cluster, random_id};
use crate::config::{BrokerConfig, Overrides, SettingError, TopicConfig};
use crate::group::RestoreError;
use crate::journal::{self, Journal, JournalError};
use crate::metrics::Storing;
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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::sync::Notify;

/// Keys of the journal: one for each topic, and single ones.
const TOPICS: &str = "topic/";
const CLUSTER_ID: &str = "cluster-id";
const SETTINGS: &str = "settings";

/// Logs that are closed at a time: each is a few small files, and nearly all of the time goes into waiting for the disk.
const CLOSING: usize = 16;

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
    /// Leader and leader epoch of each partition.
    #[serde(default)]
    leaders: Vec<Leadership>,
    settings: Overrides,
}

/// Opens the journal's own log.
pub(super) fn open_journal(
    storage: &Arc<dyn Storage>,
    durability: Durability,
    written: &Arc<Notify>,
    storing: &Storing,
) -> Result<Journal, OpenFailed> {
    let mut config = LogConfig::default();
    config.retention_ms = None;
    config.segment_bytes = 64 << 20;
    // What it says is certain when it is acknowledged, with any durability: so are the names of its files.
    config.sync_names = durability != Durability::Memory;
    let (log, recovery) = Log::open(storage.clone(), journal::DIR, config)?;
    report(journal::DIR, &recovery);
    storing.recovered(&recovery);
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

    /// What keeps records from being written, and where, as far as it is known.
    pub(crate) fn storage_trouble(&self) -> Option<String> {
        self.logs().iter().find_map(|log| {
            let why = log.trouble()?;
            Some(format!("{}-{}: {why}", log.topic().as_str(), log.index()))
        })
    }

    /// Compacts the topics that want it, where enough has been written since the last time.
    pub(crate) fn compact(&self) {
        let now_ms = self.clock.now_ms();
        for partition in self.topics.all().iter().flat_map(|topic| topic.partitions()) {
            if let Err(error) = partition.compact(now_ms) {
                let (topic, index) = (partition.topic().as_str(), partition.index());
                tracing::error!(topic, partition = index, %error, "a log could not be compacted");
            }
        }
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
        let (logs, next) = (self.logs(), AtomicUsize::new(0));
        let close = || {
            let mut closed = Ok(());
            while let Some(log) = logs.get(next.fetch_add(1, Ordering::Relaxed)) {
                closed = closed.and(log.close());
            }
            closed
        };
        thread::scope(|scope| {
            let count = logs.len().min(CLOSING);
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(close)).collect();
            let lost = |_| Err(io::Error::other("a thread that closes logs is gone"));
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(lost))
                .fold(Ok(()), Result::and)
        })
    }

    /// Opens every topic the journal names.
    pub(super) fn restore(&self) -> Result<(), OpenFailed> {
        let wrong = |error: String| OpenFailed::Entry(error);
        if let Some((_, settings)) = self.journal.entries(SETTINGS).into_iter().next() {
            let dynamic = serde_json::from_slice(&settings).map_err(|e| wrong(e.to_string()))?;
            let config = self.config().with_dynamic(dynamic).map_err(|e| wrong(e.to_string()))?;
            *self.config.write() = Arc::new(config);
        }
        let mut begun = Vec::new();
        for (name, entry) in self.journal.entries(TOPICS) {
            let entry: TopicEntry =
                serde_json::from_slice(&entry).map_err(|e| wrong(format!("topic {name}: {e}")))?;
            let config = TopicConfig::new(&entry.settings, &self.config());
            let config = config.map_err(|error| wrong(format!("topic {name}: {error}")))?;
            let topic = self.reopen(Str::from(name), &entry, config)?;
            let leaders: Vec<Leadership> = topic.partitions().iter().map(|p| p.leader()).collect();
            if leaders != entry.leaders {
                begun.push(Self::entry(&topic, leaders)?);
            }
            self.topics.insert(Arc::new(topic));
        }
        // Nobody has seen the new epochs yet.
        self.write_now(begun).map_err(|_| OpenFailed::Write)
    }

    /// Opens the logs of a topic the journal names.
    fn reopen(
        &self,
        name: Str,
        entry: &TopicEntry,
        config: TopicConfig,
    ) -> Result<Topic, TopicError> {
        let nodes = self.nodes.ids();
        // A broker may come back with fewer nodes.
        let known = |replicas: &Vec<i32>| match replicas.iter().all(|id| nodes.contains(id)) {
            true => replicas.clone(),
            false => nodes.iter().take(replicas.len()).copied().collect(),
        };
        let log_config = self.log_config(&config);
        let open = |(index, replicas): (usize, &Vec<i32>)| {
            let (log, recovery) = open_log(&self.storage, &name, index, &log_config)?;
            self.metrics.storing.recovered(&recovery);
            let replicas = known(replicas);
            let written = entry.leaders.get(index).copied();
            let (node, epoch) = self.resume(written, &log, &replicas, recovery.clean);
            let partition = self.partition(&name, index, replicas, log);
            partition.lead(node, epoch);
            Ok(partition)
        };
        let partitions = entry.partitions.iter().enumerate().map(open);
        let partitions = partitions.collect::<Result<_, TopicError>>()?;
        let (id, settings) = (Uuid::from_bytes(entry.id), entry.settings.clone());
        Ok(Topic::new(name, id, partitions, settings, Arc::new(config)))
    }

    /// Syncs a log at once; see [`Partition::flush_now`].
    pub(crate) fn flush_now(&self, log: &Partition) -> Result<(), ErrorCode> {
        self.metrics.storing.sync(|| log.flush_now())
    }

    /// Opens the logs of new partitions from `first` on.
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
            let (log, recovery) = open_log(storage, topic, index, &config)?;
            self.metrics.storing.recovered(&recovery);
            Ok(self.partition(topic, index, replicas, log))
        };
        (first..).zip(assignment).map(open).collect()
    }

    fn partition(&self, topic: &Str, index: usize, replicas: Vec<i32>, log: Log) -> Arc<Partition> {
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        let (topic, written) = (topic.clone(), self.written.clone());
        Arc::new(Partition::new(topic, index, replicas, log, self.durability, written))
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
        let leaders = topic.partitions().iter().map(|partition| partition.leader()).collect();
        let written = self.write_now(vec![Self::entry(topic, leaders)?]);
        written.map_err(|code| TopicError::Storage(code.to_string()))
    }

    /// What the journal is to say of a topic with these leaders.
    pub(super) fn entry(
        topic: &Topic,
        leaders: Vec<Leadership>,
    ) -> Result<journal::Change, TopicError> {
        let partitions = topic.partitions().into_iter();
        let entry = TopicEntry {
            id: topic.id().to_bytes(),
            partitions: partitions.map(|partition| partition.replicas().to_vec()).collect(),
            leaders,
            settings: topic.overrides(),
        };
        let value = serde_json::to_vec(&entry).map_err(|e| TopicError::Storage(e.to_string()))?;
        Ok((format!("{TOPICS}{}", topic.name().as_str()), Some(value)))
    }

    /// Writes down that a topic is no more.
    pub(super) fn forget(&self, topic: &Topic) -> Result<(), ErrorCode> {
        self.write_now(vec![(format!("{TOPICS}{}", topic.name().as_str()), None)])
    }

    /// Writes down what was set for the broker while it runs.
    pub(super) fn remember_settings(&self, config: &BrokerConfig) -> Result<(), SettingError> {
        let failed = |why: String| SettingError::Storage(why);
        let value = serde_json::to_vec(&config.dynamic).map_err(|e| failed(e.to_string()))?;
        let written = self.write_now(vec![(SETTINGS.to_owned(), Some(value))]);
        written.map_err(|code| failed(code.to_string()))
    }

    /// Topics and settings are rare and everything depends on them: they are on the disk when they are acknowledged.
    pub(super) fn write_now(&self, changes: Vec<journal::Change>) -> Result<(), ErrorCode> {
        if changes.is_empty() {
            return Ok(());
        }
        self.journal.write(changes, self.clock.now_ms())?;
        match self.durability {
            Durability::Memory => Ok(()),
            _ => self.flush_now(self.journal.partition()),
        }
    }
}

/// Opens the log of one partition.
fn open_log(
    storage: &Arc<dyn Storage>,
    topic: &Str,
    index: usize,
    config: &LogConfig,
) -> Result<(Log, Recovery), TopicError> {
    let dir = format!("{}-{index}", topic.as_str());
    let opened = Log::open(storage.clone(), &dir, config.clone());
    let (log, recovery) = opened.map_err(|error| TopicError::Storage(error.to_string()))?;
    report(&dir, &recovery);
    Ok((log, recovery))
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
