//! Pure: the requests of KIP-848 members and of those who look at their groups.

use super::check::{Fault, LEAVE, LEAVE_FOR_A_WHILE, check};
use super::group::ConsumerGroup;
use super::heartbeat::Beat;
use crate::group::Coordinator;
use crate::group::assignor::Assignor;
use crate::group::effects::Caller;
use crate::group::group::Kind;
use crate::group::topic_view::TopicView;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::consumer_group_describe_response::DescribedGroup;
use klamm_protocol::message::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
};
use klamm_protocol::primitives::Str;

/// What is in force for the members of one group, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConsumerTimes {
    pub(crate) session_timeout_ms: i32,
    pub(crate) heartbeat_interval_ms: i32,
}

impl Coordinator {
    /// ConsumerGroupHeartbeat.
    pub(crate) fn consumer_group_heartbeat(
        &mut self,
        now_ms: i64,
        caller: Caller<'_>,
        times: ConsumerTimes,
        version: i16,
        request: &ConsumerGroupHeartbeatRequest,
        view: &dyn TopicView,
    ) -> ConsumerGroupHeartbeatResponse {
        self.fx.now_ms = now_ms;
        let done = check(version, request).and_then(|()| match request.member_epoch {
            LEAVE | LEAVE_FOR_A_WHILE => self.depart(request),
            _ => self.beat(caller, times, request, view),
        });
        if done.is_err() {
            self.drop_if_untouched(&request.group_id);
        }
        done.unwrap_or_else(Fault::response)
    }

    fn beat(
        &mut self,
        caller: Caller<'_>,
        times: ConsumerTimes,
        request: &ConsumerGroupHeartbeatRequest,
        view: &dyn TopicView,
    ) -> Result<ConsumerGroupHeartbeatResponse, Fault> {
        self.check_assignor(request)?;
        if request.member_epoch == 0 {
            self.become_consumer_group(&request.group_id)?;
        }
        let Self { groups, fx, config, .. } = self;
        match groups.get_mut(&request.group_id).map(|group| &mut group.kind) {
            Some(Kind::Consumer(group)) => {
                group.default_assignor = config.default_assignor();
                group.heartbeat(fx, Beat { config, times, caller, request, view })
            }
            Some(Kind::Classic(_) | Kind::Share(_)) | None => Err(not_found(&request.group_id)),
        }
    }

    /// `group.consumer.assignors`.
    fn check_assignor(&self, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Fault> {
        let allowed = &self.config.consumer_assignors;
        let wanted = request.server_assignor.as_ref().filter(|name| {
            !Assignor::by_name(name).is_some_and(|assignor| allowed.contains(&assignor))
        });
        let Some(name) = wanted else { return Ok(()) };
        let names: Vec<&str> = allowed.iter().map(|assignor| assignor.name()).collect();
        let why = format!("no assignor {name}: there are {}", names.join(" and "));
        Err(Fault::new(ErrorCode::UNSUPPORTED_ASSIGNOR, why))
    }

    fn depart(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Fault> {
        match self.groups.get_mut(&request.group_id).map(|group| &mut group.kind) {
            Some(Kind::Consumer(group)) => group.depart(&mut self.fx, request),
            Some(Kind::Classic(_) | Kind::Share(_)) | None => Err(not_found(&request.group_id)),
        }
    }

    /// Makes the group if there is none; a classic group that nobody uses goes on as one of KIP-848, and so do its
    /// offsets.
    fn become_consumer_group(&mut self, id: &Str) -> Result<(), Fault> {
        self.create(id).map_err(|code| Fault::new(code, "there are too many groups"))?;
        let Self { groups, fx, .. } = self;
        if let Some(group) = groups.get_mut(id)
            && let Kind::Classic(classic) = &mut group.kind
            && classic.is_unused()
        {
            let epoch = classic.generation();
            classic.dissolve(fx);
            group.kind = Kind::Consumer(ConsumerGroup::new(id.detach(), fx.now_ms, epoch));
        }
        Ok(())
    }

    /// ConsumerGroupDescribe: groups of KIP-848 only, as with Kafka.
    pub(crate) fn consumer_group_describe(
        &self,
        version: i16,
        request: &ConsumerGroupDescribeRequest,
        view: &dyn TopicView,
    ) -> ConsumerGroupDescribeResponse {
        let describe = |id: &Str| match self.groups.get(id).map(|group| &group.kind) {
            _ if id.is_empty() => undescribed(id, ErrorCode::INVALID_GROUP_ID, None),
            Some(Kind::Consumer(group)) => group.describe(version, view),
            Some(Kind::Classic(_) | Kind::Share(_)) | None => {
                let why = Str::from(format!("there is no consumer group {id}"));
                undescribed(id, ErrorCode::GROUP_ID_NOT_FOUND, Some(why))
            }
        };
        let groups = request.group_ids.iter().map(describe).collect();
        ConsumerGroupDescribeResponse { groups, ..ConsumerGroupDescribeResponse::default() }
    }
}

fn undescribed(id: &Str, code: ErrorCode, why: Option<Str>) -> DescribedGroup {
    DescribedGroup {
        group_id: id.clone(),
        error_code: code.0,
        error_message: why,
        ..DescribedGroup::default()
    }
}

fn not_found(id: &str) -> Fault {
    let why = format!("there is no consumer group {id}");
    Fault::new(ErrorCode::GROUP_ID_NOT_FOUND, why)
}
