//! How the partitions of a group's topics are shared out among its members.
//!
//! In the classic protocol one member of the group, the leader, computes the assignment of all with
//! an [`Assignor`] that every member supports.

mod balance;
mod cooperative;
mod range;
mod round_robin;
mod sticky;
#[cfg(test)]
mod tests;
mod user_data;

use super::topic_partition::TopicPartition;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub use self::cooperative::CooperativeStickyAssignor;
pub use self::range::RangeAssignor;
pub use self::round_robin::RoundRobinAssignor;
pub use self::sticky::StickyAssignor;

/// When the members of a group give partitions up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RebalanceProtocol {
    /// Every member gives up everything before it joins.
    Eager,
    /// A member keeps what it has and gives up only what the new assignment takes away; a second
    /// rebalance hands that to its new owners.
    Cooperative,
}

/// What a member says of itself when it joins.
#[derive(Debug, Clone, Copy)]
pub struct Subscribing<'a> {
    /// The topics it subscribes to, sorted.
    pub topics: &'a BTreeSet<Arc<str>>,
    /// What its last assignment was, sorted; with the eager protocol it no longer owns it.
    pub assigned: &'a [TopicPartition],
    /// The generation of that assignment; -1 if it had none.
    pub generation: i32,
}

/// A member of the group, as the leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator knows it by.
    pub member_id: Arc<str>,
    /// Its `group.instance.id`, if it is a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// The topics it subscribes to; it may be assigned partitions of these only.
    pub topics: BTreeSet<Arc<str>>,
    /// What the assignor of that member added ([`Assignor::user_data`]).
    pub user_data: Option<Bytes>,
    /// What it owned when it joined; empty with the eager protocol.
    pub owned_partitions: Vec<TopicPartition>,
    /// The generation in which it came to own that, if it said so.
    pub generation: Option<i32>,
    /// Its `client.rack`.
    pub rack: Option<Arc<str>>,
}

/// A topic that somebody in the group subscribes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssignableTopic {
    /// How many partitions it has.
    pub partition_count: i32,
    /// The racks with a replica of partition 0, 1, …; may be shorter than there are partitions.
    pub racks: Vec<BTreeSet<Arc<str>>>,
}

/// What one member is assigned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberAssignment {
    /// The partitions that the member shall own.
    pub partitions: Vec<TopicPartition>,
    /// What the member's assignor is handed with it ([`Assignor::on_assignment`]).
    pub user_data: Option<Bytes>,
}

/// A policy of sharing out partitions, used by every member of a classic group.
pub trait Assignor: Send + Sync + fmt::Debug {
    /// The name under which the members agree on it; `partition.assignment.strategy` of other clients.
    fn name(&self) -> &str;

    /// Whether members give up everything before they join.
    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    /// What this member tells the leader's assignor when it joins.
    fn user_data(&self, _subscribing: &Subscribing<'_>) -> Option<Bytes> {
        None
    }

    /// Shares the partitions of `topics` out among `members`, by member id.
    ///
    /// Topics that do not exist are missing in `topics`. Members come sorted by id. What is
    /// returned for ids that are no members is dropped, and members without an entry get nothing.
    /// Whatever members say about themselves is unchecked: user data and owned partitions may be
    /// wrong.
    fn assign(
        &self,
        topics: &BTreeMap<Arc<str>, AssignableTopic>,
        members: &[GroupMember],
    ) -> BTreeMap<Arc<str>, MemberAssignment>;

    /// This member has been assigned `assignment` in `generation`.
    fn on_assignment(&self, _assignment: &MemberAssignment, _generation: i32) {}
}

/// The order in which Java's assignors go through members: static ones first, by instance id, then
/// the others by member id.
fn in_order_of_identity(members: &[GroupMember]) -> Vec<&GroupMember> {
    let mut sorted: Vec<&GroupMember> = members.iter().collect();
    sorted.sort_by(|a, b| identity(a).cmp(&identity(b)));
    sorted
}

fn identity(member: &GroupMember) -> (bool, &str, &str) {
    let instance = member.group_instance_id.as_deref();
    (instance.is_none(), instance.unwrap_or(""), &member.member_id)
}

/// The numbers of a topic's partitions; none if the count is nonsense.
fn partitions_of(
    topics: &BTreeMap<Arc<str>, AssignableTopic>,
    topic: &str,
) -> std::ops::Range<i32> {
    0..topics.get(topic).map_or(0, |topic| topic.partition_count.max(0))
}

/// Turns lists by member into what [`Assignor::assign`] returns.
fn without_user_data(
    lists: BTreeMap<Arc<str>, Vec<TopicPartition>>,
) -> BTreeMap<Arc<str>, MemberAssignment> {
    let wrap = |partitions| MemberAssignment { partitions, user_data: None };
    lists.into_iter().map(|(member, partitions)| (member, wrap(partitions))).collect()
}
