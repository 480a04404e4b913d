//! Answers of brokers into what is to be decoded.

use super::super::fetch::{
    EpochEnd, FetchLease, FetchedData, Reaction, Told, Wanted, is_about_session,
};
use super::super::shared::State;
use super::Fetcher;
use super::broker::{At, InFlight};
use super::decoding::DecodeTask;
use crate::connection::RequestError;
use crate::consumer::TopicPartition;
use crate::metadata::BrokerEndpoint;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::FetchResponse;
use klamm_protocol::message::fetch_response::{NodeEndpoint, PartitionData};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Refusals of the session in a row after which there is a pause.
const SESSION_ERRORS_MAX: u32 = 2;

impl Fetcher {
    /// Takes the answers that have come; true if there were any.
    pub(super) fn poll_answers(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut answered = Vec::new();
        for (node, broker) in &mut self.brokers {
            for (index, lane) in broker.lanes.iter_mut().enumerate() {
                if let Some(in_flight) = &mut lane.in_flight
                    && let Poll::Ready(result) = Pin::new(&mut in_flight.reply).poll(cx)
                    && let Some(in_flight) = lane.in_flight.take()
                {
                    answered.push((At { node: *node, lane: index }, in_flight, result));
                }
            }
        }
        let any = !answered.is_empty();
        for (at, in_flight, result) in answered {
            self.handle_result(at, in_flight, result, now);
        }
        any
    }

    pub(super) fn handle_result(
        &mut self,
        at: At,
        in_flight: InFlight,
        result: Result<Option<FetchResponse>, RequestError>,
        now: Instant,
    ) {
        let InFlight { wanted, leases, charge, .. } = in_flight;
        let response = match result {
            Ok(response) => response.unwrap_or_default(),
            Err(error) => return self.fetch_failed(at, &wanted, &leases, &error, now),
        };
        let node = at.node;
        let Some(broker) = self.brokers.get_mut(&node) else { return };
        if let Ok(ms @ 1..) = u64::try_from(response.throttle_time_ms) {
            broker.throttled_until = Some(now + Duration::from_millis(ms));
        }
        let endpoints = endpoints(&response.node_endpoints);
        let answered = match broker.lanes[at.lane].session.answered(response) {
            Ok(answered) => answered,
            Err(error) => return self.refused(node, &wanted, &leases, error, now),
        };
        broker.session_errors = 0;
        let mut charge = charge;
        let bytes = answered.iter().map(|(_, data)| size(data)).sum();
        charge.settle(bytes);
        let charge = Arc::new(charge);
        let mut answered: BTreeMap<TopicPartition, PartitionData> = answered.into_iter().collect();
        let mut taken = Vec::new();
        for ((tp, wanted), lease) in wanted.into_iter().zip(leases) {
            match answered.remove(&tp) {
                Some(data) => {
                    self.take_hint(&tp, &data, &endpoints);
                    if self.handle_partition(&tp, lease, node, &data, now) {
                        taken.push((tp.clone(), wanted, lease, data));
                    }
                }
                None => self.shared.lock().positions.fetch_without_news(&tp, lease, now.into_std()),
            }
            if bytes == 0 {
                self.shared.lock().positions.fetch_was_dry(&tp, lease);
            }
        }
        for (tp, wanted, lease, data) in taken {
            let data = fetched(&tp, wanted, data, Arc::clone(&charge));
            self.decode(DecodeTask::new(tp, lease, data, self.settings.decode), now);
        }
    }

    /// The whole answer is an error.
    fn refused(
        &mut self,
        node: i32,
        wanted: &[(TopicPartition, Wanted)],
        leases: &[FetchLease],
        error: ErrorCode,
        now: Instant,
    ) {
        tracing::debug!(node, %error, "a fetch was refused");
        let Some(broker) = self.brokers.get_mut(&node) else { return };
        broker.session_errors = broker.session_errors.saturating_add(1);
        let at_once = is_about_session(error) && broker.session_errors < SESSION_ERRORS_MAX;
        if !is_about_session(error) {
            self.client.metadata.request_refresh();
        }
        let State { positions, .. } = &mut *self.shared.lock();
        for ((tp, _), lease) in wanted.iter().zip(leases) {
            if at_once {
                positions.fetch_without_news(tp, *lease, now.into_std());
            } else {
                positions.fetch_unanswered(tp, *lease, now.into_std());
            }
        }
    }

    /// Notes a new leader that the answer names (KIP-951).
    fn take_hint(
        &self,
        tp: &TopicPartition,
        data: &PartitionData,
        endpoints: &[(i32, BrokerEndpoint)],
    ) {
        let hint = &data.current_leader;
        if hint.leader_id >= 0 {
            let metadata = &self.client.metadata;
            let (leader, epoch) = (hint.leader_id, hint.leader_epoch);
            metadata.leader_hint(&tp.topic, tp.partition, leader, epoch, endpoints);
        }
    }

    /// Takes note of what is said of a partition; true if its records are to be decoded.
    fn handle_partition(
        &mut self,
        tp: &TopicPartition,
        lease: FetchLease,
        node: i32,
        data: &PartitionData,
        now: Instant,
    ) -> bool {
        let mut state = self.shared.lock();
        let reaction = state.positions.fetch_answered(tp, lease, node, &told(data), now.into_std());
        let taken = reaction.take;
        drop(state);
        self.react(tp, reaction);
        taken
    }

    /// Tells the application what it has to know, and has metadata looked at if need be.
    pub(super) fn react(&mut self, tp: &TopicPartition, reaction: Reaction) {
        if let Some(event) = reaction.event {
            self.shared.lock().push_event(tp, event);
            self.news = true;
        }
        if reaction.refresh {
            self.client.metadata.request_refresh();
        }
    }
}

fn size(data: &PartitionData) -> usize {
    data.records.as_ref().map_or(0, |records| records.len())
}

fn told(data: &PartitionData) -> Told {
    let end = &data.diverging_epoch;
    let diverging = EpochEnd { epoch: end.epoch, end_offset: end.end_offset };
    Told {
        error: ErrorCode(data.error_code),
        high_watermark: data.high_watermark,
        last_stable_offset: data.last_stable_offset,
        log_start_offset: data.log_start_offset,
        preferred_read_replica: data.preferred_read_replica,
        diverging: Some(diverging).filter(|end| end.end_offset >= 0),
        has_records: size(data) > 0,
    }
}

fn fetched(
    tp: &TopicPartition,
    wanted: Wanted,
    data: PartitionData,
    charge: Arc<super::super::fetch::Charge>,
) -> FetchedData {
    let aborted = data.aborted_transactions.unwrap_or_default();
    FetchedData {
        topic: Arc::clone(&tp.topic),
        partition: tp.partition,
        offset: wanted.offset,
        leader_epoch: -1,
        high_watermark: data.high_watermark,
        last_stable_offset: data.last_stable_offset,
        aborted: aborted.iter().map(|t| (t.producer_id, t.first_offset)).collect(),
        records: data.records.map(|records| records.to_bytes()).unwrap_or_default(),
        charge,
    }
}

fn endpoints(told: &[NodeEndpoint]) -> Vec<(i32, BrokerEndpoint)> {
    let endpoint = |e: &NodeEndpoint| {
        let port = u16::try_from(e.port).ok()?;
        Some((e.node_id, BrokerEndpoint { host: e.host.as_str().into(), port }))
    };
    told.iter().filter_map(endpoint).collect()
}
