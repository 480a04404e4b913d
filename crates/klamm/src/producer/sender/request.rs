//! Ready batches into Produce requests: many partitions in one, at most one batch of each.

use super::super::batch::Batch;
use super::super::idempotence::Resolution;
use super::super::partition::{Partition, Readiness, Work};
use super::Sender;
use super::broker::{InFlight, Sent};
use klamm_protocol::message::ProduceRequest;
use klamm_protocol::message::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::primitives::{Records, Uuid};
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// The first version that names topics by their ids.
const TOPIC_ID_VERSION: i16 = 13;
/// Versions from the oldest that carries format v2 on.
const VERSIONS: std::ops::RangeInclusive<i16> = 3..=13;

/// A request in the making.
#[derive(Default)]
struct Draft {
    batches: Vec<Sent>,
    records: Vec<Records>,
    bytes: usize,
}

impl Sender {
    /// Sends what the brokers' queues and slots allow.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>, now: Instant) {
        let nodes: Vec<i32> =
            self.brokers.values().filter(|b| !b.pending.is_empty()).map(|b| b.node).collect();
        for node in nodes {
            if self.broker(node).throttled_until.is_some_and(|at| at > now) {
                continue;
            }
            if !self.poll_connection(cx, node) {
                continue;
            }
            while self.has_slot(node) {
                let draft = self.draft(node, now);
                if draft.batches.is_empty() {
                    break;
                }
                self.submit(cx, node, draft);
            }
        }
    }

    fn has_slot(&mut self, node: i32) -> bool {
        let max = self.settings.max_in_flight;
        let broker = self.broker(node);
        broker.in_flight.len() < max && !broker.pending.is_empty() && broker.connection.is_some()
    }

    /// Collects one batch from each pending partition, up to the size of a request.
    fn draft(&mut self, node: i32, now: Instant) -> Draft {
        let mut draft = Draft::default();
        let broker_is_idle = self.broker(node).is_idle();
        let readiness = Readiness { now, broker_is_idle };
        for _ in 0..self.broker(node).pending.len() {
            if draft.bytes >= self.settings.max_request_size {
                break;
            }
            let Some(partition) = self.broker(node).pending.pop_front() else { break };
            if self.cluster.leader(&partition.topic, partition.index) != Some(node) {
                self.route(partition);
                continue;
            }
            self.take(node, partition, readiness, &mut draft);
        }
        draft
    }

    fn take(
        &mut self,
        node: i32,
        partition: Arc<Partition>,
        readiness: Readiness,
        draft: &mut Draft,
    ) {
        if partition.is_broken() {
            partition.release();
            return self.fail_behind(&partition);
        }
        let mut resolved = Vec::new();
        let limits = self.accumulator.limits;
        let work = partition.take_work(node, &limits, readiness, &mut resolved);
        self.resolve(resolved);
        match work {
            Work::Nothing => {}
            Work::Later(at) => self.delayed.push((at, partition)),
            Work::NeedsProducerId => self.identify(partition),
            Work::Compress(batch) => self.compress(partition, batch),
            Work::Send { id, stamp, batch } => {
                let records = batch.seal(stamp);
                draft.bytes += records.len();
                draft.records.push(records);
                let more = Readiness { broker_is_idle: false, ..readiness };
                if partition.claim_if_ready(&limits, more) {
                    self.broker(node).pending.push_back(Arc::clone(&partition));
                }
                draft.batches.push(Sent { partition, id, batch, topic_id: Uuid::ZERO });
            }
        }
    }

    /// Compresses on a worker thread: a full batch takes milliseconds, during which this thread would
    /// serve no other connection. The partition keeps its order: nothing new is taken from it meanwhile.
    fn compress(&self, partition: Arc<Partition>, batch: Batch) {
        let compression = self.settings.compression;
        let mut completion = self.completion.fork();
        let signals = Arc::clone(&self.accumulator.signals);
        tokio::task::spawn_blocking(move || {
            let compressed = match batch.compress(compression) {
                Ok(batch) => Some(Arc::new(batch)),
                Err(failed) => {
                    let (batch, cause) = *failed;
                    completion.not_delivered(Arc::new(batch), cause);
                    None
                }
            };
            partition.compressed(compressed);
            if partition.claim() {
                signals.ready(&partition);
            }
        });
    }

    fn submit(&mut self, cx: &mut Context<'_>, node: i32, mut draft: Draft) {
        let Some(connection) = self.broker(node).connection.clone() else { return };
        let version = connection.version::<ProduceRequest>(VERSIONS);
        let (request, version) = match version {
            Ok(version) => self.request(&mut draft, version),
            Err(error) => return self.fail_request(node, draft.batches, &error),
        };
        let timeout = self.client.config.request_timeout;
        match connection.submit(&request, version, timeout, self.settings.acks != 0) {
            Err(error) => self.fail_request(node, draft.batches, &error),
            Ok(reply) => {
                let mut in_flight = InFlight { reply, batches: draft.batches };
                // Registers the waker: the answer wakes the sender.
                if let Poll::Ready(result) = poll_reply(&mut in_flight, cx) {
                    return self.handle_result(node, in_flight.batches, result);
                }
                self.broker(node).in_flight.push_back(in_flight);
            }
        }
    }

    /// The request for a draft, and the version it is in: topic ids only if all are known.
    fn request(&self, draft: &mut Draft, version: i16) -> (ProduceRequest, i16) {
        let id = |topic: &str| self.cluster.topics.get(topic).map(|t| t.id).unwrap_or_default();
        let all_known = || draft.batches.iter().all(|b| !id(&b.partition.topic).is_zero());
        let by_id = version >= TOPIC_ID_VERSION && all_known();
        let version = if by_id { version } else { version.min(TOPIC_ID_VERSION - 1) };
        let mut topics: Vec<TopicProduceData> = Vec::new();
        let mut last: Option<&Arc<str>> = None;
        for (sent, records) in draft.batches.iter_mut().zip(&draft.records) {
            if by_id {
                sent.topic_id = id(&sent.partition.topic);
            }
            let topic = &sent.partition.topic;
            if last.is_none_or(|l| !Arc::ptr_eq(l, topic)) {
                let mut data = TopicProduceData::default();
                if by_id {
                    data.topic_id = sent.topic_id;
                } else {
                    data.name = (**topic).into();
                }
                topics.push(data);
                last = Some(topic);
            }
            let data = PartitionProduceData {
                index: sent.partition.index,
                records: Some(records.clone()),
            };
            if let Some(topic) = topics.last_mut() {
                topic.partition_data.push(data);
            }
        }
        let timeout_ms =
            i32::try_from(self.client.config.request_timeout.as_millis()).unwrap_or(i32::MAX);
        let acks = self.settings.acks;
        (ProduceRequest { transactional_id: None, acks, timeout_ms, topic_data: topics }, version)
    }

    /// Gives batches their outcomes.
    pub(super) fn resolve(&mut self, resolved: Vec<Resolution<Arc<Batch>>>) {
        for resolution in resolved {
            self.completion.resolve(resolution, None);
        }
    }
}

pub(super) type ReplyResult =
    Result<Option<klamm_protocol::message::ProduceResponse>, crate::connection::RequestError>;

pub(super) fn poll_reply(in_flight: &mut InFlight, cx: &mut Context<'_>) -> Poll<ReplyResult> {
    std::pin::Pin::new(&mut in_flight.reply).poll(cx)
}
