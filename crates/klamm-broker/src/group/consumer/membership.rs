//! Pure: who is a member: joining, going on, leaving, being fenced.

use super::check::{Fault, LEAVE_FOR_A_WHILE};
use super::group::ConsumerGroup;
use super::heartbeat::{Beat, farewell};
use super::member::{Member, Progress, is_subset};
use crate::group::assignor::Assignment;
use crate::group::effects::Effects;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::leave_group_request::MemberIdentity;
use klamm_protocol::message::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use klamm_protocol::primitives::Str;

impl ConsumerGroup {
    /// Finds the sender of a heartbeat or makes it a member; returns its id.
    ///
    /// # Errors
    /// [`Fault`] when it may not take part, or not under this name and epoch.
    pub(super) fn enter(&mut self, fx: &mut Effects, beat: Beat<'_>) -> Result<Str, Fault> {
        let request = beat.request;
        let id = &request.member_id;
        if !beat.joins() {
            let member = self.find(request)?;
            check_epoch(member, request.member_epoch, beat.owned().as_ref())?;
            return Ok(member.id.clone());
        }
        let before = request.instance_id.as_ref().and_then(|i| self.static_members.get(i)).cloned();
        if let Some(before) = before {
            return self.replace(fx, &before, id);
        }
        if self.members.contains_key(id) {
            return Ok(id.clone());
        }
        if self.members.len() >= beat.config.consumer_max_size {
            let why = format!("the group has {} members", self.members.len());
            return Err(Fault::new(ErrorCode::GROUP_MAX_SIZE_REACHED, why));
        }
        let id = new_id(fx, id);
        self.members.insert(id.clone(), Member { id: id.clone(), ..Member::default() });
        self.bump();
        Ok(id)
    }

    /// A static member that said it would be back is, under another id or the same: it has what it had.
    fn replace(&mut self, fx: &mut Effects, before: &Str, id: &Str) -> Result<Str, Fault> {
        let away = self.members.get(before).is_some_and(|m| m.epoch == LEAVE_FOR_A_WHILE);
        if !away {
            let why = format!("the instance id is that of the member {before}");
            return Err(Fault::new(ErrorCode::UNRELEASED_INSTANCE_ID, why));
        }
        let Some(member) = self.members.remove(before) else { return Ok(id.clone()) };
        fx.timers.cancel(&self.session_deadline(before));
        // Another member under the new id is gone: its client has started anew.
        self.remove(fx, id);
        let id = new_id(fx, id);
        let back = Member { id: id.clone(), epoch: 0, previous_epoch: 0, ..member };
        if let Some(instance_id) = &back.instance_id {
            self.static_members.insert(instance_id.clone(), id.clone());
        }
        self.members.insert(id.clone(), back);
        Ok(id)
    }

    /// The member that a request names, by its id or by its instance id and id.
    fn find(&self, request: &ConsumerGroupHeartbeatRequest) -> Result<&Member, Fault> {
        let id = &request.member_id;
        let unknown = || {
            let why = format!("{id} is no member of the group");
            Fault::new(ErrorCode::UNKNOWN_MEMBER_ID, why)
        };
        if let Some(instance_id) = &request.instance_id {
            let owner = self.static_members.get(instance_id).ok_or_else(unknown)?;
            if owner != id {
                let why = format!("the instance id is that of the member {owner}");
                return Err(Fault::new(ErrorCode::FENCED_INSTANCE_ID, why));
            }
        }
        self.members.get(id).ok_or_else(unknown)
    }

    /// Takes out a member that leaves; a static one may leave for a while and keep its place until its session ends.
    ///
    /// # Errors
    /// [`Fault`] when it is no member, or another has its instance id.
    pub(super) fn depart(
        &mut self,
        fx: &mut Effects,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Fault> {
        let id = self.find(request)?.id.clone();
        if request.member_epoch == LEAVE_FOR_A_WHILE {
            fx.timers.cancel(&self.revocation_deadline(&id));
            if let Some(member) = self.members.get_mut(&id) {
                member.epoch = LEAVE_FOR_A_WHILE;
                // Whoever stops reads nothing: what it was to give up is free.
                member.revoking.clear();
                member.progress = Progress::Stable;
            }
        } else {
            self.remove(fx, &id);
        }
        self.write(fx);
        Ok(farewell(&id, request.member_epoch))
    }

    /// Time is up for a member: it is out, and has to join anew.
    pub(in crate::group) fn fence(&mut self, fx: &mut Effects, id: &str) {
        if self.remove(fx, id).is_some() {
            self.write(fx);
        }
    }

    /// LeaveGroup, by which administrators take static members out; other members leave by a heartbeat.
    pub(in crate::group) fn leave(
        &mut self,
        fx: &mut Effects,
        leaving: &[MemberIdentity],
    ) -> Vec<ErrorCode> {
        let mut leave_one = |leaving: &MemberIdentity| {
            let instance_id = leaving.group_instance_id.as_ref();
            let id = instance_id.and_then(|instance_id| self.static_members.get(instance_id));
            match id.filter(|_| leaving.member_id.is_empty()).cloned() {
                Some(id) => {
                    self.remove(fx, &id).map_or(ErrorCode::UNKNOWN_MEMBER_ID, |_| ErrorCode::NONE)
                }
                None => ErrorCode::UNKNOWN_MEMBER_ID,
            }
        };
        let codes: Vec<_> = leaving.iter().map(&mut leave_one).collect();
        if codes.iter().any(|code| code.is_ok()) {
            self.write(fx);
        }
        codes
    }

    /// Ends everything: the group is about to be another, or gone.
    pub(in crate::group) fn dissolve(&mut self, fx: &mut Effects) {
        for id in self.members.keys() {
            fx.timers.cancel(&self.session_deadline(id));
            fx.timers.cancel(&self.revocation_deadline(id));
        }
    }
}

/// Whether a member may go on in this epoch. One behind is allowed to a member that did not hear the answer that named
/// the new one, provided it has nothing that it was told to give up.
fn check_epoch(member: &Member, epoch: i32, owned: Option<&Assignment>) -> Result<(), Fault> {
    let lost_an_answer = epoch == member.previous_epoch
        && member.epoch > epoch
        && owned.is_some_and(|owned| is_subset(owned, &member.assigned));
    if epoch == member.epoch || lost_an_answer {
        return Ok(());
    }
    let why = format!("the epoch is {epoch} and that of the member {}", member.epoch);
    Err(Fault::new(ErrorCode::FENCED_MEMBER_EPOCH, why))
}

/// The id that a member chose, or one for a member that leaves the choice to the coordinator.
fn new_id(fx: &mut Effects, id: &Str) -> Str {
    if id.is_empty() { fx.random_id() } else { id.detach() }
}
