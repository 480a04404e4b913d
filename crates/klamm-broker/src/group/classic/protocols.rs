//! Pure: which protocol the members of a group follow.

use super::group::{ClassicGroup, State};
use klamm_protocol::message::JoinGroupRequest;
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;

/// Protocols that one member may name; those of every client together are fewer than ten.
const MAX_PROTOCOLS: usize = 100;

impl ClassicGroup {
    /// Whether who sends the request can be a member: of the group's type, with a protocol that all support.
    pub(super) fn supports_protocols(&self, request: &JoinGroupRequest) -> bool {
        if request.protocols.len() > MAX_PROTOCOLS {
            return false;
        }
        if self.state == State::Empty {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request
                .protocols
                .iter()
                .any(|protocol| self.members.values().all(|member| member.supports(&protocol.name)))
    }

    /// The protocol that most members prefer among those that all support; of equals the first by name.
    pub(super) fn select_protocol(&self) -> Option<Str> {
        let mut votes = BTreeMap::<&Str, usize>::new();
        let common = self.common_protocols();
        for member in self.members.values() {
            let mut preferred = member.protocols.iter().map(|(name, _)| name);
            if let Some(vote) = preferred.find(|name| common.contains(name)) {
                *votes.entry(vote).or_default() += 1;
            }
        }
        // `max_by_key` takes the last of equals.
        votes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone())
    }

    fn common_protocols(&self) -> Vec<&Str> {
        let Some(first) = self.members.values().next() else { return Vec::new() };
        let names = first.protocols.iter().map(|(name, _)| name);
        names.filter(|name| self.members.values().all(|member| member.supports(name))).collect()
    }
}
