//! Pure: SyncGroup and Heartbeat.

use super::group::{ClassicGroup, State, answer_sync, failed_sync};
use crate::group::effects::{Caller, Effects};
use crate::group::timers::Deadline;
use bytes::Bytes;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{HeartbeatRequest, SyncGroupRequest, SyncGroupResponse};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;

impl ClassicGroup {
    /// Takes a request for an assignment: answers it through `fx`, now or when the leader has assigned.
    ///
    /// # Errors
    /// Why it is refused.
    pub(in crate::group) fn sync(
        &mut self,
        fx: &mut Effects,
        caller: Caller<'_>,
        request: &SyncGroupRequest,
    ) -> Result<(), ErrorCode> {
        self.validate(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let other = |said: &Option<Str>, ours: &Option<Str>| said.is_some() && said != ours;
        if other(&request.protocol_type, &self.protocol_type)
            || other(&request.protocol_name, &self.protocol_name)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if matches!(self.state, State::Empty | State::PreparingRebalance) {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        self.await_assignment(fx, caller, &request.member_id);
        if self.state == State::CompletingRebalance && self.is_leader(&request.member_id) {
            self.assign(fx, request);
        } else if self.state == State::Stable {
            self.hand_out(fx);
        }
        Ok(())
    }

    fn await_assignment(&mut self, fx: &mut Effects, caller: Caller<'_>, id: &Str) {
        let Some(member) = self.members.get_mut(id) else { return };
        answer_sync(fx, member, failed_sync(ErrorCode::REBALANCE_IN_PROGRESS));
        member.syncing = Some(caller.waiter);
        fx.wait(caller.waiter, &self.id, &member.id);
        self.pending_syncs.remove(id);
        if self.pending_syncs.is_empty() {
            fx.timers.cancel(&Deadline::Sync(self.id.clone()));
        }
    }

    /// The leader has assigned: the group is stable.
    fn assign(&mut self, fx: &mut Effects, request: &SyncGroupRequest) {
        let assigned = request.assignments.iter();
        let assigned: BTreeMap<&Str, &Bytes> =
            assigned.map(|entry| (&entry.member_id, &entry.assignment)).collect();
        for member in self.members.values_mut() {
            let assignment = assigned.get(&member.id);
            member.assignment = assignment.map(|a| Bytes::copy_from_slice(a)).unwrap_or_default();
        }
        self.enter(fx, State::Stable);
        self.write(fx);
        self.hand_out(fx);
    }

    /// Answers everybody who waits for an assignment.
    fn hand_out(&mut self, fx: &mut Effects) {
        let mut heard = Vec::new();
        for member in self.members.values_mut() {
            let response = SyncGroupResponse {
                protocol_type: self.protocol_type.clone(),
                protocol_name: self.protocol_name.clone(),
                assignment: member.assignment.clone(),
                ..SyncGroupResponse::default()
            };
            if answer_sync(fx, member, response) {
                heard.push(member.id.clone());
            }
        }
        heard.iter().for_each(|id| self.renew_session(fx, id));
    }

    /// A sign of life.
    ///
    /// # Errors
    /// What the member has to do about it.
    pub(in crate::group) fn heartbeat(
        &mut self,
        fx: &mut Effects,
        request: &HeartbeatRequest,
    ) -> Result<(), ErrorCode> {
        self.validate(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        self.renew_session(fx, &request.member_id);
        match self.state {
            State::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }
}
