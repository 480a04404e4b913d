//! Pure: the state of a share group.

use super::assign::assign;
use super::member::Member;
use crate::group::assignor::{Asked, Subscriber};
use crate::group::effects::Effects;
use crate::group::timers::Deadline;
use crate::group::topic_view::TopicView;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// How long topics are taken to be as they were: new ones are found by the next heartbeat after that.
const LOOK_UP_INTERVAL_MS: i64 = 1_000;

/// A group whose members share partitions.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::group) struct ShareGroup {
    pub(super) id: Str,
    /// Rises with everything that calls for another assignment.
    pub(super) epoch: i32,
    /// The epoch that the members' targets are made for.
    pub(super) assignment_epoch: i32,
    pub(super) members: BTreeMap<Str, Member>,
    /// The topics that exist of those that members read.
    pub(super) topics: BTreeMap<Str, (Uuid, i32)>,
    /// When topics were last looked up.
    pub(super) looked_ms: Option<i64>,
}

impl ShareGroup {
    pub(in crate::group) fn new(id: Str) -> Self {
        Self {
            id,
            epoch: 0,
            assignment_epoch: 0,
            members: BTreeMap::new(),
            topics: BTreeMap::new(),
            looked_ms: None,
        }
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(in crate::group) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Kafka's name of its state.
    pub(in crate::group) fn state(&self) -> &'static str {
        if self.members.is_empty() { "Empty" } else { "Stable" }
    }

    /// The topics that members read, whether they exist or not.
    pub(in crate::group) fn subscribed_topics(&self) -> BTreeSet<Str> {
        self.members.values().flat_map(|member| member.topics.iter().cloned()).collect()
    }

    /// Another assignment is due; one that is due already serves for both.
    pub(super) fn bump(&mut self) {
        if self.epoch == self.assignment_epoch {
            self.epoch = self.epoch.saturating_add(1);
        }
    }

    pub(super) fn session_deadline(&self, member: &Str) -> Deadline {
        Deadline::Session(self.id.clone(), member.clone())
    }

    /// Finds the topics that members read, if there is a reason to: another assignment is due when they are others.
    pub(super) fn look_up_topics(&mut self, now_ms: i64, view: &dyn TopicView) {
        let old = |at: i64| now_ms.saturating_sub(at) >= LOOK_UP_INTERVAL_MS;
        if self.epoch == self.assignment_epoch && !self.looked_ms.is_none_or(old) {
            return;
        }
        self.looked_ms = Some(now_ms);
        let exists = |name: Str| {
            let found = (view.id(&name)?, view.partition_count(&name)?);
            Some((name, found))
        };
        let topics = self.subscribed_topics().into_iter().filter_map(exists).collect();
        if topics != self.topics {
            self.topics = topics;
            self.bump();
        }
    }

    /// Makes the targets anew when another assignment is due.
    pub(super) fn retarget(&mut self) {
        if self.epoch == self.assignment_epoch {
            return;
        }
        let subscriber = |member: &Member| {
            let topics = member.topics.iter().filter_map(|name| self.topics.get(name));
            let topics = topics.map(|(id, _)| *id).collect();
            Subscriber { topics, before: member.target.clone(), rank: member.id.clone() }
        };
        let members = self.members.values();
        let members = members.map(|member| (member.id.clone(), subscriber(member))).collect();
        let asked = Asked { topics: self.topics.values().copied().collect(), members };
        let mut targets = assign(&asked);
        for member in self.members.values_mut() {
            member.target = targets.remove(&member.id).unwrap_or_default();
        }
        self.assignment_epoch = self.epoch;
    }

    /// Takes a member out, and has it written down: another assignment is due.
    pub(super) fn remove(&mut self, fx: &mut Effects, id: &str) {
        let Some(member) = self.members.remove(id.as_bytes()) else { return };
        fx.timers.cancel(&self.session_deadline(&member.id));
        self.bump();
        self.write(fx);
    }

    /// Time is up for a member: it is out, and has to join anew.
    pub(in crate::group) fn fence(&mut self, fx: &mut Effects, id: &str) {
        self.remove(fx, id);
    }

    /// Ends everything: the group is about to be gone.
    pub(in crate::group) fn dissolve(&mut self, fx: &mut Effects) {
        for id in self.members.keys() {
            fx.timers.cancel(&self.session_deadline(id));
        }
    }
}
