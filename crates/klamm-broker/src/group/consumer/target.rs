//! Pure: what each member is to have.

use super::group::ConsumerGroup;
use super::member::Member;
use crate::group::assignor::{Asked, Assignor, Subscriber};
use std::collections::BTreeMap;

impl ConsumerGroup {
    /// Makes the targets anew when another assignment is due.
    pub(super) fn retarget(&mut self) {
        if self.epoch == self.assignment_epoch {
            return;
        }
        let members = self.members.values();
        let members = members.map(|member| (member.id.clone(), self.subscriber(member)));
        let asked =
            Asked { topics: self.topics.values().copied().collect(), members: members.collect() };
        let mut targets = self.assignor().assign(&asked);
        for member in self.members.values_mut() {
            member.target = targets.remove(&member.id).unwrap_or_default();
        }
        self.assignment_epoch = self.epoch;
    }

    fn subscriber(&self, member: &Member) -> Subscriber {
        let topics = self.reads(member).filter_map(|name| self.topics.get(name));
        Subscriber {
            topics: topics.map(|(id, _)| *id).collect(),
            before: member.target.clone(),
            rank: member.instance_id.clone().unwrap_or_else(|| member.id.clone()),
        }
    }

    /// The assignor that most members with a wish want; the first of `group.consumer.assignors` when none has one.
    pub(super) fn assignor(&self) -> Assignor {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for wanted in self.members.values().filter_map(|member| member.assignor.as_ref()) {
            *votes.entry(wanted.as_str()).or_default() += 1;
        }
        let winner = votes.into_iter().max_by_key(|(_, count)| *count);
        winner.and_then(|(name, _)| Assignor::by_name(name)).unwrap_or(self.default_assignor)
    }
}
