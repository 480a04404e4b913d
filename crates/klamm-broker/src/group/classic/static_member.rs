//! Pure: a static member that comes back under another id (KIP-345, KIP-814).

use super::group::{ClassicGroup, State, answer_join};
use super::join::Joining;
use crate::group::effects::Effects;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;

impl ClassicGroup {
    /// Gives the place of the static member `old` to whoever has its `group.instance.id` now.
    ///
    /// A stable group stays so unless the protocol changes: the member goes on with the assignment of its predecessor.
    pub(super) fn replace_static(
        &mut self,
        fx: &mut Effects,
        join: Joining<'_>,
        old: &Str,
        id: Str,
    ) {
        let leader_before = self.leader.clone();
        self.rename(fx, old, &id);
        self.renew_session(fx, &id);
        self.update(fx, join, &id);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol_name => {
                self.write(fx);
                let mut response = self.joined(&id);
                if join.version >= 9 {
                    response.skip_assignment = self.is_leader(&id);
                } else {
                    // It must not take itself for the leader: an assignment of its making would be ignored.
                    response.leader = leader_before.unwrap_or_default();
                    response.members.clear();
                }
                if let Some(member) = self.members.get_mut(&id) {
                    answer_join(fx, member, response);
                }
            }
            // The leader may be assigning to the old id already.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(fx, join.config),
            State::Empty | State::PreparingRebalance => self.complete_if_all_joined(fx),
        }
    }

    fn rename(&mut self, fx: &mut Effects, old: &Str, id: &Str) {
        let was_leader = self.is_leader(old);
        let Some(mut member) = self.remove(fx, old, ErrorCode::FENCED_INSTANCE_ID) else { return };
        member.id = id.clone();
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), id.clone());
        }
        self.members.insert(id.clone(), member);
        if was_leader {
            self.leader = Some(id.clone());
        }
    }
}
