//! Pure: balanced, and as much as possible stays where it is; the eager form.

use super::balance::balance;
use super::user_data::{Claim, decode_sticky, encode_sticky};
use super::{
    AssignableTopic, Assignor, GroupMember, MemberAssignment, Subscribing, in_order_of_identity,
    without_user_data,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `sticky`: as even as the subscriptions allow, and nothing moves that need not. Members give up
/// everything before they join, and say in their user data what they had.
#[derive(Debug, Clone, Copy, Default)]
pub struct StickyAssignor;

impl Assignor for StickyAssignor {
    fn name(&self) -> &str {
        "sticky"
    }

    fn user_data(&self, subscribing: &Subscribing<'_>) -> Option<Bytes> {
        // A member that has never been assigned anything sends none.
        if subscribing.generation < 0 {
            return None;
        }
        encode_sticky(subscribing.assigned, subscribing.generation)
    }

    fn assign(
        &self,
        topics: &BTreeMap<Arc<str>, AssignableTopic>,
        members: &[GroupMember],
    ) -> BTreeMap<Arc<str>, MemberAssignment> {
        let order = in_order_of_identity(members);
        let claims: Vec<Claim> =
            order.iter().map(|member| decode_sticky(member.user_data.as_ref())).collect();
        let lists = balance(topics, &order, &claims).lists;
        let ids = order.iter().map(|member| member.member_id.clone());
        without_user_data(ids.zip(lists).collect())
    }
}
