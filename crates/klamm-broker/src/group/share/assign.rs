//! Pure: which members read which partitions, as Kafka's assignor `simple` has it: every partition is read, every
//! member reads something, and both are shared out evenly.

use crate::group::assignor::{Asked, Assignment};
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::BTreeMap;

/// Kafka's name of the assignor.
pub(super) const NAME: &str = "simple";

/// Parts of one, for shares that are no whole numbers.
const ONE: u64 = 1 << 20;

/// What is given out so far.
struct Plan<'a> {
    asked: &'a Asked,
    given: BTreeMap<Str, Assignment>,
    load: BTreeMap<Str, u64>,
    /// How many members read a partition.
    sharers: BTreeMap<(Uuid, i32), u64>,
}

/// Partitions for every member that reads a topic which exists; one goes to several members when there are more members
/// than partitions. What members had before stays with them as far as that is even.
pub(super) fn assign(asked: &Asked) -> BTreeMap<Str, Assignment> {
    let mut plan = Plan::new(asked);
    plan.keep();
    plan.cover();
    plan.occupy();
    plan.given
}

impl<'a> Plan<'a> {
    fn new(asked: &'a Asked) -> Self {
        let partitions = asked.topics.iter();
        let partitions =
            partitions.flat_map(|(&topic, &count)| (0..count).map(move |p| (topic, p)));
        Self {
            asked,
            given: asked.members.keys().map(|id| (id.clone(), Assignment::new())).collect(),
            load: asked.members.keys().map(|id| (id.clone(), 0)).collect(),
            sharers: partitions.map(|partition| (partition, 0)).collect(),
        }
    }

    fn give(&mut self, member: &Str, (topic, partition): (Uuid, i32)) {
        let given = self.given.entry(member.clone()).or_default();
        if given.entry(topic).or_default().insert(partition) {
            *self.load.entry(member.clone()).or_default() += 1;
            *self.sharers.entry((topic, partition)).or_default() += 1;
        }
    }

    fn partition_count(&self, topic: Uuid) -> u64 {
        self.asked.topics.get(&topic).map_or(0, |&count| u64::try_from(count).unwrap_or(0))
    }

    /// How many members of even load would read each partition of a topic.
    fn sharers_wanted(&self) -> BTreeMap<Uuid, u64> {
        let mut shares: BTreeMap<Uuid, u64> = BTreeMap::new();
        for member in self.asked.members.values() {
            let all: u64 = member.topics.iter().map(|&topic| self.partition_count(topic)).sum();
            let share = ONE.checked_div(all).unwrap_or(0);
            member.topics.iter().for_each(|&topic| *shares.entry(topic).or_default() += share);
        }
        shares.into_iter().map(|(topic, share)| (topic, share.div_ceil(ONE).max(1))).collect()
    }

    /// How many partitions a member would have if each of its topics were spread evenly over those that read it.
    fn loads_wanted(&self) -> BTreeMap<&'a Str, u64> {
        let mut readers: BTreeMap<Uuid, u64> = BTreeMap::new();
        let topics = self.asked.members.values().flat_map(|member| &member.topics);
        topics.for_each(|&topic| *readers.entry(topic).or_default() += 1);
        let part = |&topic: &Uuid| {
            let readers = readers.get(&topic).copied().unwrap_or(1);
            (self.partition_count(topic) * ONE).checked_div(readers).unwrap_or(0)
        };
        let members = self.asked.members.iter();
        members
            .map(|(id, m)| (id, m.topics.iter().map(part).sum::<u64>().div_ceil(ONE).max(1)))
            .collect()
    }

    /// Leaves members what they had, up to an even load.
    fn keep(&mut self) {
        let (sharers, loads) = (self.sharers_wanted(), self.loads_wanted());
        for (id, member) in &self.asked.members {
            let had = member.before.iter().filter(|(topic, _)| member.topics.contains(topic));
            for partition in had.flat_map(|(&topic, set)| set.iter().map(move |&p| (topic, p))) {
                let wanted = sharers.get(&partition.0).copied().unwrap_or(0);
                let room = self.sharers.get(&partition).is_some_and(|&shared| shared < wanted);
                if room && self.load.get(id) < loads.get(id) {
                    self.give(id, partition);
                }
            }
        }
    }

    /// Gives every partition that nobody reads to the member with the least.
    fn cover(&mut self) {
        let free = self.sharers.iter().filter(|(_, shared)| **shared == 0);
        let free: Vec<(Uuid, i32)> = free.map(|(&partition, _)| partition).collect();
        for partition in free {
            let members = self.asked.members.iter();
            let readers = members.filter(|(_, member)| member.topics.contains(&partition.0));
            let least = readers.min_by_key(|(id, _)| self.load.get(*id));
            if let Some((id, _)) = least {
                self.give(id, partition);
            }
        }
    }

    /// Gives every member without a partition the one that the fewest read.
    fn occupy(&mut self) {
        for (id, member) in &self.asked.members {
            if self.load.get(id).is_some_and(|&load| load > 0) {
                continue;
            }
            let readable =
                self.sharers.iter().filter(|((topic, _), _)| member.topics.contains(topic));
            let least =
                readable.min_by_key(|(_, shared)| **shared).map(|(&partition, _)| partition);
            if let Some(partition) = least {
                self.give(id, partition);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::assign;
    use crate::group::assignor::{Asked, Assignment, Subscriber};
    use klamm_protocol::primitives::{Str, Uuid};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn topic(n: usize) -> Uuid {
        Uuid::from_bytes([u8::try_from(n).unwrap() + 1; 16])
    }

    fn asked(topics: &[i32], members: &[Vec<usize>]) -> Asked {
        let topics = topics.iter().enumerate().map(|(n, &count)| (topic(n), count)).collect();
        let member = |reads: &Vec<usize>| Subscriber {
            topics: reads.iter().map(|&n| topic(n)).collect(),
            ..Subscriber::default()
        };
        let members = members.iter().enumerate();
        let members = members.map(|(n, reads)| (Str::from(format!("m{n:03}")), member(reads)));
        Asked { topics, members: members.collect() }
    }

    fn load(assignment: &Assignment) -> usize {
        assignment.values().map(|set| set.len()).sum()
    }

    fn sharers(given: &BTreeMap<Str, Assignment>) -> BTreeMap<(Uuid, i32), usize> {
        let mut sharers = BTreeMap::new();
        let all = given.values().flatten();
        for partition in all.flat_map(|(&topic, set)| set.iter().map(move |&p| (topic, p))) {
            *sharers.entry(partition).or_default() += 1;
        }
        sharers
    }

    #[test]
    fn alike_members_have_alike_loads_and_no_partition_is_left() {
        for partitions in 1..8 {
            for members in 1..20_usize {
                let given = assign(&asked(&[partitions], &vec![vec![0]; members]));
                let loads: Vec<usize> = given.values().map(load).collect();
                let spread = loads.iter().max().unwrap() - loads.iter().min().unwrap();
                assert!(spread <= 1, "{partitions} for {members}: {loads:?}");
                let shared = sharers(&given);
                assert_eq!(shared.len(), usize::try_from(partitions).unwrap());
                let spread = shared.values().max().unwrap() - shared.values().min().unwrap();
                assert!(spread <= 1, "{partitions} for {members}: {shared:?}");
            }
        }
    }

    /// The same question, after the first answer.
    fn after(asked: &Asked, given: &BTreeMap<Str, Assignment>) -> Asked {
        let mut again = asked.clone();
        for (id, member) in &mut again.members {
            member.before = given.get(id).cloned().unwrap_or_default();
        }
        again
    }

    #[test]
    fn who_shared_one_partition_spreads_over_new_ones() {
        let few = asked(&[1], &vec![vec![0]; 4]);
        let mut more = after(&few, &assign(&few));
        more.topics.insert(topic(0), 4);
        assert!(assign(&more).values().all(|given| load(given) == 1));
    }

    proptest! {
        #[test]
        fn everything_is_read_and_everybody_reads(
            topics in prop::collection::vec(0..6_i32, 1..4),
            members in prop::collection::vec(prop::collection::vec(0..4_usize, 0..3), 1..9),
            gone in 0..9_usize,
        ) {
            let members: Vec<Vec<usize>> = members
                .into_iter()
                .map(|reads| reads.into_iter().filter(|&n| n < topics.len()).collect())
                .collect();
            let mut asked = asked(&topics, &members);
            for _ in 0..2 {
                let given = assign(&asked);
                let shared = sharers(&given);
                for (id, member) in &asked.members {
                    let readable: i32 = member.topics.iter().map(|id| asked.topics[id]).sum();
                    prop_assert_eq!(load(&given[id]) > 0, readable > 0);
                    let own = given[id].keys().all(|topic| member.topics.contains(topic));
                    prop_assert!(own, "{} reads what it did not ask for", id);
                }
                for (&topic, &count) in &asked.topics {
                    let read = asked.members.values().any(|member| member.topics.contains(&topic));
                    let covered = (0..count).filter(|&p| shared.contains_key(&(topic, p))).count();
                    prop_assert_eq!(covered, if read { usize::try_from(count).unwrap() } else { 0 });
                }
                asked = after(&asked, &given);
                asked.members.remove(&Str::from(format!("m{gone:03}")));
            }
        }
    }
}
