//! Pure: how a member lets go of partitions, and what it does then.

use super::super::machine::{Event, GroupError};
use super::super::verdict::Verdict;
use super::{ClassicMember, Phase, Then};
use crate::consumer::assignor::RebalanceProtocol;
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

impl ClassicMember {
    /// Lets go of `partitions`, then goes on with `then`; at once if there are none.
    pub(super) fn release(
        &mut self,
        now: Instant,
        lost: bool,
        partitions: BTreeSet<TopicPartition>,
        then: Then,
        deadline: Instant,
    ) {
        let list: Vec<TopicPartition> = partitions.iter().cloned().collect();
        self.going.extend(partitions);
        if !list.is_empty() {
            self.unacknowledged += 1;
            self.events.push_back(match lost {
                true => Event::Lost { partitions: list },
                false => Event::Revoke { partitions: list, deadline },
            });
        }
        if self.unacknowledged == 0 {
            return self.released(now, then);
        }
        // Letting go of more does not give more time for what is going already.
        let deadline = self.release_deadline.map_or(deadline, |earlier| earlier.min(deadline));
        self.release_deadline = (!lost).then_some(deadline);
        self.phase = Phase::Releasing(then);
    }

    pub(super) fn released(&mut self, now: Instant, then: Then) {
        self.release_deadline = None;
        self.told_lost = false;
        let going = std::mem::take(&mut self.going);
        self.owned.retain(|partition| !going.contains(partition));
        match then {
            Then::Join => self.phase = Phase::Unjoined,
            Then::Rest => self.phase = Phase::Resting,
            Then::Fail => self.phase = Phase::Failed,
            Then::Close => {
                self.tell_leave("the consumer is being closed");
                self.identity.generation = -1;
                self.phase = Phase::Closed;
                self.events.push_back(Event::Closed);
            }
            Then::Settle(assigned) => self.settle(now, assigned, !going.is_empty()),
        }
    }

    fn settle(&mut self, now: Instant, assigned: BTreeSet<TopicPartition>, gave_up: bool) {
        let partitions = assigned.difference(&self.owned).cloned().collect();
        self.owned = assigned;
        self.phase = Phase::Stable;
        if let Some(generation) = self.generation() {
            self.events.push_back(Event::Assign { partitions, generation });
        }
        if gave_up {
            self.rejoin = Some("need to revoke partitions and re-join");
        }
        if self.rejoin.is_some() {
            self.start_rebalance(now);
        }
    }

    /// Lets go of what has to be let go of before joining: everything, or what is no longer wanted.
    pub(super) fn start_rebalance(&mut self, now: Instant) {
        let cooperative = self.identity.protocol(&self.config) == RebalanceProtocol::Cooperative;
        let keep =
            |partition: &&TopicPartition| !cooperative || !self.topics.contains(&partition.topic);
        let going: BTreeSet<_> = self.owned.iter().filter(keep).cloned().collect();
        self.release(now, false, going, Then::Join, self.rebalance_deadline());
    }

    /// When the coordinator goes on without this member, at the earliest.
    pub(super) fn rebalance_deadline(&self) -> Instant {
        self.calm_at + self.config.max_poll_interval
    }

    /// The partitions belong to others, or soon will: stop, then join again.
    pub(super) fn fenced(&mut self, now: Instant) {
        self.lose(now, Then::Join);
    }

    pub(super) fn lose(&mut self, now: Instant, then: Then) {
        let then = match &self.phase {
            Phase::Releasing(Then::Close) => Then::Close,
            Phase::Releasing(Then::Fail) => Then::Fail,
            Phase::Releasing(Then::Rest) | Phase::Resting => Then::Rest,
            _ => then,
        };
        self.identity.generation = -1;
        self.session_deadline = None;
        self.heartbeat = None;
        self.in_flight = None;
        self.led_with = None;
        let lost = match std::mem::replace(&mut self.told_lost, true) {
            true => BTreeSet::new(),
            false => self.owned.clone(),
        };
        self.release(now, true, lost, then, now);
    }

    pub(super) fn fail(&mut self, now: Instant, error: GroupError) {
        self.lose(now, Then::Fail);
        self.events.push_back(Event::Failed(error));
    }

    /// Does what an error code demands, once the phase is the one to go on from.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        verdict: Verdict,
        api: &'static str,
        code: ErrorCode,
        message: Option<String>,
    ) {
        match verdict {
            Verdict::Done | Verdict::MemberIdRequired => {}
            Verdict::Retry => self.backoff.failed(now, &self.config),
            Verdict::FindCoordinator => {
                self.finder.forget();
                self.backoff.failed(now, &self.config);
            }
            Verdict::Rejoin => self.request_rejoin(now, "group is already rebalancing"),
            Verdict::Fenced => self.fenced(now),
            Verdict::Forgotten => {
                self.identity.member_id = Arc::default();
                self.fenced(now);
            }
            Verdict::FallBack | Verdict::Unreleased | Verdict::Fatal => {
                self.fail(now, GroupError::Refused { api, code, message });
            }
        }
    }

    /// Leaves, if this member is known and not static; the id is not used again.
    pub(super) fn tell_leave(&mut self, reason: &'static str) {
        if self.config.group_instance_id.is_none() && !self.identity.member_id.is_empty() {
            self.leave = Some(self.identity.leave(&self.config, reason));
            self.identity.member_id = Arc::default();
        }
    }
}
