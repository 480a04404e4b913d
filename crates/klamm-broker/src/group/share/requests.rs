//! Pure: the requests of share members and of those who look after their groups.

use super::group::ShareGroup;
use super::heartbeat::{Beat, Fault, LEAVE, check};
use crate::group::Coordinator;
use crate::group::effects::Caller;
use crate::group::group::Kind;
use crate::group::topic_view::TopicView;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::share_group_describe_response::DescribedGroup;
use klamm_protocol::message::{
    ShareGroupDescribeRequest, ShareGroupDescribeResponse, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
};
use klamm_protocol::primitives::Str;

/// What a share group has set for the heartbeats of its members, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShareTimes {
    pub(crate) session_timeout_ms: i32,
    pub(crate) heartbeat_interval_ms: i32,
}

impl Coordinator {
    /// ShareGroupHeartbeat.
    pub(crate) fn share_group_heartbeat(
        &mut self,
        now_ms: i64,
        caller: Caller<'_>,
        times: ShareTimes,
        request: &ShareGroupHeartbeatRequest,
        view: &dyn TopicView,
    ) -> ShareGroupHeartbeatResponse {
        self.fx.now_ms = now_ms;
        let done = check(request).and_then(|()| {
            if request.member_epoch == 0 {
                self.create_share_group(&request.group_id)?;
            }
            let Self { groups, fx, config, .. } = self;
            match groups.get_mut(&request.group_id).map(|group| &mut group.kind) {
                Some(Kind::Share(group)) if request.member_epoch == LEAVE => {
                    group.depart(fx, &request.member_id)
                }
                Some(Kind::Share(group)) => {
                    group.heartbeat(fx, Beat { config, times, caller, request, view })
                }
                _ => Err(not_found(&request.group_id)),
            }
        });
        if done.is_err() {
            self.drop_if_untouched(&request.group_id);
        }
        done.unwrap_or_else(Fault::response)
    }

    /// Makes the group if there is none. One of another kind stays what it is, as with Kafka.
    fn create_share_group(&mut self, id: &Str) -> Result<(), Fault> {
        let new = !self.groups.contains_key(id);
        self.create(id).map_err(|code| Fault::new(code, "there are too many groups"))?;
        if new && let Some(group) = self.groups.get_mut(id) {
            group.kind = Kind::Share(ShareGroup::new(id.detach()));
        }
        Ok(())
    }

    /// Makes sure that there is a share group without members, for whoever sets where it reads from.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND for a group of another kind, NON_EMPTY_GROUP, or POLICY_VIOLATION when there are too many.
    pub(crate) fn ensure_empty_share_group(
        &mut self,
        now_ms: i64,
        id: &Str,
    ) -> Result<(), ErrorCode> {
        self.fx.now_ms = now_ms;
        if id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let new = !self.groups.contains_key(id);
        self.create_share_group(id).map_err(|_| ErrorCode::POLICY_VIOLATION)?;
        self.check_empty_share_group(id)?;
        if let Some(Kind::Share(group)) = self.groups.get_mut(id).map(|group| &mut group.kind)
            && new
        {
            group.bump();
            group.write(&mut self.fx);
        }
        Ok(())
    }

    /// Whether there is a share group without members.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND when there is none, NON_EMPTY_GROUP.
    pub(crate) fn check_empty_share_group(&self, id: &Str) -> Result<(), ErrorCode> {
        match self.groups.get(id).map(|group| &group.kind) {
            Some(Kind::Share(group)) if group.is_empty() => Ok(()),
            Some(Kind::Share(_)) => Err(ErrorCode::NON_EMPTY_GROUP),
            _ => Err(ErrorCode::GROUP_ID_NOT_FOUND),
        }
    }

    /// Whether there is a share group of that name.
    pub(crate) fn is_share_group(&self, id: &Str) -> bool {
        matches!(self.groups.get(id).map(|group| &group.kind), Some(Kind::Share(_)))
    }

    /// ShareGroupDescribe.
    pub(crate) fn share_group_describe(
        &self,
        request: &ShareGroupDescribeRequest,
        view: &dyn TopicView,
    ) -> ShareGroupDescribeResponse {
        let describe = |id: &Str| match self.groups.get(id).map(|group| &group.kind) {
            _ if id.is_empty() => undescribed(id, ErrorCode::INVALID_GROUP_ID, None),
            Some(Kind::Share(group)) => group.describe(view),
            _ => {
                let why = Str::from(format!("there is no share group {id}"));
                undescribed(id, ErrorCode::GROUP_ID_NOT_FOUND, Some(why))
            }
        };
        let groups = request.group_ids.iter().map(describe).collect();
        ShareGroupDescribeResponse { groups, ..ShareGroupDescribeResponse::default() }
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
    Fault::new(ErrorCode::GROUP_ID_NOT_FOUND, format!("there is no share group {id}"))
}
