//! Share groups at work: the state of their partitions, who waits for it, the journal, and the time.
//!
//! Each partition has a lock of its own, which comes before the journal's and after the coordinator's.

use crate::cluster::{Cluster, ShareSettings};
use crate::config::OffsetReset;
use crate::journal::{Change, Journal};
use crate::partition::{Partition, Watchers};
use crate::share::{PartitionKey, SessionKey, SharePartition, ShareSessions};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::{Str, Uuid};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Keys of the journal that belong to share groups.
const JOURNAL: &str = "share/";

/// Partitions that all share groups together may read.
const MAX_PARTITIONS: usize = 1_000_000;

/// A partition as one group reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShareKey {
    pub(crate) group: Str,
    pub(crate) topic: Uuid,
    pub(crate) partition: i32,
}

/// A [`ShareKey`] as it is written down.
#[derive(Serialize, Deserialize)]
struct StoredKey(String, [u8; 16], i32);

impl ShareKey {
    pub(crate) fn new(group: &str, (topic, partition): PartitionKey) -> Self {
        Self { group: Str::from(group), topic, partition }
    }

    fn journal(&self) -> String {
        let key = StoredKey(self.group.to_string(), self.topic.to_bytes(), self.partition);
        // Strings and integers always have a form in JSON.
        format!("{JOURNAL}{}", serde_json::to_string(&key).unwrap_or_default())
    }
}

/// The state of a partition for a group, and who waits for it.
#[derive(Debug)]
pub(crate) struct Share {
    key: ShareKey,
    held: Mutex<Held>,
    watchers: Watchers,
}

#[derive(Debug)]
struct Held {
    partition: SharePartition,
    /// What the journal has of it.
    written: Vec<u8>,
    /// When it is to be looked at for members that are late.
    armed_ms: Option<i64>,
    gone: bool,
}

impl Share {
    fn new(key: ShareKey, partition: SharePartition, written: Vec<u8>) -> Arc<Self> {
        let held = Held { partition, written, armed_ms: None, gone: false };
        Arc::new(Self { key, held: Mutex::new(held), watchers: Watchers::default() })
    }

    /// Looks at the state.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&SharePartition) -> R) -> R {
        look(&self.held.lock().partition)
    }

    /// Those who are told when there may be more to fetch.
    pub(crate) fn watchers(&self) -> &Watchers {
        &self.watchers
    }
}

/// What all share groups have read.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    partitions: Mutex<BTreeMap<ShareKey, Arc<Share>>>,
    pub(crate) sessions: Mutex<ShareSessions>,
    due: Mutex<BTreeSet<(i64, ShareKey)>>,
    /// Told when the next deadline is another than before.
    rearmed: Notify,
}

impl Shares {
    /// What the journal knows.
    ///
    /// # Errors
    /// Why an entry cannot be read.
    pub(crate) fn open(journal: &Journal) -> Result<Self, String> {
        let mut partitions = BTreeMap::new();
        for (key, value) in journal.entries(JOURNAL) {
            let StoredKey(group, topic, partition) =
                serde_json::from_str(&key).map_err(|error| format!("{key}: {error}"))?;
            let state = SharePartition::from_bytes(&value).map_err(|error| error.to_string())?;
            let key =
                ShareKey { group: Str::from(group), topic: Uuid::from_bytes(topic), partition };
            partitions.insert(key.clone(), Share::new(key, state, value.to_vec()));
        }
        Ok(Self { partitions: Mutex::new(partitions), ..Self::default() })
    }

    /// Forgets what is not in the journal - what members hold, and their sessions - as a restart does.
    ///
    /// # Errors
    /// As [`Shares::open`]; nothing is forgotten then.
    pub(crate) fn reopen(&self, journal: &Journal) -> Result<(), String> {
        let fresh = Self::open(journal)?.partitions.into_inner();
        let old = std::mem::replace(&mut *self.partitions.lock(), fresh);
        for share in old.values() {
            share.held.lock().gone = true;
            share.watchers.wake();
        }
        *self.sessions.lock() = ShareSessions::default();
        self.due.lock().clear();
        Ok(())
    }

    /// The partition, if the group has read of it.
    pub(crate) fn get(&self, key: &ShareKey) -> Option<Arc<Share>> {
        self.partitions.lock().get(key).cloned()
    }

    /// The partitions that a group has read of, in order.
    pub(crate) fn of_group(&self, group: &str) -> Vec<PartitionKey> {
        let first = ShareKey::new(group, (Uuid::ZERO, i32::MIN));
        let partitions = self.partitions.lock();
        let ours = partitions.range(first..).take_while(|(key, _)| key.group == group);
        ours.map(|(key, _)| (key.topic, key.partition)).collect()
    }

    /// Changes the state under its lock, writes down what has become of it, and wakes who waits. Returns what the
    /// change gives and what to wait for in the journal.
    pub(crate) fn change<R>(
        &self,
        share: &Share,
        journal: &Journal,
        now_ms: i64,
        change: impl FnOnce(&mut SharePartition) -> R,
    ) -> (R, Result<i64, ErrorCode>) {
        let mut held = share.held.lock();
        let result = change(&mut held.partition);
        let value = held.partition.to_bytes();
        let mut written = Ok(-1);
        let changed = value != held.written && !held.gone;
        if changed {
            written = journal.write(vec![(share.key.journal(), Some(value.clone()))], now_ms);
            if written.is_ok() {
                held.written = value;
            }
        }
        self.arm(share, &mut held);
        drop(held);
        if changed {
            share.watchers.wake();
        }
        (result, written)
    }

    /// Changes the state in a way that need not survive the broker: giving records out.
    pub(crate) fn give_out<R>(
        &self,
        share: &Share,
        give: impl FnOnce(&mut SharePartition) -> R,
    ) -> R {
        let mut held = share.held.lock();
        let result = give(&mut held.partition);
        self.arm(share, &mut held);
        result
    }

    /// Has the partition looked at when the first of its members is late.
    fn arm(&self, share: &Share, held: &mut Held) {
        let Some(at_ms) = held.partition.next_deadline() else { return };
        if held.armed_ms.is_some_and(|armed| armed <= at_ms) || held.gone {
            return;
        }
        let mut due = self.due.lock();
        if let Some(armed) = held.armed_ms.replace(at_ms) {
            due.remove(&(armed, share.key.clone()));
        }
        let first = due.first().map(|(at, _)| *at);
        due.insert((at_ms, share.key.clone()));
        if first.is_none_or(|first| at_ms < first) {
            self.rearmed.notify_one();
        }
    }

    fn next_due(&self) -> Option<i64> {
        self.due.lock().first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes a partition that is to be looked at by now.
    fn pop_due(&self, now_ms: i64) -> Option<Arc<Share>> {
        loop {
            let key = {
                let mut due = self.due.lock();
                due.first().filter(|(at_ms, _)| *at_ms <= now_ms)?;
                due.pop_first()?.1
            };
            if let Some(share) = self.get(&key) {
                share.held.lock().armed_ms = None;
                return Some(share);
            }
        }
    }

    /// Forgets partitions, in the journal too.
    fn forget(
        &self,
        journal: &Journal,
        now_ms: i64,
        which: impl Fn(&ShareKey) -> bool,
    ) -> Result<i64, ErrorCode> {
        let gone: Vec<Arc<Share>> = {
            let mut partitions = self.partitions.lock();
            partitions.extract_if(.., |key, _| which(key)).map(|(_, share)| share).collect()
        };
        let mut changes: Vec<Change> = Vec::new();
        for share in &gone {
            share.held.lock().gone = true;
            changes.push((share.key.journal(), None));
        }
        let written = journal.write(changes, now_ms);
        gone.iter().for_each(|share| share.watchers.wake());
        written
    }
}

impl Cluster {
    /// The partition as a group reads it, from where the group's settings say when it is the first time.
    ///
    /// # Errors
    /// Those of the partition, POLICY_VIOLATION when groups read too many, KAFKA_STORAGE_ERROR.
    pub(crate) fn share(
        &self,
        key: &ShareKey,
        partition: &Partition,
        settings: &ShareSettings,
    ) -> Result<Arc<Share>, ErrorCode> {
        if let Some(share) = self.shares.get(key) {
            return Ok(share);
        }
        let (node, _) = partition.leader();
        let bounds = partition.bounds(node, -1)?;
        let start = match settings.reset {
            OffsetReset::Earliest => bounds.start,
            OffsetReset::Latest => bounds.high_watermark,
            OffsetReset::Within(ms) => {
                let since = self.clock.now_ms().saturating_sub(ms);
                let found = partition.offset_for_time(node, -1, since)?;
                found.map_or(bounds.high_watermark, |found| found.offset)
            }
        };
        self.start_share(key, start).map(|(share, _)| share)
    }

    /// Has a group read a partition from `start`, whatever it has read of it. Returns what to wait for in the journal,
    /// too.
    ///
    /// # Errors
    /// POLICY_VIOLATION when groups read too many, KAFKA_STORAGE_ERROR.
    pub(crate) fn start_share(
        &self,
        key: &ShareKey,
        start: i64,
    ) -> Result<(Arc<Share>, i64), ErrorCode> {
        let state = SharePartition::new(start);
        let mut partitions = self.shares.partitions.lock();
        if partitions.len() >= MAX_PARTITIONS && !partitions.contains_key(key) {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let value = state.to_bytes();
        let change = (key.journal(), Some(value.clone()));
        let before = partitions.get(key).cloned();
        // Held while the new state is written: the old one is not written after it.
        let mut held = before.as_ref().map(|before| before.held.lock());
        let written = self.journal.write(vec![change], self.clock.now_ms())?;
        if let Some(held) = &mut held {
            held.gone = true;
        }
        drop(held);
        let key = ShareKey { group: key.group.detach(), ..*key };
        let share = Share::new(key.clone(), state, value);
        if let Some(before) = partitions.insert(key, share.clone()) {
            before.watchers.wake();
        }
        Ok((share, written))
    }

    /// Forgets what a group has read of a partition.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR
    pub(crate) fn forget_share(&self, key: &ShareKey) -> Result<i64, ErrorCode> {
        self.shares.forget(&self.journal, self.clock.now_ms(), |other| other == key)
    }

    /// Forgets what a group has read of a topic, or of all.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR
    pub(crate) fn forget_shares_of_group(
        &self,
        group: &str,
        topic: Option<Uuid>,
    ) -> Result<i64, ErrorCode> {
        let ours = |key: &ShareKey| key.group == group && topic.is_none_or(|id| key.topic == id);
        self.shares.forget(&self.journal, self.clock.now_ms(), ours)
    }

    /// A topic has been deleted, and with it what groups have read of it.
    pub(crate) fn forget_shares_of_topic(&self, id: Uuid) {
        let gone = self.shares.forget(&self.journal, self.clock.now_ms(), |key| key.topic == id);
        if let Err(code) = gone {
            tracing::error!(?code, "what share groups have read of a deleted topic is left");
        }
    }

    /// Takes back what a member has of these partitions: it fetches them no more.
    pub(crate) fn release_shares(
        &self,
        session: &SessionKey,
        partitions: &[PartitionKey],
    ) -> Result<i64, ErrorCode> {
        let limits = self.share_settings(&session.group).limits;
        let mut last = -1;
        for &partition in partitions {
            let key = ShareKey::new(&session.group, partition);
            let Some(share) = self.shares.get(&key) else { continue };
            let now_ms = self.clock.now_ms();
            let release = |state: &mut SharePartition| state.release(&session.member, limits);
            let (_, written) = self.shares.change(&share, &self.journal, now_ms, release);
            last = last.max(written?);
        }
        Ok(last)
    }

    /// A connection has ended, and with it the share sessions over it.
    pub(crate) fn disconnected(&self, connection: u64) {
        let gone = self.shares.sessions.lock().disconnected(connection);
        for (session, partitions) in gone {
            if let Err(code) = self.release_shares(&session, &partitions) {
                tracing::error!(?code, "records of a share session could not be taken back");
            }
        }
    }

    /// Takes back records whose time is up, until `stop` says true.
    pub(crate) async fn run_shares(cluster: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let shares = &cluster.shares;
        loop {
            let due = shares.next_due();
            tokio::select! {
                _ = stop.changed() => return,
                () = shares.rearmed.notified() => continue,
                () = cluster.clock.sleep_until(due.unwrap_or(i64::MAX)), if due.is_some() => {}
            }
            let now_ms = cluster.clock.now_ms();
            while let Some(share) = shares.pop_due(now_ms) {
                let limits = cluster.share_settings(&share.key.group).limits;
                let expire = |state: &mut SharePartition| state.expire(now_ms, limits);
                let (_, written) = shares.change(&share, &cluster.journal, now_ms, expire);
                if let Err(code) = written {
                    tracing::error!(?code, "what became of records could not be written down");
                }
            }
        }
    }
}
