//! A member of a KIP-848 group that acts on command.

use super::script::{GROUP, Script, topic_id};
use crate::group::{Caller, ConsumerTimes};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::consumer_group_describe_response::DescribedGroup;
use klamm_protocol::message::consumer_group_heartbeat_request::TopicPartitions;
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// Partitions by topic id.
pub(super) type Owned = BTreeMap<Uuid, BTreeSet<i32>>;

/// A consumer: what it wants, what it has been told and what it has.
#[derive(Debug, Clone, Default)]
pub(super) struct Consumer {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) topics: Vec<String>,
    pub(super) regex: Option<String>,
    pub(super) assignor: Option<String>,
    pub(super) epoch: i32,
    pub(super) owned: Owned,
    /// What it was told last, if it has not acted on it yet.
    pub(super) told: Option<Owned>,
    /// An answer was lost: it says everything again.
    pub(super) unsure: bool,
}

impl Consumer {
    pub(super) fn new(id: &str, topics: &[&str]) -> Self {
        let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
        Self { id: id.to_owned(), topics, ..Self::default() }
    }

    pub(super) fn instance(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }

    /// The heartbeat that it would send now: everything when it joins or has missed something, else what it has, unless
    /// that is about to change.
    pub(super) fn request(&self) -> ConsumerGroupHeartbeatRequest {
        let joins = self.epoch == 0 || self.unsure && self.told.is_none();
        let text = |text: &String| Str::from(text.clone());
        let owned = self.owned.iter().map(|(&topic_id, partitions)| TopicPartitions {
            topic_id,
            partitions: partitions.iter().copied().collect(),
        });
        ConsumerGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: self.id.as_str().into(),
            member_epoch: self.epoch,
            instance_id: self.instance.as_ref().map(text),
            rebalance_timeout_ms: if joins { 30_000 } else { -1 },
            subscribed_topic_names: joins.then(|| self.topics.iter().map(text).collect()),
            subscribed_topic_regex: joins
                .then(|| self.regex.as_ref().map(text).unwrap_or_default()),
            server_assignor: self.assignor.as_ref().filter(|_| joins).map(text),
            topic_partitions: self.told.is_none().then(|| owned.collect()),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    /// Sends a heartbeat and notes the answer, without acting on it.
    pub(super) fn beat(&mut self, s: &mut Script) -> ErrorCode {
        let response = send(s, &self.request());
        let code = ErrorCode(response.error_code);
        if code.is_ok() {
            self.epoch = response.member_epoch;
            self.unsure &= self.told.is_some();
            if let Some(assignment) = response.assignment {
                let topics = assignment.topic_partitions.into_iter();
                let told = topics.map(|t| (t.topic_id, t.partitions.into_iter().collect()));
                self.told = Some(told.collect());
            }
        }
        code
    }

    /// Gives up and takes what it was told.
    pub(super) fn act(&mut self) {
        self.owned = self.told.take().unwrap_or_else(|| std::mem::take(&mut self.owned));
    }

    /// A heartbeat on which it acts at once.
    pub(super) fn go(&mut self, s: &mut Script) {
        assert_eq!(self.beat(s), ErrorCode::NONE, "{self:?}");
        self.act();
    }

    /// Says that it leaves: -1 for good, -2 for a while.
    pub(super) fn leave(&mut self, s: &mut Script, epoch: i32) -> ErrorCode {
        let request = ConsumerGroupHeartbeatRequest { member_epoch: epoch, ..self.request() };
        self.forget();
        ErrorCode(send(s, &request).error_code)
    }

    /// Has nothing and is to join again.
    pub(super) fn forget(&mut self) {
        self.epoch = 0;
        self.owned.clear();
        self.told = None;
    }

    /// The partitions of one topic that it has.
    pub(super) fn has(&self, topic: &str) -> Vec<i32> {
        self.owned.get(&topic_id(topic)).into_iter().flatten().copied().collect()
    }
}

pub(super) fn send(
    s: &mut Script,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    send_as(s, 1, request)
}

pub(super) fn send_as(
    s: &mut Script,
    version: i16,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let caller = Caller { client_id: "app", client_host: "/127.0.0.1", waiter: 0 };
    let topics = s.topics.clone();
    let times = ConsumerTimes { session_timeout_ms: 45_000, heartbeat_interval_ms: 5_000 };
    s.c.consumer_group_heartbeat(s.now_ms, caller, times, version, request, &topics)
}

/// Heartbeats of all, in turn, until nobody has anything to do any more.
pub(super) fn settle(s: &mut Script, consumers: &mut [&mut Consumer]) {
    for _ in 0..4 {
        consumers.iter_mut().for_each(|consumer| consumer.go(s));
    }
    assert_eq!(describe(s).group_state.as_str(), "Stable");
}

pub(super) fn describe(s: &Script) -> DescribedGroup {
    let request =
        ConsumerGroupDescribeRequest { group_ids: vec![GROUP.into()], ..Default::default() };
    s.c.consumer_group_describe(1, &request, &s.topics).groups.remove(0)
}
