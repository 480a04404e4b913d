//! Pure: partitions dealt out one by one, as Java's `RoundRobinAssignor` does.

use super::{
    AssignableTopic, Assignor, GroupMember, MemberAssignment, in_order_of_identity, partitions_of,
    without_user_data,
};
use crate::consumer::topic_partition::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `roundrobin`: all partitions of all topics in order, each to the next member that subscribes to
/// its topic. Same result as Java's.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &str {
        "roundrobin"
    }

    fn assign(
        &self,
        topics: &BTreeMap<Arc<str>, AssignableTopic>,
        members: &[GroupMember],
    ) -> BTreeMap<Arc<str>, MemberAssignment> {
        let order = in_order_of_identity(members);
        let subscribed: BTreeSet<&Arc<str>> = order.iter().flat_map(|m| &m.topics).collect();
        let mut lists: Vec<Vec<TopicPartition>> = vec![Vec::new(); order.len()];
        let mut next = 0;
        for topic in subscribed {
            for partition in partitions_of(topics, topic) {
                // Somebody subscribes to it, so this ends within one round.
                while !order[next].topics.contains(topic) {
                    next = (next + 1) % order.len();
                }
                lists[next].push(TopicPartition { topic: topic.clone(), partition });
                next = (next + 1) % order.len();
            }
        }
        let ids = order.iter().map(|member| member.member_id.clone());
        without_user_data(ids.zip(lists).collect())
    }
}
