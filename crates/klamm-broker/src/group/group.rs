//! Pure: one group: its members, by either protocol, and its offsets.

use super::classic::{ClassicGroup, State};
use super::consumer::ConsumerGroup;
use super::effects::Effects;
use super::offsets::Offsets;
use super::share::ShareGroup;
use klamm_protocol::primitives::Str;
use std::collections::BTreeSet;

/// By which protocol members take part.
#[derive(Debug)]
pub(super) enum Kind {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
    Share(ShareGroup),
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) kind: Kind,
    pub(super) offsets: Offsets,
}

impl Group {
    /// A group without members, as the first commit or the first member finds it.
    pub(super) fn new(id: &Str, now_ms: i64) -> Self {
        let kind = Kind::Classic(ClassicGroup::new(id.detach(), now_ms));
        Self { kind, offsets: Offsets::default() }
    }

    /// Whether it has no members.
    pub(super) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Classic(group) => group.state() == State::Empty,
            Kind::Consumer(group) => group.is_empty(),
            Kind::Share(group) => group.is_empty(),
        }
    }

    /// Whether it has neither members nor anybody about to become one, nor anything that goes on without members.
    pub(super) fn is_unused(&self) -> bool {
        match &self.kind {
            Kind::Classic(group) => group.is_unused(),
            Kind::Consumer(group) => group.is_empty(),
            // What it has read goes by DeleteGroups only.
            Kind::Share(_) => false,
        }
    }

    /// Whether nothing of it has been written down: it holds nothing and has never had members.
    pub(super) fn is_untouched(&self) -> bool {
        let fresh = match &self.kind {
            Kind::Classic(group) => {
                let had_members = group.generation() > 0 || group.protocol_type().is_some();
                group.is_unused() && !had_members
            }
            Kind::Consumer(group) => group.is_empty() && group.epoch() == 0,
            Kind::Share(group) => group.is_empty() && group.epoch() == 0,
        };
        fresh && self.offsets.is_empty()
    }

    /// The topics that members read; `None` when they do not say so in a way the coordinator understands.
    pub(super) fn subscribed_topics(&self) -> Option<BTreeSet<Str>> {
        match &self.kind {
            Kind::Classic(group) => group.subscribed_topics(),
            Kind::Consumer(group) => Some(group.subscribed_topics()),
            Kind::Share(group) => Some(group.subscribed_topics()),
        }
    }

    /// Takes back every deadline: the group is about to go.
    pub(super) fn dissolve(&mut self, fx: &mut Effects) {
        match &mut self.kind {
            Kind::Classic(group) => group.dissolve(fx),
            Kind::Consumer(group) => group.dissolve(fx),
            Kind::Share(group) => group.dissolve(fx),
        }
    }
}
