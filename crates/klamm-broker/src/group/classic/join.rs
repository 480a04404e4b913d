//! Pure: JoinGroup.

use super::group::{ClassicGroup, State, answer_join};
use super::member::Member;
use crate::group::config::GroupConfig;
use crate::group::effects::{Caller, Effects};
use bytes::Bytes;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::join_group_response::JoinGroupResponseMember;
use klamm_protocol::message::{JoinGroupRequest, JoinGroupResponse};
use klamm_protocol::primitives::Str;

/// How long a new member, which cannot send heartbeats yet, may wait for the others.
const NEW_MEMBER_TIMEOUT_MS: i32 = 300_000;

/// A JoinGroup request with everything around it.
#[derive(Debug, Clone, Copy)]
pub(in crate::group) struct Joining<'a> {
    pub(in crate::group) config: &'a GroupConfig,
    pub(in crate::group) caller: Caller<'a>,
    pub(in crate::group) version: i16,
    pub(in crate::group) request: &'a JoinGroupRequest,
}

impl Joining<'_> {
    /// Members of version 4 and later are told their id before they join (KIP-394).
    fn must_know_its_id(&self) -> bool {
        self.version >= 4
    }

    pub(super) fn refuse(&self, code: ErrorCode) -> Refused {
        Refused { code, member_id: self.request.member_id.clone() }
    }
}

/// Why a member may not join, or not yet.
#[derive(Debug)]
pub(in crate::group) struct Refused {
    pub(in crate::group) code: ErrorCode,
    /// The id the member has or, with MEMBER_ID_REQUIRED, is to have.
    pub(in crate::group) member_id: Str,
}

impl Refused {
    pub(in crate::group) fn response(self) -> JoinGroupResponse {
        let Self { code, member_id } = self;
        JoinGroupResponse { error_code: code.0, member_id, ..JoinGroupResponse::default() }
    }
}

impl ClassicGroup {
    /// Takes a request to join: answers it through `fx`, now or when the others have joined.
    ///
    /// # Errors
    /// [`Refused`]; the group is as before then, except that MEMBER_ID_REQUIRED reserves
    /// an id.
    pub(in crate::group) fn join(
        &mut self,
        fx: &mut Effects,
        join: Joining<'_>,
    ) -> Result<(), Refused> {
        let request = join.request;
        if !self.has_room(join.config, &request.member_id) {
            self.remove_pending(fx, &request.member_id);
            let code = ErrorCode::GROUP_MAX_SIZE_REACHED;
            return Err(Refused { code, member_id: Str::default() });
        }
        if !self.supports_protocols(request) {
            return Err(join.refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
        }
        if request.member_id.is_empty() {
            return self.join_unknown(fx, join);
        }
        if self.is_pending(&request.member_id) {
            if request.group_instance_id.is_some() {
                return Err(join.refuse(ErrorCode::UNKNOWN_MEMBER_ID));
            }
            let id = request.member_id.detach();
            self.pending_joins.remove(&id);
            self.add(fx, join, id);
            return Ok(());
        }
        self.validate(&request.member_id, request.group_instance_id.as_ref())
            .map_err(|code| join.refuse(code))?;
        self.rejoin(fx, join);
        Ok(())
    }

    /// Somebody who has no member id yet.
    fn join_unknown(&mut self, fx: &mut Effects, join: Joining<'_>) -> Result<(), Refused> {
        let Some(instance_id) = &join.request.group_instance_id else {
            let id = fx.member_id(join.caller.client_id);
            if !join.must_know_its_id() {
                self.add(fx, join, id);
                return Ok(());
            }
            fx.after(join.request.session_timeout_ms, self.session_deadline(&id));
            self.pending_joins.insert(id.clone());
            return Err(Refused { code: ErrorCode::MEMBER_ID_REQUIRED, member_id: id });
        };
        let id = fx.member_id(instance_id);
        match self.static_members.get(instance_id).cloned() {
            Some(old) => self.replace_static(fx, join, &old, id),
            None => self.add(fx, join, id),
        }
        Ok(())
    }

    fn add(&mut self, fx: &mut Effects, join: Joining<'_>, id: Str) {
        let mut member = Member {
            id: id.clone(),
            instance_id: join.request.group_instance_id.as_ref().map(Str::detach),
            client_id: Str::from(join.caller.client_id),
            client_host: Str::from(join.caller.client_host),
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            joining: Some(join.caller.waiter),
            syncing: None,
            is_new: true,
            id_is_known: !join.request.member_id.is_empty(),
        };
        member.update(join.request);
        fx.wait(join.caller.waiter, &self.id, &id);
        if self.members.is_empty() {
            self.protocol_type = Some(join.request.protocol_type.detach());
        }
        if let Some(delay) = &mut self.initial_delay {
            delay.member_added = true;
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id.clone(), member);
        // A client that went away in the meantime tries again under another id: the old one must not stay for ever.
        fx.after(NEW_MEMBER_TIMEOUT_MS, self.session_deadline(&id));
        self.rebalance_or_complete(fx, join.config);
    }

    /// A member joins again.
    fn rejoin(&mut self, fx: &mut Effects, join: Joining<'_>) {
        let id = &join.request.member_id;
        let same = self.member(id).is_some_and(|member| member.matches(join.request));
        let up_to_date = match self.state {
            // It may have missed the answer to its first request.
            State::CompletingRebalance => same,
            // The leader joins again when something but its own metadata asks for another assignment.
            State::Stable => same && !self.is_leader(id),
            State::Empty | State::PreparingRebalance => false,
        };
        self.update(fx, join, id);
        if up_to_date {
            let response = self.joined(id);
            if let Some(member) = self.members.get_mut(id) {
                answer_join(fx, member, response);
            }
            return;
        }
        self.rebalance_or_complete(fx, join.config);
    }

    /// Notes what a member says of itself now, and that its request waits.
    pub(super) fn update(&mut self, fx: &mut Effects, join: Joining<'_>, id: &Str) {
        let Some(member) = self.members.get_mut(id) else { return };
        // An earlier request that still waits is one its sender has given up.
        let outdated = join.refuse(ErrorCode::REBALANCE_IN_PROGRESS).response();
        answer_join(fx, member, outdated);
        member.update(join.request);
        member.joining = Some(join.caller.waiter);
        fx.wait(join.caller.waiter, &self.id, &member.id);
    }

    /// The answer for a member of the present generation; the leader learns of all members.
    pub(super) fn joined(&self, id: &Str) -> JoinGroupResponse {
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: Some(self.protocol_name.clone().unwrap_or_default()),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: id.clone(),
            members: if self.is_leader(id) { self.roll() } else { Vec::new() },
            ..JoinGroupResponse::default()
        }
    }

    /// All members with what they said under the chosen protocol.
    fn roll(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let members = self.members.values();
        let entry = |member: &Member| JoinGroupResponseMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        members.map(entry).collect()
    }
}
