//! A small model of the coordinator of the classic protocol.

use super::super::machine::{Answer, Call};
use super::world::{Coordinator, Outbox, REBALANCE, SESSION};
use bytes::Bytes;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::join_group_response::JoinGroupResponseMember;
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Stable,
    Preparing(Instant),
    Completing,
}

struct Member {
    metadata: Bytes,
    protocol: Str,
    expires: Instant,
    join: Option<(usize, u64)>,
    sync: Option<(usize, u64)>,
    assignment: Bytes,
}

#[derive(Default)]
pub(super) struct ClassicCoordinator {
    state: State,
    generation: i32,
    leader: Str,
    members: BTreeMap<Str, Member>,
    promised: BTreeSet<Str>,
    last_id: u32,
}

impl Coordinator for ClassicCoordinator {
    fn handle(&mut self, now: Instant, from: usize, id: u64, call: Call, out: &mut Outbox) {
        match call {
            Call::Join(join) => self.join(now, from, id, &join, out),
            Call::Sync(sync) => self.sync(now, from, id, sync, out),
            Call::Heartbeat(heartbeat) => {
                let known = self.check(&heartbeat.member_id, heartbeat.generation_id);
                let code = match (known, &self.state) {
                    (Err(code), _) => code,
                    (Ok(()), State::Preparing(_)) => ErrorCode::REBALANCE_IN_PROGRESS,
                    (Ok(()), _) => ErrorCode::NONE,
                };
                if known.is_ok() {
                    self.touch(now, &heartbeat.member_id);
                }
                let response =
                    HeartbeatResponse { error_code: code.0, ..HeartbeatResponse::default() };
                out.push((from, id, Answer::Heartbeat(response)));
            }
            Call::Leave(leave) => {
                if self.members.remove(&leave.member_id).is_some() {
                    self.rebalance(now, out);
                }
                out.push((from, id, Answer::Leave(LeaveGroupResponse::default())));
            }
            other => panic!("{other:?}"),
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        let before = self.members.len();
        self.members.retain(|_, m| m.join.is_some() || m.sync.is_some() || now < m.expires);
        if self.members.len() < before {
            self.rebalance(now, out);
        }
        if let State::Preparing(deadline) = self.state {
            if now >= deadline {
                self.members.retain(|_, member| member.join.is_some());
            }
            if self.members.values().all(|member| member.join.is_some()) {
                self.complete(now, out);
            }
        }
    }
}

impl ClassicCoordinator {
    fn check(&self, member_id: &Str, generation: i32) -> Result<(), ErrorCode> {
        if !self.members.contains_key(member_id) {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        } else if generation != self.generation {
            Err(ErrorCode::ILLEGAL_GENERATION)
        } else {
            Ok(())
        }
    }

    fn touch(&mut self, now: Instant, member_id: &Str) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.expires = now + SESSION;
        }
    }

    fn join(
        &mut self,
        now: Instant,
        from: usize,
        id: u64,
        join: &JoinGroupRequest,
        out: &mut Outbox,
    ) {
        let refuse = |code: ErrorCode, member_id: Str| {
            let response =
                JoinGroupResponse { error_code: code.0, member_id, ..JoinGroupResponse::default() };
            (from, id, Answer::Join(response))
        };
        if join.member_id.is_empty() {
            self.last_id += 1;
            let promised = Str::from(format!("m{}", self.last_id));
            self.promised.insert(promised.clone());
            return out.push(refuse(ErrorCode::MEMBER_ID_REQUIRED, promised));
        }
        let known = self.members.contains_key(&join.member_id);
        if !known && !self.promised.remove(&join.member_id) {
            return out.push(refuse(ErrorCode::UNKNOWN_MEMBER_ID, join.member_id.clone()));
        }
        let offered = &join.protocols[0];
        let member = self.members.entry(join.member_id.clone()).or_insert_with(|| Member {
            metadata: Bytes::new(),
            protocol: offered.name.clone(),
            expires: now + SESSION,
            join: None,
            sync: None,
            assignment: Bytes::new(),
        });
        member.metadata = offered.metadata.clone();
        self.rebalance(now, out);
        if let Some(member) = self.members.get_mut(&join.member_id) {
            member.join = Some((from, id));
        }
    }

    fn rebalance(&mut self, now: Instant, out: &mut Outbox) {
        if matches!(self.state, State::Preparing(_)) {
            return;
        }
        self.state = State::Preparing(now + REBALANCE);
        for member in self.members.values_mut() {
            if let Some((to, id)) = member.sync.take() {
                member.expires = now + SESSION;
                let code = ErrorCode::REBALANCE_IN_PROGRESS.0;
                let response = SyncGroupResponse { error_code: code, ..Default::default() };
                out.push((to, id, Answer::Sync(response)));
            }
        }
    }

    fn complete(&mut self, now: Instant, out: &mut Outbox) {
        self.generation += 1;
        self.state = if self.members.is_empty() { State::Stable } else { State::Completing };
        if !self.members.contains_key(&self.leader) {
            self.leader = self.members.keys().next().cloned().unwrap_or_default();
        }
        let listed = self.members.iter().map(|(id, member)| JoinGroupResponseMember {
            member_id: id.clone(),
            metadata: member.metadata.clone(),
            ..JoinGroupResponseMember::default()
        });
        let listed: Vec<_> = listed.collect();
        for (member_id, member) in &mut self.members {
            member.expires = now + SESSION;
            member.assignment = Bytes::new();
            let Some((to, id)) = member.join.take() else { continue };
            let response = JoinGroupResponse {
                generation_id: self.generation,
                protocol_name: Some(member.protocol.clone()),
                leader: self.leader.clone(),
                member_id: member_id.clone(),
                members: if *member_id == self.leader { listed.clone() } else { Vec::new() },
                ..JoinGroupResponse::default()
            };
            out.push((to, id, Answer::Join(response)));
        }
    }

    fn sync(
        &mut self,
        now: Instant,
        from: usize,
        id: u64,
        sync: SyncGroupRequest,
        out: &mut Outbox,
    ) {
        let code = match (self.check(&sync.member_id, sync.generation_id), &self.state) {
            (Err(code), _) => code,
            (Ok(()), State::Preparing(_)) => ErrorCode::REBALANCE_IN_PROGRESS,
            (Ok(()), _) => ErrorCode::NONE,
        };
        if !code.is_ok() {
            let response = SyncGroupResponse { error_code: code.0, ..Default::default() };
            return out.push((from, id, Answer::Sync(response)));
        }
        if let Some(member) = self.members.get_mut(&sync.member_id) {
            member.sync = Some((from, id));
        }
        if self.state == State::Completing && sync.member_id == self.leader {
            self.state = State::Stable;
            for given in sync.assignments {
                if let Some(member) = self.members.get_mut(&given.member_id) {
                    member.assignment = given.assignment;
                }
            }
        }
        if self.state == State::Stable {
            for member in self.members.values_mut() {
                let Some((to, id)) = member.sync.take() else { continue };
                member.expires = now + SESSION;
                let assignment = member.assignment.clone();
                let response = SyncGroupResponse { assignment, ..SyncGroupResponse::default() };
                out.push((to, id, Answer::Sync(response)));
            }
        }
    }
}
