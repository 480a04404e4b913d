//! Pure: what becomes of a classic group when time runs out.

use super::group::{ClassicGroup, InitialDelay, State};
use crate::group::config::GroupConfig;
use crate::group::effects::Effects;
use crate::group::timers::Deadline;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;

impl ClassicGroup {
    /// The time for joining is over, unless the initial delay goes on because somebody new has come.
    pub(in crate::group) fn handle_join_timeout(&mut self, fx: &mut Effects) {
        if self.state != State::PreparingRebalance {
            return;
        }
        match &mut self.initial_delay {
            Some(delay) if delay.member_added && delay.remaining_ms > 0 => {
                let InitialDelay { delay_ms, remaining_ms, .. } = *delay;
                let next_ms = delay_ms.min(remaining_ms);
                delay.member_added = false;
                delay.remaining_ms = (remaining_ms - delay_ms).max(0);
                fx.after(next_ms, Deadline::Join(self.id.clone()));
            }
            _ => self.complete_join(fx),
        }
    }

    /// Members that have not asked for their assignment are out.
    pub(in crate::group) fn handle_sync_timeout(&mut self, fx: &mut Effects, config: &GroupConfig) {
        let late: Vec<Str> = std::mem::take(&mut self.pending_syncs).into_iter().collect();
        if late.is_empty() || matches!(self.state, State::Empty | State::PreparingRebalance) {
            return;
        }
        for id in late {
            self.remove(fx, &id, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.prepare_rebalance(fx, config);
    }

    /// Nothing has been heard of a member for the length of its session.
    pub(in crate::group) fn handle_session_timeout(
        &mut self,
        fx: &mut Effects,
        config: &GroupConfig,
        id: &str,
    ) {
        if self.is_pending(id) {
            self.remove_pending(fx, id);
            return self.complete_if_all_joined(fx);
        }
        let Some(member) = self.member(id) else { return };
        let waits = member.joining.is_some() || member.syncing.is_some();
        // A member that waits for an answer cannot send heartbeats; a new one must not wait for ever.
        if waits && !member.is_new {
            return;
        }
        self.remove(fx, id, ErrorCode::UNKNOWN_MEMBER_ID);
        self.members_left(fx, config);
    }
}
