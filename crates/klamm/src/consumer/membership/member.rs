//! One consumer's part in a group, by whichever protocol.

use crate::consumer::group::classic::ClassicMember;
use crate::consumer::group::consumer_protocol::ConsumerMember;
use crate::consumer::group::machine::{Answer, Coordinator, Event, Generation, Request};
use crate::consumer::group::standalone::Standalone;
use std::time::Instant;

/// The machine that is driven.
#[derive(Debug)]
pub(super) enum Member {
    /// Commits without a membership.
    Standalone(Box<Standalone>),
    Classic(Box<ClassicMember>),
    /// KIP-848.
    Consumer(Box<ConsumerMember>),
}

impl Member {
    pub(super) fn is_standalone(&self) -> bool {
        matches!(self, Member::Standalone(_))
    }

    pub(super) fn coordinator(&self) -> Option<&Coordinator> {
        match self {
            Member::Standalone(alone) => alone.coordinator(),
            Member::Classic(member) => member.coordinator(),
            Member::Consumer(member) => member.coordinator(),
        }
    }

    pub(super) fn coordinator_lost(&mut self) {
        match self {
            Member::Standalone(alone) => alone.coordinator_lost(),
            Member::Classic(member) => member.coordinator_lost(),
            Member::Consumer(member) => member.coordinator_lost(),
        }
    }

    pub(super) fn generation(&self) -> Option<Generation> {
        match self {
            Member::Standalone(alone) => Some(alone.generation()),
            Member::Classic(member) => member.generation(),
            Member::Consumer(member) => member.generation(),
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        match self {
            Member::Standalone(alone) => alone.poll_event(),
            Member::Classic(member) => member.poll_event(),
            Member::Consumer(member) => member.poll_event(),
        }
    }

    /// `needed` says whether a coordinator is wanted for anything else.
    pub(super) fn poll_request(&mut self, now: Instant, needed: bool) -> Option<Request> {
        match self {
            Member::Standalone(alone) => alone.poll_request(now, needed),
            Member::Classic(member) => member.poll_request(now),
            Member::Consumer(member) => member.poll_request(now),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Member::Standalone(alone) => alone.poll_timeout(),
            Member::Classic(member) => member.poll_timeout(),
            Member::Consumer(member) => member.poll_timeout(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Member::Standalone(_) => {}
            Member::Classic(member) => member.handle_timeout(now),
            Member::Consumer(member) => member.handle_timeout(now),
        }
    }

    pub(super) fn handle_response(&mut self, now: Instant, id: u64, answer: Answer) {
        match self {
            Member::Standalone(alone) => alone.handle_response(now, id, &answer),
            Member::Classic(member) => member.handle_response(now, id, answer),
            Member::Consumer(member) => member.handle_response(now, id, answer),
        }
    }

    pub(super) fn handle_revoked(&mut self, now: Instant) {
        match self {
            Member::Standalone(_) => {}
            Member::Classic(member) => member.handle_revoked(now),
            Member::Consumer(member) => member.handle_revoked(now),
        }
    }

    pub(super) fn poll_made(&mut self, now: Instant) {
        match self {
            Member::Standalone(_) => {}
            Member::Classic(member) => member.poll_made(now),
            Member::Consumer(member) => member.poll_made(now),
        }
    }

    pub(super) fn close(&mut self, now: Instant) {
        match self {
            Member::Standalone(_) => {}
            Member::Classic(member) => member.close(now),
            Member::Consumer(member) => member.close(now),
        }
    }

    /// Whether a member that was closed has said all it had to say.
    pub(super) fn has_left(&self) -> bool {
        match self {
            Member::Standalone(_) => true,
            Member::Classic(member) => member.has_left(),
            Member::Consumer(member) => member.has_left(),
        }
    }

    /// A commit was told that the group rebalances.
    pub(super) fn request_rejoin(&mut self, now: Instant) {
        // With KIP-848 the next heartbeat tells.
        if let Member::Classic(member) = self {
            member.request_rejoin(now, "group is already rebalancing");
        }
    }
}
