//! The Sender: the one task that turns ready batches into Produce requests and answers into outcomes.
//!
//! It runs on the client's I/O thread and is a single loop over five sources: what callers signal, the
//! answers of each broker, connections being made, the producer id being fetched, and one timer. A
//! partition is in at most one place at a time - a broker's queue, parked for want of a leader, delayed
//! by a backoff - and whoever takes it out of there decides where it goes next.

mod broker;
mod completion;
mod producer_id;
mod reply;
mod request;

pub(crate) use self::completion::Completion;

use super::accumulator::Accumulator;
use super::partition::{Partition, Readiness};
use crate::client::ClientInner;
use crate::metadata::Cluster;
use broker::Broker;
use klamm_protocol::compression::Compression;
use producer_id::ProducerIdState;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How often delivery timeouts are looked at while anything waits.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(100);
/// The record clock is refreshed at least this often while a batch is open.
const TICK: Duration = Duration::from_millis(10);

/// What the sender needs of the settings.
#[derive(Debug, Clone)]
pub(crate) struct SenderSettings {
    pub(crate) acks: i16,
    pub(crate) max_in_flight: usize,
    pub(crate) max_request_size: usize,
    pub(crate) delivery_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) compression: Compression,
}

/// See the module's head.
pub(crate) struct Sender {
    settings: SenderSettings,
    accumulator: Arc<Accumulator>,
    client: Arc<ClientInner>,
    completion: Completion,
    cluster: Arc<Cluster>,
    brokers: BTreeMap<i32, Broker>,
    producer_id: ProducerIdState,
    /// Open batches in the order in which their linger ends.
    lingering: VecDeque<(Instant, Arc<Partition>)>,
    /// Partitions with work but without a leader.
    parked: Vec<Arc<Partition>>,
    /// Partitions whose backoff has not passed.
    delayed: Vec<(Instant, Arc<Partition>)>,
    /// Partitions that cannot go on without a producer id.
    unidentified: Vec<Arc<Partition>>,
    timer: Pin<Box<Sleep>>,
    expiry_at: Instant,
}

impl Sender {
    pub(crate) fn new(
        settings: SenderSettings,
        accumulator: Arc<Accumulator>,
        client: Arc<ClientInner>,
        completion: Completion,
    ) -> Self {
        let cluster = client.metadata.cluster();
        let timer = {
            let _runtime = client.io.enter();
            Box::pin(tokio::time::sleep(Duration::ZERO))
        };
        let producer_id = ProducerIdState::default();
        Self {
            settings,
            accumulator,
            client,
            completion,
            cluster,
            brokers: BTreeMap::new(),
            producer_id,
            lingering: VecDeque::new(),
            parked: Vec::new(),
            delayed: Vec::new(),
            unidentified: Vec::new(),
            timer,
            expiry_at: Instant::now(),
        }
    }

    /// Runs until the producer is closed.
    pub(crate) async fn run(mut self) {
        if self.accumulator.idempotent {
            // Before the first record needs it, as Java's Sender does.
            self.ask_for_producer_id();
        }
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.accumulator.signals.read_clock();
            if self.take_signals() {
                return Poll::Ready(());
            }
            self.poll_producer_id(cx);
            self.poll_replies(cx);
            let now = Instant::now();
            self.wake_lingering(now);
            self.wake_delayed(now);
            self.expire(now);
            self.drain(cx, now);
            self.completion.hand_over();
            let deadline = self.next_deadline(now);
            if let Some(at) = deadline {
                self.timer.as_mut().reset(at);
                if self.timer.as_mut().poll(cx).is_ready() {
                    continue;
                }
            }
            if self.accumulator.signals.sleep(cx.waker(), deadline.is_some()) {
                return Poll::Pending;
            }
        }
    }

    /// Takes what callers have signalled; true when the producer is closed.
    fn take_signals(&mut self) -> bool {
        let told = self.accumulator.signals.take();
        if told.metadata_changed {
            self.handle_metadata();
        }
        let linger = self.accumulator.limits.linger;
        let now = Instant::now();
        self.lingering.extend(told.opened.into_iter().map(|p| (now + linger, p)));
        for partition in told.ready {
            self.route(partition);
        }
        for partition in told.awaited {
            self.expedite(partition, now);
        }
        if told.force_all {
            for partition in self.accumulator.partitions() {
                partition.force();
                self.route_if_ready(&partition, now);
            }
        }
        told.closed
    }

    /// A record of the open batch is awaited: it goes at once if the broker has nothing else to do,
    /// else together with whatever joins it until the broker has answered.
    fn expedite(&mut self, partition: Arc<Partition>, now: Instant) {
        let leader = self.cluster.leader(&partition.topic, partition.index);
        let broker = leader.and_then(|node| self.brokers.get_mut(&node));
        match broker {
            Some(broker) if !broker.is_idle() => broker.awaited.push(partition),
            _ => {
                self.claim(&partition, Readiness { now, broker_is_idle: true });
            }
        }
    }

    fn route_if_ready(&mut self, partition: &Arc<Partition>, now: Instant) {
        self.claim(partition, Readiness { now, broker_is_idle: false });
    }

    fn claim(&mut self, partition: &Arc<Partition>, readiness: Readiness) {
        if partition.claim_if_ready(&self.accumulator.limits, readiness) {
            self.route(Arc::clone(partition));
        }
    }

    /// Puts a partition in the sender's hands into the queue of its leader.
    fn route(&mut self, partition: Arc<Partition>) {
        if partition.is_broken() {
            partition.release();
            return self.fail_behind(&partition);
        }
        match self.cluster.leader(&partition.topic, partition.index) {
            Some(node) => self.broker(node).pending.push_back(partition),
            None => {
                partition.set_has_leader(false);
                self.client.metadata.request_refresh();
                self.parked.push(partition);
            }
        }
    }

    fn broker(&mut self, node: i32) -> &mut Broker {
        self.brokers.entry(node).or_insert_with(|| Broker::new(node))
    }

    /// Takes a newer snapshot: more partitions, other leaders, topics made anew.
    fn handle_metadata(&mut self) {
        self.cluster = self.client.metadata.cluster();
        for known in self.accumulator.topics() {
            let Some(topic) = self.cluster.topics.get(&known.name).cloned() else { continue };
            self.accumulator.learn(&topic);
            for partition in &known.partitions {
                partition.observe_topic_id(topic.id);
                let leader = self.cluster.leader(&partition.topic, partition.index);
                partition.set_has_leader(leader.is_some());
            }
        }
        for partition in std::mem::take(&mut self.parked) {
            self.route(partition);
        }
    }

    fn wake_lingering(&mut self, now: Instant) {
        while let Some((at, _)) = self.lingering.front() {
            if *at > now {
                return;
            }
            if let Some((_, partition)) = self.lingering.pop_front() {
                self.route_if_ready(&partition, now);
            }
        }
    }

    fn wake_delayed(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.delayed.len() {
            if self.delayed[at].0 <= now {
                let (_, partition) = self.delayed.swap_remove(at);
                self.route(partition);
            } else {
                at += 1;
            }
        }
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let lingering = self.lingering.front().map(|(at, _)| (*at).min(now + TICK));
        let delayed = self.delayed.iter().map(|(at, _)| *at).min();
        let brokers = self.brokers.values().filter_map(|b| b.wakes_at(now)).min();
        let expiry = self.has_work().then_some(self.expiry_at);
        [lingering, delayed, brokers, expiry].into_iter().flatten().min()
    }

    /// Whether any batch waits for an answer, a slot, a leader or a producer id.
    fn has_work(&self) -> bool {
        !(self.parked.is_empty() && self.delayed.is_empty() && self.unidentified.is_empty())
            || self.brokers.values().any(|b| !b.is_idle() || !b.pending.is_empty())
    }
}

/// However the sender ends - closed, or its thread gone - nobody waits for ever.
impl Drop for Sender {
    fn drop(&mut self) {
        self.accumulator.close();
        self.abandon();
    }
}
