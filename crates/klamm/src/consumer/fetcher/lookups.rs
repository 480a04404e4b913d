//! Offsets and epochs that have to be asked for before a partition can be read.

use super::super::fetch::{EpochEnd, Lease, Position, ResetTarget};
use super::super::list_offsets::{self, Asked, EARLIEST, LATEST};
use super::Fetcher;
use crate::client::{ClientInner, ConnectionClass};
use crate::connection::RequestError;
use crate::consumer::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::OffsetForLeaderEpochRequest;
use klamm_protocol::message::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Before version 3 only other brokers were allowed to ask.
const EPOCH_VERSIONS: RangeInclusive<i16> = 3..=4;

/// A partition that was asked about, and what came of it; `None` if nothing did.
type Told<T> = (TopicPartition, Lease, Option<Result<T, ErrorCode>>);

/// The answers of one broker.
#[derive(Debug)]
pub(super) enum LookupDone {
    Offsets(Vec<Told<Position>>),
    Epochs(Vec<Told<EpochEnd>>),
}

/// A question about the end of an epoch.
#[derive(Debug)]
struct EpochAsked {
    tp: TopicPartition,
    leader_epoch: i32,
    epoch: i32,
}

impl Fetcher {
    /// Asks leaders for offsets.
    pub(super) fn look_up(&mut self, due: Vec<(TopicPartition, Lease, ResetTarget)>) {
        let mut by_node: BTreeMap<i32, (Vec<Asked>, Vec<Lease>)> = BTreeMap::new();
        for (tp, lease, target) in due {
            // Partitions are due only with a leader.
            let Some(leader) = super::leaders::leader_of(&self.cluster, &tp) else { continue };
            let (asked, leases) = by_node.entry(leader.node.unwrap_or(-1)).or_default();
            let (leader_epoch, timestamp) = (leader.epoch, timestamp(target));
            asked.push(Asked { tp, leader_epoch, timestamp });
            leases.push(lease);
        }
        for (node, (asked, leases)) in by_node {
            let (client, committed) = (Arc::clone(&self.client), self.settings.read_committed);
            self.lookups.spawn(async move {
                let answers = list_offsets::ask(&client, node, &asked, committed).await;
                let answers = answers.unwrap_or_else(|error| unanswered(node, &error, asked.len()));
                let told = asked.into_iter().zip(leases).zip(answers);
                let told = told.map(|((asked, lease), answer)| {
                    let position = answer.map(|found| {
                        found.map(|f| Position { offset: f.offset, leader_epoch: f.leader_epoch })
                    });
                    (asked.tp, lease, position)
                });
                LookupDone::Offsets(told.collect())
            });
        }
    }

    /// Asks leaders where epochs end.
    pub(super) fn validate(&mut self, due: Vec<(TopicPartition, Lease, i32, i32)>) {
        let mut by_node: BTreeMap<i32, (Vec<EpochAsked>, Vec<Lease>)> = BTreeMap::new();
        for (tp, lease, leader_epoch, epoch) in due {
            let node = self.cluster.leader(&tp.topic, tp.partition).unwrap_or(-1);
            let (asked, leases) = by_node.entry(node).or_default();
            asked.push(EpochAsked { tp, leader_epoch, epoch });
            leases.push(lease);
        }
        for (node, (asked, leases)) in by_node {
            let client = Arc::clone(&self.client);
            self.lookups.spawn(async move {
                let answers = match ask_epochs(&client, node, &asked).await {
                    Ok(answers) => answers,
                    Err(RequestError::Version { .. }) => {
                        asked.iter().map(|_| Some(Err(ErrorCode::UNSUPPORTED_VERSION))).collect()
                    }
                    Err(error) => unanswered(node, &error, asked.len()),
                };
                let told = asked.into_iter().zip(leases).zip(answers);
                LookupDone::Epochs(told.map(|((a, lease), end)| (a.tp, lease, end)).collect())
            });
        }
    }

    /// Takes what was answered; true if anything was.
    pub(super) fn poll_lookups(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(done)) = self.lookups.poll_join_next(cx) {
            any = true;
            match done {
                Ok(LookupDone::Offsets(told)) => {
                    for (tp, lease, answer) in told {
                        self.handle_offset(&tp, lease, answer, now.into_std());
                    }
                }
                Ok(LookupDone::Epochs(told)) => {
                    for (tp, lease, answer) in told {
                        self.handle_epoch(&tp, lease, answer, now.into_std());
                    }
                }
                Err(error) => super::give_up(error),
            }
        }
        any
    }

    fn handle_offset(
        &mut self,
        tp: &TopicPartition,
        lease: Lease,
        answer: Option<Result<Position, ErrorCode>>,
        now: std::time::Instant,
    ) {
        let mut state = self.shared.lock();
        let Some(answer) = answer else {
            self.client.metadata.request_refresh();
            return state.positions.lookup_unanswered(tp, lease, now);
        };
        let reaction = state.positions.reset_answered(tp, lease, answer, now);
        drop(state);
        self.react(tp, reaction);
    }

    fn handle_epoch(
        &mut self,
        tp: &TopicPartition,
        lease: Lease,
        answer: Option<Result<EpochEnd, ErrorCode>>,
        now: std::time::Instant,
    ) {
        let mut state = self.shared.lock();
        let Some(answer) = answer else {
            self.client.metadata.request_refresh();
            return state.positions.lookup_unanswered(tp, lease, now);
        };
        let reaction = state.positions.validation_answered(tp, lease, answer, now);
        drop(state);
        self.react(tp, reaction);
    }
}

fn unanswered<T>(node: i32, error: &RequestError, count: usize) -> Vec<Option<T>> {
    tracing::warn!(node, %error, "a lookup failed");
    (0..count).map(|_| None).collect()
}

fn timestamp(target: ResetTarget) -> i64 {
    match target {
        ResetTarget::Earliest => EARLIEST,
        ResetTarget::Latest => LATEST,
        ResetTarget::AtTime(at) => at,
        ResetTarget::Ago(age) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            i64::try_from(now.saturating_sub(age).as_millis()).unwrap_or(i64::MAX)
        }
    }
}

async fn ask_epochs(
    client: &ClientInner,
    node: i32,
    asked: &[EpochAsked],
) -> Result<Vec<Option<Result<EpochEnd, ErrorCode>>>, RequestError> {
    let connection = client.connection(node, ConnectionClass::Control).await?;
    let mut by_topic: BTreeMap<&str, Vec<OffsetForLeaderPartition>> = BTreeMap::new();
    for EpochAsked { tp, leader_epoch, epoch } in asked {
        by_topic.entry(&tp.topic).or_default().push(OffsetForLeaderPartition {
            partition: tp.partition,
            current_leader_epoch: *leader_epoch,
            leader_epoch: *epoch,
        });
    }
    let topic =
        |(name, partitions): (&str, _)| OffsetForLeaderTopic { topic: name.into(), partitions };
    let topics = by_topic.into_iter().map(topic).collect();
    let request = OffsetForLeaderEpochRequest { replica_id: -1, topics };
    let timeout = client.config.request_timeout;
    let answer = connection.request(&request, EPOCH_VERSIONS, timeout).await?;
    connection.throttle(answer.throttle_time_ms);
    let mut ends = BTreeMap::new();
    for topic in &answer.topics {
        for p in &topic.partitions {
            let end = EpochEnd { epoch: p.leader_epoch, end_offset: p.end_offset };
            let told = ErrorCode(p.error_code).check().map(|()| end);
            ends.insert((topic.topic.as_str(), p.partition), told);
        }
    }
    Ok(asked.iter().map(|a| ends.get(&(&*a.tp.topic, a.tp.partition)).copied()).collect())
}
