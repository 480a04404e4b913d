//! Pure: LeaveGroup, and clients that are gone.

use super::group::{ClassicGroup, State};
use super::member::Member;
use crate::group::config::GroupConfig;
use crate::group::effects::Effects;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::leave_group_request::MemberIdentity;

impl ClassicGroup {
    /// Takes out the members named; the answer has a code for each, in order.
    pub(in crate::group) fn leave(
        &mut self,
        fx: &mut Effects,
        config: &GroupConfig,
        leaving: &[MemberIdentity],
    ) -> Vec<ErrorCode> {
        let codes: Vec<_> = leaving.iter().map(|member| self.leave_one(fx, member)).collect();
        if codes.iter().any(|code| code.is_ok()) {
            self.members_left(fx, config);
        }
        codes
    }

    fn leave_one(&mut self, fx: &mut Effects, leaving: &MemberIdentity) -> ErrorCode {
        let instance_id = leaving.group_instance_id.as_ref();
        let id = if leaving.member_id.is_empty() {
            // An administrator removes a static member by its instance id alone.
            let id = instance_id.and_then(|instance_id| self.static_members.get(instance_id));
            match id.cloned() {
                Some(id) => id,
                None => return ErrorCode::UNKNOWN_MEMBER_ID,
            }
        } else if self.is_pending(&leaving.member_id) {
            self.remove_pending(fx, &leaving.member_id);
            return ErrorCode::NONE;
        } else {
            match self.validate(&leaving.member_id, instance_id) {
                Ok(()) => leaving.member_id.clone(),
                Err(code) => return code,
            }
        };
        self.remove(fx, &id, ErrorCode::UNKNOWN_MEMBER_ID);
        ErrorCode::NONE
    }

    /// What the departure of members brings about.
    pub(super) fn members_left(&mut self, fx: &mut Effects, config: &GroupConfig) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(fx, config),
            State::PreparingRebalance => self.complete_if_all_joined(fx),
            State::Empty => {}
        }
    }

    /// The connection over which a member waits is gone. One that was never told its id cannot come back: it leaves.
    pub(in crate::group) fn forget(&mut self, fx: &mut Effects, config: &GroupConfig, id: &str) {
        let nameless =
            |member: &Member| member.is_new && !member.id_is_known && member.instance_id.is_none();
        if self.member(id).is_some_and(nameless) {
            self.remove(fx, id, ErrorCode::UNKNOWN_MEMBER_ID);
            self.members_left(fx, config);
        }
    }
}
