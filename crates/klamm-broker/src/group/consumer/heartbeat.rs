//! Pure: the heartbeat of a member: it says what it reads and has, and is told what is its own.

use super::check::Fault;
use super::group::ConsumerGroup;
use super::member::{Member, Progress};
use super::requests::ConsumerTimes;
use crate::group::assignor::Assignment;
use crate::group::config::GroupConfig;
use crate::group::effects::{Caller, Effects};
use crate::group::topic_view::TopicView;
use klamm_protocol::message::consumer_group_heartbeat_response as response;
use klamm_protocol::message::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use klamm_protocol::primitives::Str;

/// A heartbeat with everything around it.
#[derive(Clone, Copy)]
pub(super) struct Beat<'a> {
    pub(super) config: &'a GroupConfig,
    pub(super) times: ConsumerTimes,
    pub(super) caller: Caller<'a>,
    pub(super) request: &'a ConsumerGroupHeartbeatRequest,
    pub(super) view: &'a dyn TopicView,
}

impl Beat<'_> {
    /// Whether the member joins, for the first time or again.
    pub(super) fn joins(&self) -> bool {
        self.request.member_epoch == 0
    }

    /// Whether the member says all that it knows, as after an error: it wants to hear everything, too.
    fn is_full(&self) -> bool {
        let ConsumerGroupHeartbeatRequest {
            rebalance_timeout_ms,
            subscribed_topic_names,
            subscribed_topic_regex,
            topic_partitions,
            ..
        } = self.request;
        let subscribes = subscribed_topic_names.is_some() || subscribed_topic_regex.is_some();
        *rebalance_timeout_ms != -1 && subscribes && topic_partitions.is_some()
    }

    /// What the member says it has; `None` when it does not say.
    pub(super) fn owned(&self) -> Option<Assignment> {
        let mut owned = Assignment::new();
        for topic in self.request.topic_partitions.as_ref()? {
            owned.entry(topic.topic_id).or_default().extend(&topic.partitions);
        }
        Some(owned)
    }
}

impl ConsumerGroup {
    /// Takes a heartbeat that joins or goes on; the request has passed its checks.
    ///
    /// # Errors
    /// [`Fault`]; the group is as before then.
    pub(super) fn heartbeat(
        &mut self,
        fx: &mut Effects,
        beat: Beat<'_>,
    ) -> Result<ConsumerGroupHeartbeatResponse, Fault> {
        let id = self.enter(fx, beat)?;
        let epochs = (self.epoch, self.assignment_epoch);
        let before = self.members.get(&id).cloned().unwrap_or_default();
        let resubscribed = self.update(&id, beat);
        self.look_up_topics(fx.now_ms, beat.view, resubscribed);
        self.retarget();
        self.reconcile(&id, beat.owned().as_ref());
        let after = self.members.get(&id).cloned().unwrap_or_default();
        self.set_deadlines(fx, beat.times, &before, &after);
        if before != after || epochs != (self.epoch, self.assignment_epoch) {
            self.write(fx);
        }
        // Who comes with an older epoch has not heard the last answer.
        let deaf = beat.request.member_epoch != before.epoch;
        let told = deaf || beat.joins() || beat.is_full() || before.assigned != after.assigned;
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(id),
            member_epoch: after.epoch,
            heartbeat_interval_ms: beat.times.heartbeat_interval_ms,
            assignment: told.then(|| tell(&after.assigned)),
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    fn set_deadlines(
        &self,
        fx: &mut Effects,
        times: ConsumerTimes,
        before: &Member,
        after: &Member,
    ) {
        fx.after(times.session_timeout_ms, self.session_deadline(&after.id));
        let deadline = self.revocation_deadline(&after.id);
        if after.progress != Progress::Unrevoked {
            fx.timers.cancel(&deadline);
        } else if before.progress != Progress::Unrevoked || before.epoch != after.epoch {
            // Set once for what is to be given up: heartbeats in between do not stretch it.
            fx.after(after.rebalance_timeout_ms, deadline);
        }
    }
}

fn tell(assigned: &Assignment) -> response::Assignment {
    let topics = assigned.iter().filter(|(_, partitions)| !partitions.is_empty());
    let topics = topics.map(|(&topic_id, partitions)| response::TopicPartitions {
        topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    response::Assignment { topic_partitions: topics.collect() }
}

/// The answer to a member that has left.
pub(super) fn farewell(member_id: &Str, epoch: i32) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        member_id: Some(member_id.clone()),
        member_epoch: epoch,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
