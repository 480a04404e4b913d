//! Pure: who may commit offsets of a classic group, and which topics the group reads.

use super::group::{ClassicGroup, State};
use crate::group::effects::Effects;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::ConsumerProtocolSubscription;
use klamm_protocol::primitives::{Decoder, Message, Str};
use std::collections::BTreeSet;

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

impl ClassicGroup {
    /// Whether a commit in the name of this member and generation is in order.
    ///
    /// # Errors
    /// What the committer has to be told.
    pub(in crate::group) fn validate_commit(
        &self,
        generation: i32,
        member_id: &str,
        instance_id: Option<&Str>,
        transactional: bool,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.state == State::Empty {
            // A consumer that assigns itself, or an administrator.
            return Ok(());
        }
        if generation >= 0 || !member_id.is_empty() || instance_id.is_some() {
            self.validate(member_id, instance_id)?;
            if generation != self.generation {
                return Err(ErrorCode::ILLEGAL_GENERATION);
            }
        } else if !transactional {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.state == State::CompletingRebalance && !transactional {
            // The member knows the new generation but not yet what is its own in it.
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// A commit is a sign of life.
    pub(in crate::group) fn committed(&self, fx: &mut Effects, member_id: &str) {
        if matches!(self.state, State::Stable | State::PreparingRebalance) {
            self.renew_session(fx, member_id);
        }
    }

    /// The topics that the members read; `None` when they do not say so in a way the coordinator understands.
    pub(in crate::group) fn subscribed_topics(&self) -> Option<BTreeSet<Str>> {
        if self.state == State::Empty {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol_name.as_deref()?;
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let mut decoder = Decoder::new(member.metadata(protocol));
            // Members of a later version put what they add behind what is known.
            let version = decoder.i16().ok()?.min(*ConsumerProtocolSubscription::VERSIONS.end());
            let subscription = ConsumerProtocolSubscription::decode(&mut decoder, version).ok()?;
            topics.extend(subscription.topics);
        }
        Some(topics)
    }

    /// Whether the group has, or had, members of some protocol type.
    pub(in crate::group) fn protocol_type(&self) -> Option<&Str> {
        self.protocol_type.as_ref()
    }

    /// Since when the group has been in its state.
    pub(in crate::group) fn since_ms(&self) -> i64 {
        self.since_ms
    }
}
