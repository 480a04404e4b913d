//! Pure: the state of a KIP-848 group.

use super::member::{Member, Progress};
use crate::group::assignor::Assignor;
use crate::group::effects::Effects;
use crate::group::timers::Deadline;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// A group whose members say what they read and are told what is theirs.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::group) struct ConsumerGroup {
    pub(super) id: Str,
    /// Rises with everything that calls for another assignment.
    pub(super) epoch: i32,
    /// The epoch that the members' targets are made for.
    pub(super) assignment_epoch: i32,
    /// Since when it has had no members.
    pub(super) since_ms: i64,
    pub(super) members: BTreeMap<Str, Member>,
    /// Member ids by `group.instance.id`.
    pub(super) static_members: BTreeMap<Str, Str>,
    /// The topics that exist of those that members read.
    pub(super) topics: BTreeMap<Str, (Uuid, i32)>,
    /// The names that match each regular expression of a member.
    pub(super) matches: BTreeMap<Str, BTreeSet<Str>>,
    /// The names of all topics when they were last matched.
    pub(super) names: Vec<Str>,
    /// When topics were last looked up.
    pub(super) looked_ms: Option<i64>,
    /// The assignor of members that ask for none.
    pub(super) default_assignor: Assignor,
}

impl ConsumerGroup {
    /// A group without members, the next epoch of which comes after `epoch`.
    pub(in crate::group) fn new(id: Str, now_ms: i64, epoch: i32) -> Self {
        Self {
            id,
            epoch,
            assignment_epoch: epoch,
            since_ms: now_ms,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            topics: BTreeMap::new(),
            matches: BTreeMap::new(),
            names: Vec::new(),
            looked_ms: None,
            default_assignor: Assignor::Uniform,
        }
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(in crate::group) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Since when the group has had no members.
    pub(in crate::group) fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// Kafka's name of its state.
    pub(in crate::group) fn state(&self) -> &'static str {
        let settled = |member: &Member| {
            member.progress == Progress::Stable && member.epoch == self.assignment_epoch
        };
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(settled) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// The topics that members read, by name or by a regular expression, whether they exist or not.
    pub(in crate::group) fn subscribed_topics(&self) -> BTreeSet<Str> {
        let mut topics: BTreeSet<Str> = self.matches.values().flatten().cloned().collect();
        topics.extend(self.members.values().flat_map(|member| member.topics.iter().cloned()));
        topics
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

    pub(super) fn revocation_deadline(&self, member: &Str) -> Deadline {
        Deadline::Revocation(self.id.clone(), member.clone())
    }

    /// Takes a member out; what it had is free, and another assignment is due.
    pub(super) fn remove(&mut self, fx: &mut Effects, id: &str) -> Option<Member> {
        let member = self.members.remove(id.as_bytes())?;
        fx.timers.cancel(&self.session_deadline(&member.id));
        fx.timers.cancel(&self.revocation_deadline(&member.id));
        if let Some(instance_id) = &member.instance_id
            && self.static_members.get(instance_id) == Some(&member.id)
        {
            self.static_members.remove(instance_id);
        }
        if self.members.is_empty() {
            self.since_ms = fx.now_ms;
        }
        self.bump();
        Some(member)
    }
}
