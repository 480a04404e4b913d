//! A small model of the coordinator of the KIP-848 protocol.

use super::super::machine::{Answer, Call};
use super::world::{Coordinator, Outbox, REBALANCE, SESSION, all_parts};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

type Parts = BTreeSet<(Uuid, i32)>;

struct Member {
    epoch: i32,
    previous_epoch: i32,
    /// What it may read.
    assigned: Parts,
    /// What it has to give up first, and until when.
    revoking: Parts,
    revoke_by: Instant,
    expires: Instant,
}

#[derive(Default)]
pub(super) struct ConsumerCoordinator {
    epoch: i32,
    members: BTreeMap<Str, Member>,
}

impl Coordinator for ConsumerCoordinator {
    fn handle(&mut self, now: Instant, from: usize, id: u64, call: Call, out: &mut Outbox) {
        let Call::ConsumerHeartbeat(heartbeat) = call else { panic!("{call:?}") };
        let response = self.heartbeat(now, &heartbeat).unwrap_or_else(|code| {
            ConsumerGroupHeartbeatResponse { error_code: code.0, ..Default::default() }
        });
        out.push((from, id, Answer::ConsumerHeartbeat(response)));
    }

    fn tick(&mut self, now: Instant, _out: &mut Outbox) {
        let before = self.members.len();
        self.members.retain(|_, member| {
            now < member.expires && (member.revoking.is_empty() || now < member.revoke_by)
        });
        self.epoch += i32::from(self.members.len() < before);
    }
}

impl ConsumerCoordinator {
    /// Everybody's share: partitions in order, dealt to members in order.
    fn target(&self, member_id: &Str) -> Parts {
        let place = self.members.keys().position(|id| id == member_id);
        let dealt = all_parts().into_iter().enumerate();
        let mine = dealt.filter(|(i, _)| Some(i % self.members.len().max(1)) == place);
        mine.map(|(_, part)| part).collect()
    }

    fn heartbeat(
        &mut self,
        now: Instant,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, ErrorCode> {
        let member_id = &request.member_id;
        if request.member_epoch < 0 {
            self.members.remove(member_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            self.epoch += 1;
            return Ok(ConsumerGroupHeartbeatResponse::default());
        }
        if request.member_epoch == 0 {
            assert_eq!(request.topic_partitions, Some(Vec::new()), "joins while it owns");
            assert!(request.subscribed_topic_names.is_some() && request.rebalance_timeout_ms > 0);
            self.epoch += 1;
            let member = Member {
                epoch: 0,
                previous_epoch: 0,
                assigned: Parts::new(),
                revoking: Parts::new(),
                revoke_by: now,
                expires: now,
            };
            self.members.insert(member_id.clone(), member);
        }
        let owned: Option<Parts> = request.topic_partitions.as_ref().map(|topics| {
            topics.iter().flat_map(|t| t.partitions.iter().map(|&p| (t.topic_id, p))).collect()
        });
        let target = self.target(member_id);
        let taken = self.taken_by_others(member_id);
        let group_epoch = self.epoch;
        let member = self.members.get_mut(member_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let repeats = request.member_epoch == member.previous_epoch
            && owned.as_ref().is_some_and(|owned| owned.is_subset(&member.assigned));
        if request.member_epoch != member.epoch && !repeats {
            return Err(ErrorCode::FENCED_MEMBER_EPOCH);
        }
        member.expires = now + SESSION;
        if owned.as_ref().is_some_and(|owned| owned.is_disjoint(&member.revoking)) {
            member.revoking.clear();
        }
        let before = member.assigned.clone();
        member.advance(now, target, &taken, group_epoch);
        let tell = before != member.assigned || owned.is_some();
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(member_id.clone()),
            member_epoch: member.epoch,
            heartbeat_interval_ms: 1000,
            assignment: tell.then(|| assignment_of(&member.assigned)),
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    fn taken_by_others(&self, member_id: &Str) -> Parts {
        let others = self.members.iter().filter(|(id, _)| *id != member_id);
        others.flat_map(|(_, m)| m.assigned.union(&m.revoking).copied()).collect()
    }
}

impl Member {
    fn advance(&mut self, now: Instant, target: Parts, taken: &Parts, group_epoch: i32) {
        if !self.revoking.is_empty() {
            return;
        }
        self.revoking = self.assigned.difference(&target).copied().collect();
        self.assigned.retain(|part| target.contains(part));
        self.revoke_by = now + REBALANCE;
        if self.revoking.is_empty() {
            self.assigned.extend(target.difference(taken));
            if self.epoch != group_epoch {
                self.previous_epoch = self.epoch;
                self.epoch = group_epoch;
            }
        }
    }
}

fn assignment_of(parts: &Parts) -> Assignment {
    let topic = |&(topic_id, p): &(Uuid, i32)| TopicPartitions { topic_id, partitions: vec![p] };
    Assignment { topic_partitions: parts.iter().map(topic).collect() }
}
