//! Pure: a consumer that commits to a group without being a member of it.
//!
//! It assigns its partitions itself. The coordinator takes its offsets only while the group has no
//! members.

use super::machine::{Answer, Coordinator, Event, Finder, Found, Generation, GroupConfig, Request};
use std::collections::VecDeque;
use std::time::Instant;

/// What [`Generation::id`] is of somebody who is in none.
const NO_GENERATION: i32 = -1;

/// Knows the coordinator, and nothing more.
#[derive(Debug)]
pub(crate) struct Standalone {
    config: GroupConfig,
    finder: Finder,
    next_id: u64,
    events: VecDeque<Event>,
    failed: bool,
}

impl Standalone {
    pub(crate) fn new(config: GroupConfig) -> Self {
        Self {
            config,
            finder: Finder::default(),
            next_id: 0,
            events: VecDeque::new(),
            failed: false,
        }
    }

    /// The coordinator, if it is known.
    pub(crate) fn coordinator(&self) -> Option<&Coordinator> {
        self.finder.coordinator.as_ref()
    }

    /// A request was told that the coordinator is elsewhere.
    pub(crate) fn coordinator_lost(&mut self) {
        self.finder.forget();
    }

    /// The right to commit that everybody has while the group has no members.
    pub(crate) fn generation(&self) -> Generation {
        let group_instance_id = None;
        Generation { id: NO_GENERATION, member_id: "".into(), group_instance_id }
    }

    /// What happened, oldest first: nothing but failures.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Looks for the coordinator when it is needed. After a failure too: whoever asks again may be lucky.
    pub(crate) fn poll_request(&mut self, now: Instant, needed: bool) -> Option<Request> {
        if !needed || self.failed {
            return None;
        }
        self.finder.poll(now, &self.config, &mut self.next_id)
    }

    /// When to ask again, if it is waiting to.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.finder.timeout().filter(|_| !self.failed)
    }

    /// Hands in what came back for the request with this id.
    pub(crate) fn handle_response(&mut self, now: Instant, id: u64, answer: &Answer) {
        if let Found::Fatal(error) = self.finder.handle(now, &self.config, id, answer) {
            self.failed = true;
            self.events.push_back(Event::Failed(error));
        }
    }

    /// Somebody asks for something new: the coordinator may be found by now.
    pub(crate) fn try_again(&mut self) {
        self.failed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_setup::{config, found};
    use super::*;
    use klamm_protocol::error_code::ErrorCode;
    use klamm_protocol::message::FindCoordinatorResponse;

    #[test]
    fn the_coordinator_is_looked_for_when_it_is_needed_and_again_after_a_refusal() {
        let now = Instant::now();
        let mut alone = Standalone::new(config());
        assert_eq!(alone.poll_request(now, false), None);
        let asked = alone.poll_request(now, true).unwrap();
        assert_eq!(alone.poll_request(now, true), None, "once is enough");
        let denied = FindCoordinatorResponse {
            error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED.0,
            ..FindCoordinatorResponse::default()
        };
        alone.handle_response(now, asked.id, &Answer::FindCoordinator(denied));
        assert!(matches!(alone.poll_event(), Some(Event::Failed(_))));
        assert_eq!(alone.poll_request(now, true), None, "it is settled");
        alone.try_again();
        let asked = alone.poll_request(now, true).unwrap();
        alone.handle_response(now, asked.id, &found());
        assert_eq!(alone.coordinator().map(|c| c.node_id), Some(1));
        assert_eq!(alone.generation().id, -1);
        alone.coordinator_lost();
        assert!(alone.poll_request(now, true).is_some());
    }
}
