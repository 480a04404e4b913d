//! Pure: the state of a classic group.

use super::member::Member;
use crate::group::config::GroupConfig;
use crate::group::effects::{Effects, Reply};
use crate::group::timers::Deadline;
use bytes::Bytes;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{JoinGroupResponse, SyncGroupResponse};
use klamm_protocol::primitives::Str;
use std::collections::{BTreeMap, BTreeSet};

/// Where a group stands in its cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) enum State {
    /// No members.
    Empty,
    /// Members are to join again.
    PreparingRebalance,
    /// All have joined; the leader is to say who gets what.
    CompletingRebalance,
    /// Every member can ask for its assignment.
    Stable,
}

impl State {
    /// Kafka's name of it.
    pub(in crate::group) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// How long the first members of a group still wait for more.
#[derive(Debug, Clone, Copy)]
pub(super) struct InitialDelay {
    pub(super) delay_ms: i32,
    pub(super) remaining_ms: i32,
    /// Somebody has joined since the delay began.
    pub(super) member_added: bool,
}

/// A group whose members agree on a protocol and let their leader assign.
#[derive(Debug)]
pub(in crate::group) struct ClassicGroup {
    pub(super) id: Str,
    pub(super) state: State,
    /// Since when it is in its state.
    pub(super) since_ms: i64,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<Str>,
    pub(super) protocol_name: Option<Str>,
    pub(super) leader: Option<Str>,
    pub(super) members: BTreeMap<Str, Member>,
    /// Member ids by `group.instance.id`.
    pub(super) static_members: BTreeMap<Str, Str>,
    /// Ids that were given out and have not joined yet.
    pub(super) pending_joins: BTreeSet<Str>,
    /// Members that have not asked for their assignment yet.
    pub(super) pending_syncs: BTreeSet<Str>,
    /// Set while the first rebalance of a group without members is under way.
    pub(super) initial_delay: Option<InitialDelay>,
}

impl ClassicGroup {
    pub(in crate::group) fn new(id: Str, now_ms: i64) -> Self {
        Self {
            id,
            state: State::Empty,
            since_ms: now_ms,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            initial_delay: None,
        }
    }

    /// A group without members, the next generation of which comes after `generation`.
    pub(in crate::group) fn after(id: Str, now_ms: i64, generation: i32) -> Self {
        Self { generation, ..Self::new(id, now_ms) }
    }

    pub(in crate::group) fn generation(&self) -> i32 {
        self.generation
    }

    pub(in crate::group) fn state(&self) -> State {
        self.state
    }

    /// Whether nobody is a member or about to become one.
    pub(in crate::group) fn is_unused(&self) -> bool {
        self.state == State::Empty && self.pending_joins.is_empty()
    }

    pub(super) fn enter(&mut self, fx: &Effects, state: State) {
        self.state = state;
        self.since_ms = fx.now_ms;
    }

    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id.as_bytes())
    }

    pub(super) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// How long the slowest member may take to join again.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    pub(super) fn all_joined(&self) -> bool {
        self.pending_joins.is_empty()
            && self.members.values().all(|member| member.joining.is_some())
    }

    /// Whether the member exists and is the one that has its `group.instance.id`.
    pub(super) fn validate(&self, id: &str, instance_id: Option<&Str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(owner) if *owner != *id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        self.member(id).map(|_| ()).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    /// Whether one more may join, as Kafka counts: while joining, those who wait; later, the members.
    pub(super) fn has_room(&self, config: &GroupConfig, id: &str) -> bool {
        let member = self.member(id);
        let waiting = || self.members.values().filter(|member| member.joining.is_some()).count();
        let pending = self.pending_joins.len() - usize::from(self.is_pending(id));
        match self.state {
            State::Empty => pending < config.max_group_size,
            State::PreparingRebalance => {
                let ahead = if member.is_some() { 0 } else { pending };
                member.is_some_and(|member| member.joining.is_some())
                    || waiting() + ahead < config.max_group_size
            }
            State::CompletingRebalance | State::Stable => {
                member.is_some() || self.members.len() + pending < config.max_group_size
            }
        }
    }

    pub(super) fn is_pending(&self, id: &str) -> bool {
        self.pending_joins.contains(id.as_bytes())
    }

    pub(super) fn session_deadline(&self, member: &Str) -> Deadline {
        Deadline::Session(self.id.clone(), member.clone())
    }

    /// The member has been heard of: its session begins anew.
    pub(super) fn renew_session(&self, fx: &mut Effects, id: &str) {
        if let Some(member) = self.member(id) {
            fx.after(member.session_timeout_ms, self.session_deadline(&member.id));
        }
    }

    /// Takes a member out; requests of it that wait are answered with `code`.
    pub(super) fn remove(&mut self, fx: &mut Effects, id: &str, code: ErrorCode) -> Option<Member> {
        let mut member = self.members.remove(id.as_bytes())?;
        let failed = JoinGroupResponse { error_code: code.0, ..JoinGroupResponse::default() };
        answer_join(fx, &mut member, failed);
        answer_sync(fx, &mut member, failed_sync(code));
        fx.timers.cancel(&self.session_deadline(&member.id));
        self.pending_syncs.remove(&member.id);
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Takes an id back that was given out and never joined.
    pub(super) fn remove_pending(&mut self, fx: &mut Effects, id: &str) {
        if let Some(id) = self.pending_joins.take(id.as_bytes()) {
            fx.timers.cancel(&self.session_deadline(&id));
        }
    }

    /// Ends everything: the group is about to be another, or gone.
    pub(in crate::group) fn dissolve(&mut self, fx: &mut Effects) {
        for id in std::mem::take(&mut self.pending_joins) {
            fx.timers.cancel(&self.session_deadline(&id));
        }
        fx.timers.cancel(&Deadline::Join(self.id.clone()));
        fx.timers.cancel(&Deadline::Sync(self.id.clone()));
    }
}

/// Answers the member's JoinGroup request, if one waits.
pub(super) fn answer_join(fx: &mut Effects, member: &mut Member, response: JoinGroupResponse) {
    if let Some(waiter) = member.joining.take() {
        fx.reply(waiter, Reply::Join(response));
    }
}

/// Answers the member's SyncGroup request, if one waits; says whether one did.
pub(super) fn answer_sync(
    fx: &mut Effects,
    member: &mut Member,
    response: SyncGroupResponse,
) -> bool {
    let Some(waiter) = member.syncing.take() else { return false };
    fx.reply(waiter, Reply::Sync(response));
    true
}

pub(super) fn failed_sync(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code: code.0,
        assignment: Bytes::new(),
        ..SyncGroupResponse::default()
    }
}
