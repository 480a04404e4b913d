//! Pure: from one generation of a group to the next.

use super::group::{ClassicGroup, InitialDelay, State, answer_join, answer_sync, failed_sync};
use crate::group::config::GroupConfig;
use crate::group::effects::Effects;
use crate::group::timers::Deadline;
use bytes::Bytes;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;

/// The shortest time between two looks at whether static members have come back.
const MIN_WAIT_MS: i32 = 1_000;

impl ClassicGroup {
    /// The members have changed: begins a rebalance, or ends the one under way when all have joined.
    pub(super) fn rebalance_or_complete(&mut self, fx: &mut Effects, config: &GroupConfig) {
        if self.state == State::PreparingRebalance {
            self.complete_if_all_joined(fx);
        } else {
            self.prepare_rebalance(fx, config);
        }
    }

    /// Ends the rebalance under way when all have joined; the first of a group lasts as long as its delay.
    pub(super) fn complete_if_all_joined(&mut self, fx: &mut Effects) {
        let joining = self.state == State::PreparingRebalance && self.initial_delay.is_none();
        if joining && self.all_joined() {
            self.complete_join(fx);
        }
    }

    /// Begins a rebalance: every member is to join again.
    pub(super) fn prepare_rebalance(&mut self, fx: &mut Effects, config: &GroupConfig) {
        if self.state == State::CompletingRebalance {
            self.take_assignments_back(fx);
        }
        self.pending_syncs.clear();
        fx.timers.cancel(&Deadline::Sync(self.id.clone()));
        let first = self.state == State::Empty;
        self.enter(fx, State::PreparingRebalance);
        if first && config.initial_rebalance_delay_ms > 0 {
            self.begin_initial_delay(fx, config.initial_rebalance_delay_ms);
        } else if first || self.all_joined() {
            self.complete_join(fx);
        } else {
            fx.after(self.rebalance_timeout_ms(), Deadline::Join(self.id.clone()));
        }
    }

    fn take_assignments_back(&mut self, fx: &mut Effects) {
        let mut heard = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if answer_sync(fx, member, failed_sync(ErrorCode::REBALANCE_IN_PROGRESS)) {
                heard.push(member.id.clone());
            }
        }
        heard.iter().for_each(|id| self.renew_session(fx, id));
    }

    fn begin_initial_delay(&mut self, fx: &mut Effects, delay_ms: i32) {
        let remaining_ms = (self.rebalance_timeout_ms() - delay_ms).max(0);
        self.initial_delay = Some(InitialDelay { delay_ms, remaining_ms, member_added: false });
        fx.after(delay_ms, Deadline::Join(self.id.clone()));
    }

    /// The time for joining is over: those who have joined are the next generation.
    pub(super) fn complete_join(&mut self, fx: &mut Effects) {
        fx.timers.cancel(&Deadline::Join(self.id.clone()));
        self.initial_delay = None;
        let late = self.members.values();
        let late = late.filter(|member| member.joining.is_none() && member.instance_id.is_none());
        let late: Vec<Str> = late.map(|member| member.id.clone()).collect();
        for id in late {
            self.remove(fx, &id, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.members.is_empty() {
            return self.become_empty(fx);
        }
        if !self.elect_leader() {
            // Only static members are left and none has joined: their sessions decide.
            let wait_ms = self.rebalance_timeout_ms().max(MIN_WAIT_MS);
            return fx.after(wait_ms, Deadline::Join(self.id.clone()));
        }
        self.next_generation();
        self.protocol_name = self.select_protocol();
        self.enter(fx, State::CompletingRebalance);
        self.announce(fx);
        fx.after(self.rebalance_timeout_ms(), Deadline::Sync(self.id.clone()));
    }

    fn become_empty(&mut self, fx: &mut Effects) {
        self.next_generation();
        self.protocol_name = None;
        self.leader = None;
        self.enter(fx, State::Empty);
        self.write(fx);
    }

    /// Generations are not negative: after the highest comes 1, as long before 2^31 rebalances nobody remembers it.
    fn next_generation(&mut self) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
    }

    /// Keeps the leader if it has joined, or takes the first who has; false when nobody has.
    fn elect_leader(&mut self) -> bool {
        let joined = |id: &Str| self.member(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        let first = self.members.values().find(|member| member.joining.is_some());
        let Some(id) = first.map(|member| member.id.clone()) else { return false };
        self.leader = Some(id);
        true
    }

    /// Tells every member of the new generation.
    fn announce(&mut self, fx: &mut Effects) {
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.joined(&id);
            if let Some(member) = self.members.get_mut(&id) {
                answer_join(fx, member, response);
                member.is_new = false;
            }
            self.renew_session(fx, &id);
            self.pending_syncs.insert(id);
        }
    }
}
