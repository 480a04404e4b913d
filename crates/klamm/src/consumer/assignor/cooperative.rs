//! Pure: balanced and sticky, without stopping what does not move.

use super::balance::{Balanced, balance};
use super::user_data::{Claim, decode_cooperative, encode_cooperative};
use super::{
    AssignableTopic, Assignor, GroupMember, MemberAssignment, RebalanceProtocol, Subscribing,
    in_order_of_identity, without_user_data,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `cooperative-sticky`: like [`StickyAssignor`](super::StickyAssignor), but members keep what they
/// own. What has to move is first assigned to nobody; its owner gives it up and joins again, and
/// only then it gets its new owner.
#[derive(Debug, Clone, Copy, Default)]
pub struct CooperativeStickyAssignor;

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &str {
        "cooperative-sticky"
    }

    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Cooperative
    }

    fn user_data(&self, subscribing: &Subscribing<'_>) -> Option<Bytes> {
        Some(encode_cooperative(subscribing.generation))
    }

    fn assign(
        &self,
        topics: &BTreeMap<Arc<str>, AssignableTopic>,
        members: &[GroupMember],
    ) -> BTreeMap<Arc<str>, MemberAssignment> {
        let order = in_order_of_identity(members);
        let claims: Vec<Claim> = order.iter().map(|member| claim(member)).collect();
        let mut balanced = balance(topics, &order, &claims);
        withhold(&mut balanced, &claims);
        let ids = order.iter().map(|member| member.member_id.clone());
        without_user_data(ids.zip(balanced.lists).collect())
    }
}

/// Older clients say the generation in the user data only.
fn claim(member: &GroupMember) -> Claim {
    let generation = member.generation.or_else(|| decode_cooperative(member.user_data.as_ref()));
    Claim { partitions: member.owned_partitions.clone(), generation }
}

/// Takes back what somebody else still owns: two owners at a time are worse than none for a round.
fn withhold(balanced: &mut Balanced, claims: &[Claim]) {
    let claimed: BTreeSet<_> = claims.iter().flat_map(|claim| &claim.partitions).collect();
    for (member, list) in balanced.lists.iter_mut().enumerate() {
        // Claimed, but not rightfully by the member that is to have it: by another one, or in the
        // same generation by two.
        list.retain(|partition| {
            balanced.rightful.get(partition) == Some(&member) || !claimed.contains(partition)
        });
    }
}
