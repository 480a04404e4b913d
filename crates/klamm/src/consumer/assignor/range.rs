//! Pure: consecutive partitions of each topic, as Java's `RangeAssignor` does, with racks (KIP-881).

use super::{
    AssignableTopic, Assignor, GroupMember, MemberAssignment, in_order_of_identity,
    without_user_data,
};
use crate::consumer::topic_partition::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `range`: each topic by itself is cut into ranges, one for each member that subscribes to it, the
/// first members getting one partition more where it does not come out even.
///
/// Members with a rack get partitions with a replica in it as far as that keeps the counts the
/// same; topics with the same members and partition counts stay co-partitioned where they can.
/// Same result as Java's.
#[derive(Debug, Clone, Copy, Default)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &str {
        "range"
    }

    fn assign(
        &self,
        topics: &BTreeMap<Arc<str>, AssignableTopic>,
        members: &[GroupMember],
    ) -> BTreeMap<Arc<str>, MemberAssignment> {
        let order = in_order_of_identity(members);
        let mut states: Vec<TopicState<'_>> =
            topics.iter().map(|(name, topic)| TopicState::new(name, topic, &order)).collect();
        states.retain(|state| !state.members.is_empty() && !state.owners.is_empty());
        if states.iter().any(|state| state.racks_matter) {
            match_racks(&order, &mut states);
        }
        for state in &mut states {
            for position in 0..state.members.len() {
                state.take_range(position, |_, _| true);
            }
        }
        let mut lists: BTreeMap<Arc<str>, Vec<TopicPartition>> =
            order.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
        for (partition, member) in states.iter().flat_map(TopicState::assigned) {
            if let Some(list) = lists.get_mut(&order[member].member_id) {
                list.push(partition);
            }
        }
        without_user_data(lists)
    }
}

/// Gives members partitions that are near them, as far as their share allows.
fn match_racks(order: &[&GroupMember], states: &mut [TopicState<'_>]) {
    let mut groups: BTreeMap<(Vec<usize>, usize), Vec<usize>> = BTreeMap::new();
    for (index, state) in states.iter().enumerate() {
        groups.entry((state.members.clone(), state.owners.len())).or_default().push(index);
    }
    for ((members, partitions), indexes) in groups {
        if let [single] = indexes[..] {
            if states[single].racks_matter {
                for position in 0..members.len() {
                    let rack = order[members[position]].rack.as_deref();
                    states[single].take_range(position, |topic, p| is_near(topic, rack, p));
                }
            }
        } else {
            match_racks_together(order, &members, partitions, states, &indexes);
        }
    }
}

/// The same partition of all these topics to one member that is near all of them.
fn match_racks_together(
    order: &[&GroupMember],
    members: &[usize],
    partitions: usize,
    states: &mut [TopicState<'_>],
    indexes: &[usize],
) {
    // Java knows racks of partitions only when a member has one; without any, nobody is matched.
    if members.iter().all(|&member| rack_of(order[member]).is_none()) {
        return;
    }
    let mut remaining: Vec<usize> = (0..members.len()).collect();
    for partition in 0..partitions {
        let near = |&&position: &&usize| {
            let rack = rack_of(order[members[position]]);
            indexes
                .iter()
                .all(|&i| is_near(states[i].topic, rack, partition) && states[i].room(position) > 0)
        };
        let Some(&position) = remaining.iter().find(near) else { continue };
        for &i in indexes {
            states[i].give(partition, position);
        }
        if indexes.iter().all(|&i| states[i].room(position) == 0) {
            remaining.retain(|&other| other != position);
        }
    }
}

/// A member's rack; an empty name is none.
fn rack_of(member: &GroupMember) -> Option<&str> {
    member.rack.as_deref().filter(|rack| !rack.is_empty())
}

/// Whether a member in `rack` reads this partition without crossing racks; without a rack all are near.
fn is_near(topic: &AssignableTopic, rack: Option<&str>, partition: usize) -> bool {
    match rack.filter(|rack| !rack.is_empty()) {
        None => true,
        Some(rack) => topic.racks.get(partition).is_some_and(|racks| racks.contains(rack)),
    }
}

/// One topic while it is shared out.
struct TopicState<'a> {
    name: &'a Arc<str>,
    topic: &'a AssignableTopic,
    /// Who subscribes to it: indexes into the members in order of identity.
    members: Vec<usize>,
    /// The position in `members` of the owner of each partition.
    owners: Vec<Option<usize>>,
    /// How many partitions each of `members` has.
    counts: Vec<usize>,
    share: usize,
    /// How many members may still get one more than `share`.
    extras: usize,
    racks_matter: bool,
}

impl<'a> TopicState<'a> {
    fn new(name: &'a Arc<str>, topic: &'a AssignableTopic, order: &[&GroupMember]) -> Self {
        let members: Vec<usize> =
            (0..order.len()).filter(|&i| order[i].topics.contains(name)).collect();
        let partitions = usize::try_from(topic.partition_count).unwrap_or(0);
        let divisor = members.len().max(1);
        Self {
            racks_matter: racks_matter(topic, partitions, members.iter().map(|&i| order[i])),
            name,
            topic,
            owners: vec![None; partitions],
            counts: vec![0; members.len()],
            share: partitions / divisor,
            extras: partitions % divisor,
            members,
        }
    }

    /// How many more the member at this position may get.
    fn room(&self, position: usize) -> usize {
        (self.share + usize::from(self.extras > 0)).saturating_sub(self.counts[position])
    }

    fn give(&mut self, partition: usize, position: usize) {
        self.owners[partition] = Some(position);
        self.counts[position] += 1;
        if self.counts[position] > self.share {
            self.extras = self.extras.saturating_sub(1);
        }
    }

    /// Gives the member the first free partitions that `fits`, as many as it has room for.
    fn take_range(&mut self, position: usize, fits: impl Fn(&AssignableTopic, usize) -> bool) {
        let room = self.room(position);
        let free = (0..self.owners.len())
            .filter(|&p| self.owners[p].is_none() && fits(self.topic, p))
            .take(room);
        for partition in free.collect::<Vec<_>>() {
            self.give(partition, position);
        }
    }

    /// Every partition that has an owner, with the owner's place in the order of members.
    fn assigned(&self) -> impl Iterator<Item = (TopicPartition, usize)> + '_ {
        self.owners.iter().enumerate().filter_map(|(partition, owner)| {
            let partition = i32::try_from(partition).ok()?;
            let member = self.members[(*owner)?];
            Some((TopicPartition { topic: self.name.clone(), partition }, member))
        })
    }
}

/// Whether it makes a difference who gets which partition: some member's rack has replicas, and not
/// every partition has replicas in all racks.
fn racks_matter<'a>(
    topic: &AssignableTopic,
    partitions: usize,
    members: impl Iterator<Item = &'a GroupMember>,
) -> bool {
    let member_racks: BTreeSet<&str> = members.filter_map(rack_of).collect();
    let racks = |p: usize| topic.racks.get(p).into_iter().flatten().map(|rack| &**rack);
    let all: BTreeSet<&str> = (0..partitions).flat_map(racks).collect();
    !member_racks.is_disjoint(&all) && (0..partitions).any(|p| racks(p).count() != all.len())
}
