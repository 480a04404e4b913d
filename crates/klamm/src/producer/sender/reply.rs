//! Answers into outcomes, and the end of batches that ran out of time.

use super::super::error::Cause;
use super::super::idempotence::{Resolution, Verdict};
use super::super::partition::{Partition, Readiness};
use super::super::verdict::{self, Answer};
use super::broker::Sent;
use super::request::{ReplyResult, poll_reply};
use super::{EXPIRY_INTERVAL, Sender};
use crate::connection::{ConnectError, RequestError};
use crate::metadata::BrokerEndpoint;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::ProduceResponse;
use klamm_protocol::message::produce_response::{
    NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

impl Sender {
    /// Takes the answers that have come, in the order of the requests.
    pub(super) fn poll_replies(&mut self, cx: &mut Context<'_>) {
        let nodes: Vec<i32> =
            self.brokers.values().filter(|b| !b.is_idle()).map(|b| b.node).collect();
        for node in nodes {
            while let Some(front) = self.broker(node).in_flight.front_mut() {
                let Poll::Ready(result) = poll_reply(front, cx) else { break };
                if let Some(done) = self.broker(node).in_flight.pop_front() {
                    self.handle_result(node, done.batches, result);
                }
            }
            if self.broker(node).is_idle() {
                let now = Instant::now();
                for partition in std::mem::take(&mut self.broker(node).awaited) {
                    self.claim(&partition, Readiness { now, broker_is_idle: true });
                }
            }
        }
    }

    pub(super) fn handle_result(&mut self, node: i32, batches: Vec<Sent>, result: ReplyResult) {
        match result {
            Ok(Some(response)) => self.handle_response(node, batches, &response),
            // acks=0: it was written, and that is all there is to know.
            Ok(None) => {
                for sent in batches {
                    self.handle_code(node, sent, ErrorCode::NONE, None, (None, None));
                }
            }
            Err(error) => self.fail_request(node, batches, &error),
        }
    }

    fn handle_response(&mut self, node: i32, batches: Vec<Sent>, response: &ProduceResponse) {
        if let Ok(ms @ 1..) = u64::try_from(response.throttle_time_ms) {
            let until = Instant::now() + Duration::from_millis(ms);
            self.broker(node).throttled_until = Some(until);
        }
        let answered = pair(batches, response);
        self.take_hints(&answered, response);
        for (sent, answer) in answered {
            match answer {
                Some(answer) => self.handle_answer(node, sent, answer),
                None => {
                    let cause = Cause::Connection {
                        node,
                        reason: "its response leaves the partition out".into(),
                    };
                    self.fail(node, sent, Verdict::Retriable { may_be_appended: true }, cause);
                }
            }
        }
    }

    /// Notes new leaders that the answers name (KIP-951), before any batch is routed again.
    fn take_hints(
        &mut self,
        answered: &[(Sent, Option<&PartitionProduceResponse>)],
        response: &ProduceResponse,
    ) {
        let hints = answered.iter().filter_map(|(sent, answer)| {
            let hint = &(*answer)?.current_leader;
            (hint.leader_id >= 0).then_some((&sent.partition, hint))
        });
        let endpoint = |e: &NodeEndpoint| {
            let port = u16::try_from(e.port).ok()?;
            Some((e.node_id, BrokerEndpoint { host: e.host.as_str().into(), port }))
        };
        let mut endpoints = None;
        for (partition, hint) in hints {
            let known = endpoints.get_or_insert_with(|| {
                response.node_endpoints.iter().filter_map(endpoint).collect::<Vec<_>>()
            });
            let (topic, index) = (&partition.topic, partition.index);
            let metadata = &self.client.metadata;
            metadata.leader_hint(topic, index, hint.leader_id, hint.leader_epoch, known);
        }
        if endpoints.is_some() {
            self.handle_metadata();
        }
    }

    fn handle_answer(&mut self, node: i32, sent: Sent, answer: &PartitionProduceResponse) {
        let message = answer.error_message.as_ref().map(|m| Arc::from(m.as_str()));
        let place = (
            Some(answer.base_offset).filter(|o| *o >= 0),
            Some(answer.log_append_time_ms).filter(|t| *t >= 0),
        );
        self.handle_code(node, sent, ErrorCode(answer.error_code), message, place);
    }

    fn handle_code(
        &mut self,
        node: i32,
        sent: Sent,
        code: ErrorCode,
        message: Option<Arc<str>>,
        place: (Option<i64>, Option<i64>),
    ) {
        let reading = verdict::read(code);
        if reading.refresh_metadata {
            self.client.metadata.request_refresh();
        }
        match reading.verdict {
            Answer::Verdict(Verdict::Acked) => {
                let mut resolved = Vec::new();
                sent.partition
                    .with_sequence(|s| s.handle_reply(sent.id, Verdict::Acked, &mut resolved));
                for resolution in resolved {
                    self.completion.resolve(resolution, Some(place));
                }
                self.route_if_ready(&sent.partition, Instant::now());
            }
            Answer::Verdict(verdict) => {
                self.fail(node, sent, verdict, Cause::Broker { node, code, message });
            }
            Answer::TooLarge => {
                sent.batch.note_failure(Cause::Broker { node, code, message });
                let mut resolved = Vec::new();
                sent.partition.with_sequence(|s| {
                    s.handle_too_large(sent.id, super::super::batch::Batch::split, &mut resolved);
                });
                self.resolve(resolved);
                drop(sent.batch);
                self.route_if_ready(&sent.partition, Instant::now());
            }
        }
    }

    /// A whole request without an answer.
    pub(super) fn fail_request(&mut self, node: i32, batches: Vec<Sent>, error: &RequestError) {
        tracing::debug!(node, %error, batches = batches.len(), "produce request failed");
        self.client.metadata.request_refresh();
        let may_be_appended = error.may_have_reached_broker();
        for sent in batches {
            let cause = Cause::Connection { node, reason: error.to_string().into() };
            self.fail(node, sent, Verdict::Retriable { may_be_appended }, cause);
        }
    }

    /// Notes a failed try and decides what becomes of the batch.
    fn fail(&mut self, node: i32, sent: Sent, verdict: Verdict, cause: Cause) {
        tracing::debug!(node, partition = ?sent.partition, %cause, ?verdict, "batch failed");
        let failures = sent.batch.note_failure(cause);
        let mut resolved = Vec::new();
        let out_of_tries = failures > self.settings.retries;
        sent.partition.with_sequence(|s| {
            s.handle_reply(sent.id, verdict, &mut resolved);
            if out_of_tries {
                s.expire(|b| Arc::ptr_eq(b, &sent.batch), &mut resolved);
            }
        });
        self.resolve(resolved);
        let now = Instant::now();
        // Another leader than the one that failed need not be spared (KIP-951).
        let leader = self.cluster.leader(&sent.partition.topic, sent.partition.index);
        let has_moved = leader.is_some_and(|leader| leader != node);
        if verdict != Verdict::Rejected && !has_moved {
            sent.partition.back_off_until(now + self.client.backoff(failures));
        }
        self.route_if_ready(&sent.partition, now);
    }

    /// The broker will not talk to us: nothing that waits for it will be sent.
    pub(super) fn fail_partition(
        &mut self,
        partition: &Arc<Partition>,
        node: i32,
        error: &ConnectError,
    ) {
        let reason: Arc<str> = error.to_string().into();
        for batch in partition.take_unsent(|_| true, true) {
            let cause = Cause::Connection { node, reason: Arc::clone(&reason) };
            self.completion.not_delivered(Arc::new(batch), cause);
        }
        partition.release();
    }

    /// Ends batches whose delivery timeout has passed.
    pub(super) fn expire(&mut self, now: Instant) {
        if now < self.expiry_at || !self.has_work() {
            return;
        }
        self.expiry_at = now + EXPIRY_INTERVAL;
        let timeout = self.settings.delivery_timeout;
        let is_due = |opened: Instant| now.saturating_duration_since(opened) >= timeout;
        for partition in self.accumulator.partitions() {
            for batch in partition.take_unsent(is_due, false) {
                self.completion.timed_out(Arc::new(batch));
            }
            let mut resolved = Vec::new();
            partition.with_sequence(|s| s.expire(|b| is_due(b.opened), &mut resolved));
            self.resolve(resolved);
            if partition.is_broken() {
                self.fail_behind(&partition);
            }
        }
    }

    /// A batch of the partition was not acknowledged, and nothing may pass it: what is behind it ends.
    pub(super) fn fail_behind(&mut self, partition: &Partition) {
        let mut resolved = Vec::new();
        partition.with_sequence(|s| s.break_off(&mut resolved));
        for resolution in &resolved {
            if let Resolution::NotDelivered(batch) = resolution {
                batch.note_failure(Cause::Behind);
            }
        }
        self.resolve(resolved);
        for batch in partition.take_unsent(|_| true, true) {
            self.completion.not_delivered(Arc::new(batch), Cause::Behind);
        }
    }

    /// The producer is closed: what was not sent is not delivered, what was sent is unknown.
    pub(super) fn abandon(&mut self) {
        for partition in self.accumulator.partitions() {
            for batch in partition.take_unsent(|_| true, true) {
                self.completion.not_delivered(Arc::new(batch), Cause::Closed);
            }
            let mut resolved: Vec<Resolution<_>> = Vec::new();
            partition.with_sequence(|s| s.abandon(&mut resolved));
            for resolution in resolved {
                let (Resolution::Delivered(batch)
                | Resolution::NotDelivered(batch)
                | Resolution::Unknown(batch)) = &resolution;
                batch.note_failure(Cause::Closed);
                self.completion.resolve(resolution, None);
            }
        }
    }
}

/// Each batch with its answer. Brokers answer in the order of the request; if one does not, the answer
/// is looked for.
fn pair(
    batches: Vec<Sent>,
    response: &ProduceResponse,
) -> Vec<(Sent, Option<&PartitionProduceResponse>)> {
    let answers = response.responses.iter().rev();
    let mut answers: Vec<_> =
        answers.flat_map(|t| t.partition_responses.iter().rev().map(move |p| (t, p))).collect();
    let find = |sent: Sent| {
        let at = answers.iter().rposition(|(topic, answer)| is_for(topic, answer, &sent));
        let answer = at.map(|at| answers.remove(at).1);
        (sent, answer)
    };
    batches.into_iter().map(find).collect()
}

/// Whether an answer is about this batch: by the topic id of the request, since the topic may have
/// been made anew meanwhile.
fn is_for(topic: &TopicProduceResponse, answer: &PartitionProduceResponse, sent: &Sent) -> bool {
    answer.index == sent.partition.index
        && if sent.topic_id.is_zero() {
            topic.name == *sent.partition.topic
        } else {
            topic.topic_id == sent.topic_id
        }
}
