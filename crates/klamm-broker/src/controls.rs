//! What tests do to a running broker: faults, nodes that go down, leaders that move, requests to wait for.

use crate::cluster::{Cluster, Move};
use crate::coordinators::{CoordinatorType, MovedCoordinator};
use crate::fault::{AddedRule, Rule, RuleError, TooManyRules};
use crate::fetch::FetchSessions;
use crate::handler;
use crate::partition::Partition;
use crate::request_log::RequestEntry;
use crate::server::Order;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Why something cannot be done to the broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The rule makes no sense.
    #[error("{0}")]
    Rule(#[from] RuleError),
    /// There is no room for the rule.
    #[error("{0}")]
    TooManyRules(#[from] TooManyRules),
    /// No node has this number.
    #[error("there is no node {0}")]
    UnknownNode(i32),
    /// No such partition.
    #[error("there is no partition {1} of a topic {0:?}")]
    UnknownPartition(String, i32),
    /// The port of the node was taken while it was down.
    #[error("node {node} cannot listen again: {source}")]
    Listen {
        /// The node.
        node: i32,
        /// The system's reason.
        source: io::Error,
    },
    /// The change could not be written down; nothing has changed.
    #[error("the broker's journal cannot be written")]
    Journal,
    /// There is no room for another moved coordinator.
    #[error("too many coordinators were moved; put them back")]
    TooManyMoves,
    /// What is on the disk could not be read or written.
    #[error("{0}")]
    Storage(String),
    /// The broker was stopped.
    #[error("the broker has stopped")]
    Stopped,
}

/// Control over a running broker; clones control the same one.
#[derive(Debug, Clone)]
pub struct Controls {
    cluster: Arc<Cluster>,
    /// To the listeners of each node, by node id less one.
    listeners: Arc<[mpsc::Sender<Order>]>,
}

impl Controls {
    pub(crate) fn new(cluster: Arc<Cluster>, listeners: Arc<[mpsc::Sender<Order>]>) -> Self {
        Self { cluster, listeners }
    }

    /// Adds a rule; the answer is its number.
    ///
    /// # Errors
    /// [`ControlError::Rule`] and [`ControlError::TooManyRules`].
    pub fn add_fault(&self, rule: Rule) -> Result<u64, ControlError> {
        rule.check()?;
        Ok(self.cluster.faults.add(rule)?)
    }

    /// The rules in force, oldest first, with what they have struck.
    pub fn faults(&self) -> Vec<AddedRule> {
        self.cluster.faults.list()
    }

    /// Removes a rule and lets go of what it holds back; false when there is none of that number.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.cluster.faults.remove(id)
    }

    /// Removes all rules and lets go of what they hold back.
    pub fn clear_faults(&self) {
        self.cluster.faults.clear();
    }

    /// Lets go of the answers a rule holds back by now; false when there is none of that number. The rule stays.
    pub fn release_fault(&self, id: u64) -> bool {
        self.cluster.faults.release(id)
    }

    /// The requests remembered that `wanted` chooses, oldest first.
    pub fn requests(&self, wanted: impl Fn(&RequestEntry) -> bool) -> Vec<RequestEntry> {
        self.cluster.request_log.find(wanted)
    }

    /// Waits for the first request that `wanted` chooses, of those remembered and those to come; `None` when there is
    /// none in time. A request is there as soon as it is begun, and its outcome when it ends.
    pub async fn wait_for_request(
        &self,
        wanted: impl Fn(&RequestEntry) -> bool,
        limit: Duration,
    ) -> Option<RequestEntry> {
        self.cluster.request_log.wait_for(wanted, limit).await
    }

    /// Takes a node down or up.
    ///
    /// When a node goes down its connections end, its port refuses, and another replica that is up leads what it led;
    /// what has no other replica has no leader until the node is up again.
    ///
    /// # Errors
    /// [`ControlError::UnknownNode`], [`ControlError::Journal`], and [`ControlError::Listen`] when its port was taken.
    pub async fn set_node_up(&self, node: i32, up: bool) -> Result<(), ControlError> {
        let listener = self.listener(node)?;
        if up {
            let bound = order(listener, Order::Up).await?;
            bound.map_err(|source| ControlError::Listen { node, source })?;
            self.cluster.nodes.set_up(node, true);
            return Ok(());
        }
        self.cluster.nodes.set_up(node, false);
        if let Err(error) = self.elect(node) {
            self.cluster.nodes.set_up(node, true);
            return Err(error);
        }
        order(listener, Order::Down).await
    }

    /// Has others lead what `gone` leads.
    fn elect(&self, gone: i32) -> Result<(), ControlError> {
        let mut moves = Vec::new();
        for topic in self.cluster.topics.all() {
            for partition in topic.partitions() {
                let mut replicas = partition.replicas().iter();
                let next = replicas.find(|&&id| self.cluster.nodes.is_up(id)).copied();
                if let Some(node) = next.filter(|_| partition.leader().0 == gone) {
                    moves.push(Move { topic: topic.clone(), partition, node });
                }
            }
        }
        self.cluster.lead(&moves).map(drop).map_err(|_| ControlError::Journal)
    }

    /// Ends all connections of a node, as a restart would; all state is kept.
    ///
    /// # Errors
    /// [`ControlError::UnknownNode`].
    pub async fn disconnect(&self, node: i32) -> Result<(), ControlError> {
        order(self.listener(node)?, Order::Disconnect).await
    }

    /// Makes a node, a replica or not, the leader of a partition; the answer is the new leader epoch. Both are the same
    /// after a restart.
    ///
    /// # Errors
    /// [`ControlError::UnknownNode`], [`ControlError::UnknownPartition`], [`ControlError::Journal`].
    pub fn move_leader(&self, topic: &str, index: i32, node: i32) -> Result<i32, ControlError> {
        self.listener(node)?;
        self.lead(topic, index, Some(node))
    }

    /// Begins a new leader epoch under the same leader; the answer is the epoch.
    ///
    /// # Errors
    /// [`ControlError::UnknownPartition`], [`ControlError::Journal`].
    pub fn bump_leader_epoch(&self, topic: &str, index: i32) -> Result<i32, ControlError> {
        self.lead(topic, index, None)
    }

    fn lead(&self, name: &str, index: i32, node: Option<i32>) -> Result<i32, ControlError> {
        let unknown = || ControlError::UnknownPartition(name.to_owned(), index);
        let topic = self.cluster.topics.get(name).ok_or_else(unknown)?;
        let partition = topic.partition(index).ok_or_else(unknown)?;
        let node = node.unwrap_or_else(|| partition.leader().0);
        let epochs = self.cluster.lead(&[Move { topic, partition, node }]);
        let epochs = epochs.map_err(|_| ControlError::Journal)?;
        epochs.first().copied().ok_or_else(unknown)
    }

    /// Who leads a partition, and under which epoch.
    ///
    /// # Errors
    /// [`ControlError::UnknownPartition`].
    pub fn leader(&self, topic: &str, index: i32) -> Result<(i32, i32), ControlError> {
        Ok(self.partition(topic, index)?.leader())
    }

    /// Moves the broker's clock forward; what is due by then takes place at once.
    pub fn advance_clock(&self, by: Duration) {
        self.cluster.clock.advance(by);
    }

    /// Milliseconds since 1970 by the broker's clock.
    pub fn now_ms(&self) -> i64 {
        self.cluster.clock.now_ms()
    }

    /// Removes what is too old or too much, now; the answer is in bytes.
    pub fn retain(&self) -> u64 {
        self.cluster.retain()
    }

    /// Compacts all topics that want it, now, whatever their dirty ratio; the segment that is written to is ended first.
    /// The answer is how many records are gone.
    ///
    /// # Errors
    /// [`ControlError::Storage`]; the other partitions are compacted all the same.
    pub fn compact(&self) -> Result<u64, ControlError> {
        let now_ms = self.now_ms();
        let (mut removed, mut failed) = (0, None);
        for partition in self.cluster.topics.all().iter().flat_map(|topic| topic.partitions()) {
            match partition.compact_now(now_ms) {
                Ok(records) => removed += records,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(removed), |error| Err(ControlError::Storage(error.to_string())))
    }

    /// Does to clients what a restart of the whole broker does: all connections end, every leader begins a new epoch,
    /// and what is kept in memory only is forgotten - sessions, requests that wait, rebalances under way, records given
    /// out. Fault rules, the log of requests, the clock and moved coordinators stay.
    ///
    /// # Errors
    /// [`ControlError::Storage`] when the state that is kept cannot be read, [`ControlError::Journal`].
    pub async fn restart(&self) -> Result<(), ControlError> {
        self.disconnect_all().await?;
        let cluster = &self.cluster;
        let reopened = cluster.groups.reopen(&cluster.config(), &cluster.journal, self.now_ms());
        reopened.map_err(|error| ControlError::Storage(error.to_string()))?;
        cluster.shares.reopen(&cluster.journal).map_err(ControlError::Storage)?;
        cluster.transactions.forget();
        *cluster.fetch_sessions.lock() = FetchSessions::default();
        self.begin_epochs()?;
        // Who came in between has seen half of it.
        self.disconnect_all().await
    }

    /// Begins a new leader epoch everywhere.
    fn begin_epochs(&self) -> Result<(), ControlError> {
        let topics = self.cluster.topics.all().into_iter();
        let moves = topics.flat_map(|topic| {
            let again = |partition: Arc<Partition>| Move {
                topic: topic.clone(),
                node: partition.leader().0,
                partition,
            };
            topic.partitions().into_iter().map(again).collect::<Vec<_>>()
        });
        let moves: Vec<Move> = moves.collect();
        self.cluster.lead(&moves).map(drop).map_err(|_| ControlError::Journal)
    }

    async fn disconnect_all(&self) -> Result<(), ControlError> {
        for listener in &*self.listeners {
            order(listener, Order::Disconnect).await?;
        }
        Ok(())
    }

    /// Moves the coordinator of a group or a transactional id to a node, or with no key that of all that were not moved
    /// by themselves. Others answer NOT_COORDINATOR from now on, also to who waits there; the new one answers
    /// COORDINATOR_LOAD_IN_PROGRESS for so long as `loading` says, by the broker's clock.
    ///
    /// When the node goes down the next one stands in for it.
    ///
    /// # Errors
    /// [`ControlError::UnknownNode`], [`ControlError::TooManyMoves`].
    pub fn move_coordinator(
        &self,
        kind: CoordinatorType,
        key: Option<&str>,
        node: i32,
        loading: Duration,
    ) -> Result<(), ControlError> {
        self.listener(node)?;
        let loading = i64::try_from(loading.as_millis()).unwrap_or(i64::MAX);
        let loaded_at_ms = self.now_ms().saturating_add(loading);
        let key = key.map(str::to_owned);
        let moved = MovedCoordinator { kind, key, node, loaded_at_ms };
        match self.cluster.coordinators.move_to(moved) {
            true => Ok(()),
            false => Err(ControlError::TooManyMoves),
        }
    }

    /// The coordinators that were moved.
    pub fn moved_coordinators(&self) -> Vec<MovedCoordinator> {
        self.cluster.coordinators.list()
    }

    /// Puts all coordinators back.
    pub fn reset_coordinators(&self) {
        self.cluster.coordinators.reset();
    }

    /// Has a node answer Metadata with what is now, whatever comes, until this is called with false.
    ///
    /// # Errors
    /// [`ControlError::UnknownNode`].
    pub fn freeze_metadata(&self, node: i32, frozen: bool) -> Result<(), ControlError> {
        self.listener(node)?;
        let stale = &self.cluster.stale_metadata;
        if frozen {
            stale.freeze(node, handler::snapshot(&self.cluster));
        } else {
            stale.thaw(node);
        }
        Ok(())
    }

    /// Why records cannot be written at present, and to which partition; `/ready` says no then.
    ///
    /// A full disk counts until a record is written again, or half a minute has passed without another failure; a failed
    /// sync until the broker is started again.
    pub fn storage_trouble(&self) -> Option<String> {
        self.cluster.storage_trouble()
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    fn listener(&self, node: i32) -> Result<&mpsc::Sender<Order>, ControlError> {
        let index = usize::try_from(node.wrapping_sub(1)).ok();
        index.and_then(|index| self.listeners.get(index)).ok_or(ControlError::UnknownNode(node))
    }

    fn partition(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ControlError> {
        let found = self.cluster.topics.get(topic).and_then(|topic| topic.partition(index));
        found.ok_or_else(|| ControlError::UnknownPartition(topic.to_owned(), index))
    }
}

async fn order<T>(
    listener: &mpsc::Sender<Order>,
    order: impl FnOnce(oneshot::Sender<T>) -> Order,
) -> Result<T, ControlError> {
    let (done, is_done) = oneshot::channel();
    listener.send(order(done)).await.map_err(|_| ControlError::Stopped)?;
    is_done.await.map_err(|_| ControlError::Stopped)
}
