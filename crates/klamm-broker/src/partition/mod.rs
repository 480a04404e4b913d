//! One partition: who leads it, its log, and who waits for it.

mod append;
mod check;
mod compact;
mod load;
mod read;
mod traffic;
mod trouble;
mod watchers;

pub(crate) use self::append::{AppendRefused, Appended};
pub(crate) use self::check::{Checked, Rejected, check};
pub(crate) use self::read::{Isolation, Read, ReadRefused, ReadRequest, Timed};
pub(crate) use self::traffic::Figures;
pub(crate) use self::watchers::Watchers;

use self::traffic::Traffic;
use self::trouble::Trouble;
use klamm_log::{Durability, Log, LogConfig, ProducerInfo};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use tokio::sync::Notify;

/// A partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    topic: Str,
    index: i32,
    replicas: Vec<i32>,
    durability: Durability,
    in_memory: bool,
    state: Mutex<State>,
    /// Held by whoever compacts, and by whoever removes the files; taken before the state.
    compacting: Mutex<()>,
    /// Told of appends that are to be on the disk.
    written: Arc<Notify>,
    watchers: Watchers,
    traffic: Traffic,
}

#[derive(Debug)]
struct State {
    log: Log,
    leader: i32,
    epoch: i32,
    /// What consumers may see ends here: all of the log, or what is flushed when every ack waits for that.
    high_watermark: i64,
    deleted: bool,
    /// Deleted, or closed: no segment is exchanged any more.
    ended: bool,
    trouble: Option<Trouble>,
}

impl Partition {
    pub(crate) fn new(
        topic: Str,
        index: i32,
        replicas: Vec<i32>,
        log: Log,
        durability: Durability,
        written: Arc<Notify>,
    ) -> Self {
        let (leader, in_memory) = (replicas.first().copied().unwrap_or(-1), log.is_in_memory());
        let state = State {
            leader,
            epoch: log.latest_epoch().unwrap_or(0),
            // Opening a log makes all of it certain.
            high_watermark: log.end_offset(),
            log,
            deleted: false,
            ended: false,
            trouble: None,
        };
        Self {
            topic,
            index,
            replicas,
            durability,
            in_memory,
            state: Mutex::new(state),
            compacting: Mutex::default(),
            written,
            watchers: Watchers::default(),
            traffic: Traffic::default(),
        }
    }

    pub(crate) fn topic(&self) -> &Str {
        &self.topic
    }

    pub(crate) fn index(&self) -> i32 {
        self.index
    }

    /// Nodes that are said to hold it, the preferred leader first.
    pub(crate) fn replicas(&self) -> &[i32] {
        &self.replicas
    }

    /// The node that leads it, and the leader epoch.
    pub(crate) fn leader(&self) -> (i32, i32) {
        let state = self.state.lock();
        (state.leader, state.epoch)
    }

    /// Makes a node the leader, in an epoch that is written down.
    pub(crate) fn lead(&self, node: i32, epoch: i32) {
        let mut state = self.state.lock();
        (state.leader, state.epoch) = (node, epoch);
        drop(state);
        // Whoever waits at the old leader has to go to the new one.
        self.watchers.wake();
    }

    /// Who writes here.
    pub(crate) fn producers(&self, node: i32) -> Result<Vec<ProducerInfo>, ErrorCode> {
        let state = self.state.lock();
        state.check_leader(node, -1)?;
        Ok(state.log.producers().collect())
    }

    /// Other settings for the log from now on.
    pub(crate) fn configure(&self, config: LogConfig) {
        self.state.lock().log.configure(config);
    }

    /// Removes all records; reads and appends that come too late find nothing.
    ///
    /// # Errors
    /// Those of the storage; files may be left then.
    pub(crate) fn delete(&self) -> io::Result<()> {
        self.state.lock().deleted = true;
        let done = self.end(|state| state.log.delete());
        self.watchers.wake();
        done
    }

    /// Does the last thing with the log, when nobody compacts it any more.
    fn end<R>(&self, last: impl FnOnce(&mut State) -> R) -> R {
        // A compaction looks for that before every batch.
        self.state.lock().ended = true;
        let _compacting = self.compacting.lock();
        last(&mut self.state.lock())
    }

    /// Those who are told when records come or the partition goes.
    pub(crate) fn watchers(&self) -> &Watchers {
        &self.watchers
    }
}

impl State {
    /// Whether `node` may answer for this partition to a client that knows `epoch` (KIP-320); -1 for one that says
    /// nothing.
    fn check_leader(&self, node: i32, epoch: i32) -> Result<(), ErrorCode> {
        if self.deleted {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        if epoch >= 0 && epoch < self.epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if epoch > self.epoch {
            return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
        }
        if self.leader == node { Ok(()) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
    }
}
