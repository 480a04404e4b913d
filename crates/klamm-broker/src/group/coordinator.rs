//! Pure: all groups of the broker, and the requests of classic members.

use super::classic::{ClassicGroup, Joining, Refused};
use super::config::GroupConfig;
use super::effects::{Caller, Effects, Reply};
use super::group::{Group, Kind};
use super::offsets::PendingIndex;
use super::timers::Deadline;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::leave_group_request::MemberIdentity;
use klamm_protocol::message::leave_group_response::MemberResponse;
use klamm_protocol::message::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;

/// The group coordinator: takes requests and the time, gives answers, deadlines and things to write down.
///
/// After each call the answers of [`Coordinator::poll_reply`] and the changes of [`Coordinator::poll_change`] are to
/// be taken, and [`Coordinator::handle_timeout`] is to be called at [`Coordinator::poll_timeout`].
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(super) config: GroupConfig,
    pub(super) groups: BTreeMap<Str, Group>,
    pub(super) fx: Effects,
    /// Which groups wait for the end of a producer's transaction.
    pub(super) pending: PendingIndex,
    /// Place of the last commit in the sequence of all.
    pub(super) last_order: u64,
}

impl Coordinator {
    /// A coordinator without groups. Member ids are drawn from `seed`.
    pub(crate) fn new(config: GroupConfig, seed: u64) -> Self {
        Self {
            config,
            groups: BTreeMap::new(),
            fx: Effects::new(seed),
            pending: PendingIndex::default(),
            last_order: 0,
        }
    }

    /// JoinGroup. `None`: the answer comes later from [`Coordinator::poll_reply`], under `caller.waiter`.
    pub(crate) fn join_group(
        &mut self,
        now_ms: i64,
        caller: Caller<'_>,
        version: i16,
        request: &JoinGroupRequest,
    ) -> Option<JoinGroupResponse> {
        self.fx.now_ms = now_ms;
        if let Err(refused) = self.join(caller, version, request) {
            self.drop_if_untouched(&request.group_id);
            return Some(refused.response());
        }
        match self.fx.take_reply(caller.waiter)? {
            Reply::Join(response) => Some(response),
            Reply::Sync(_) => None,
        }
    }

    fn join(
        &mut self,
        caller: Caller<'_>,
        version: i16,
        request: &JoinGroupRequest,
    ) -> Result<(), Refused> {
        let refuse = |code| Refused { code, member_id: request.member_id.clone() };
        self.check_join(request).map_err(refuse)?;
        self.create(&request.group_id).map_err(refuse)?;
        self.become_classic_group(request);
        let Self { groups, fx, config, .. } = self;
        match groups.get_mut(&request.group_id).map(|group| &mut group.kind) {
            Some(Kind::Classic(group)) => {
                group.join(fx, Joining { config, caller, version, request })
            }
            // Who joins anew is told that others speak another protocol.
            Some(Kind::Consumer(_) | Kind::Share(_)) if request.member_id.is_empty() => {
                Err(refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL))
            }
            Some(Kind::Consumer(_) | Kind::Share(_)) | None => {
                Err(refuse(ErrorCode::UNKNOWN_MEMBER_ID))
            }
        }
    }

    /// A group of KIP-848 without members goes on as a classic one when a classic member joins, and so do its offsets.
    fn become_classic_group(&mut self, request: &JoinGroupRequest) {
        let Self { groups, fx, .. } = self;
        if let Some(group) = groups.get_mut(&request.group_id)
            && let Kind::Consumer(consumer) = &group.kind
            && consumer.is_empty()
            && request.member_id.is_empty()
        {
            let id = request.group_id.detach();
            let classic = ClassicGroup::after(id, fx.now_ms, consumer.epoch());
            classic.write(fx);
            group.kind = Kind::Classic(classic);
        }
    }

    fn check_join(&self, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
        let sessions = self.config.min_session_timeout_ms..=self.config.max_session_timeout_ms;
        if request.group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        if !sessions.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        if !request.member_id.is_empty() && !self.groups.contains_key(&request.group_id) {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        Ok(())
    }

    /// SyncGroup. `None`: the answer comes later from [`Coordinator::poll_reply`], under `caller.waiter`.
    pub(crate) fn sync_group(
        &mut self,
        now_ms: i64,
        caller: Caller<'_>,
        version: i16,
        request: &SyncGroupRequest,
    ) -> Option<SyncGroupResponse> {
        self.fx.now_ms = now_ms;
        let nameless = request.protocol_type.is_none() || request.protocol_name.is_none();
        let taken = if version >= 5 && nameless {
            Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
        } else {
            let members = self.classic_members(&request.group_id);
            members.and_then(|(group, fx)| group.sync(fx, caller, request))
        };
        if let Err(code) = taken {
            let error_code = code.0;
            return Some(SyncGroupResponse { error_code, ..SyncGroupResponse::default() });
        }
        match self.fx.take_reply(caller.waiter)? {
            Reply::Sync(response) => Some(response),
            Reply::Join(_) => None,
        }
    }

    /// Heartbeat of a classic member.
    pub(crate) fn heartbeat(
        &mut self,
        now_ms: i64,
        request: &HeartbeatRequest,
    ) -> HeartbeatResponse {
        self.fx.now_ms = now_ms;
        let members = self.classic_members(&request.group_id);
        let result = members.and_then(|(group, fx)| group.heartbeat(fx, request));
        let error_code = result.err().unwrap_or_default().0;
        HeartbeatResponse { error_code, ..HeartbeatResponse::default() }
    }

    /// LeaveGroup: one member before version 3, any number from then on.
    pub(crate) fn leave_group(
        &mut self,
        now_ms: i64,
        version: i16,
        request: &LeaveGroupRequest,
    ) -> LeaveGroupResponse {
        self.fx.now_ms = now_ms;
        let single =
            [MemberIdentity { member_id: request.member_id.clone(), ..MemberIdentity::default() }];
        let leaving = if version < 3 { &single[..] } else { &request.members[..] };
        let codes = self.leave(&request.group_id, leaving);
        let member = |(leaving, code): (&MemberIdentity, ErrorCode)| MemberResponse {
            member_id: leaving.member_id.clone(),
            group_instance_id: leaving.group_instance_id.clone(),
            error_code: code.0,
        };
        match codes {
            Err(code) => LeaveGroupResponse { error_code: code.0, ..Default::default() },
            Ok(codes) if version < 3 => {
                let error_code = codes.first().copied().unwrap_or_default().0;
                LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() }
            }
            Ok(codes) => LeaveGroupResponse {
                members: leaving.iter().zip(codes).map(member).collect(),
                ..LeaveGroupResponse::default()
            },
        }
    }

    fn leave(&mut self, id: &Str, leaving: &[MemberIdentity]) -> Result<Vec<ErrorCode>, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let Self { groups, fx, config, .. } = self;
        Ok(match groups.get_mut(id).map(|group| &mut group.kind) {
            Some(Kind::Classic(group)) => group.leave(fx, config, leaving),
            Some(Kind::Consumer(group)) => group.leave(fx, leaving),
            Some(Kind::Share(_)) | None => vec![ErrorCode::UNKNOWN_MEMBER_ID; leaving.len()],
        })
    }

    /// The group, if it has classic members.
    fn classic_members(
        &mut self,
        id: &Str,
    ) -> Result<(&mut ClassicGroup, &mut Effects), ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        match self.groups.get_mut(id).map(|group| &mut group.kind) {
            Some(Kind::Classic(group)) => Ok((group, &mut self.fx)),
            Some(Kind::Consumer(_) | Kind::Share(_)) | None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        }
    }

    /// Makes sure that the group exists.
    ///
    /// # Errors
    /// POLICY_VIOLATION when there are as many groups as may be.
    pub(super) fn create(&mut self, id: &Str) -> Result<(), ErrorCode> {
        if self.groups.contains_key(id) {
            return Ok(());
        }
        if self.groups.len() >= self.config.max_groups {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let group = Group::new(id, self.fx.now_ms);
        self.groups.insert(id.detach(), group);
        self.schedule_expiry();
        Ok(())
    }

    /// Drops a group that a refused request has made.
    pub(super) fn drop_if_untouched(&mut self, id: &Str) {
        if self.groups.get(id).is_some_and(Group::is_untouched) {
            self.groups.remove(id);
        }
    }

    /// The connection of a request that waits is gone: nobody wants the answer any more.
    pub(crate) fn forget(&mut self, now_ms: i64, waiter: u64) {
        self.fx.now_ms = now_ms;
        let Some((group, member)) = self.fx.forget(waiter) else { return };
        let Self { groups, fx, config, .. } = self;
        match groups.get_mut(&group).map(|group| &mut group.kind) {
            Some(Kind::Classic(group)) => group.forget(fx, config, &member),
            Some(Kind::Consumer(_) | Kind::Share(_)) | None => {}
        }
    }

    /// The next answer to a request that had to wait, with its waiter.
    pub(crate) fn poll_reply(&mut self) -> Option<(u64, Reply)> {
        self.fx.poll_reply()
    }

    /// When [`Coordinator::handle_timeout`] is to be called next.
    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        self.fx.timers.next()
    }

    /// Does what is due by now.
    pub(crate) fn handle_timeout(&mut self, now_ms: i64) {
        self.fx.now_ms = now_ms;
        while let Some(deadline) = self.fx.timers.pop(now_ms) {
            if deadline == Deadline::Expiry {
                self.expire();
                continue;
            }
            self.handle_deadline(&deadline);
        }
    }

    fn handle_deadline(&mut self, deadline: &Deadline) {
        let Self { groups, fx, config, .. } = self;
        let (Deadline::Join(id)
        | Deadline::Sync(id)
        | Deadline::Session(id, _)
        | Deadline::Revocation(id, _)) = deadline
        else {
            return;
        };
        match (groups.get_mut(id).map(|group| &mut group.kind), deadline) {
            (Some(Kind::Classic(group)), Deadline::Join(_)) => group.handle_join_timeout(fx),
            (Some(Kind::Classic(group)), Deadline::Sync(_)) => {
                group.handle_sync_timeout(fx, config);
            }
            (Some(Kind::Classic(group)), Deadline::Session(_, member)) => {
                group.handle_session_timeout(fx, config, member);
            }
            (
                Some(Kind::Consumer(group)),
                Deadline::Session(_, member) | Deadline::Revocation(_, member),
            ) => group.fence(fx, member),
            (Some(Kind::Share(group)), Deadline::Session(_, member)) => group.fence(fx, member),
            _ => {}
        }
    }
}
