//! Pure: the arithmetic of the sticky assignors.
//!
//! First everybody keeps what is rightfully theirs, as far as that is fair; then what is free goes
//! to whoever has least; then, where subscriptions differ, partitions move along chains of members
//! until no move makes the counts more even.

use super::user_data::Claim;
use super::{AssignableTopic, GroupMember, partitions_of};
use crate::consumer::topic_partition::TopicPartition;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Who gets what.
pub(super) struct Balanced {
    /// The partitions of each member, sorted, in the order in which the members were given.
    pub(super) lists: Vec<Vec<TopicPartition>>,
    /// Who owned a partition before this; partitions that two members claim alike are missing.
    pub(super) rightful: BTreeMap<TopicPartition, usize>,
}

/// Shares out `topics`; `claims` says what each of `members` had.
pub(super) fn balance(
    topics: &BTreeMap<Arc<str>, AssignableTopic>,
    members: &[&GroupMember],
    claims: &[Claim],
) -> Balanced {
    let rightful = rightful_owners(topics, members, claims);
    let mut table = Table::new(topics, members, &rightful);
    let equal = members.windows(2).all(|pair| pair[0].topics == pair[1].topics);
    if equal {
        table.trim_to_share();
    }
    table.hand_out();
    if !equal {
        table.even_out();
    }
    Balanced { lists: table.into_lists(members.len()), rightful }
}

/// The member with the highest generation among those that claim a partition; nobody if two do.
fn rightful_owners(
    topics: &BTreeMap<Arc<str>, AssignableTopic>,
    members: &[&GroupMember],
    claims: &[Claim],
) -> BTreeMap<TopicPartition, usize> {
    let mut best: BTreeMap<&TopicPartition, (i32, Option<usize>)> = BTreeMap::new();
    for (member, claim) in claims.iter().enumerate() {
        let generation = claim.generation.unwrap_or(-1);
        for partition in &claim.partitions {
            let exists = partitions_of(topics, &partition.topic).contains(&partition.partition);
            if !exists || !members[member].topics.contains(&partition.topic) {
                continue;
            }
            let entry = best.entry(partition).or_insert((generation, Some(member)));
            if generation > entry.0 {
                *entry = (generation, Some(member));
            } else if generation == entry.0 && entry.1 != Some(member) {
                entry.1 = None;
            }
        }
    }
    let owned = best.into_iter().filter_map(|(p, (_, member))| Some((p.clone(), member?)));
    owned.collect()
}

/// One topic while it is shared out.
struct TopicRow {
    name: Arc<str>,
    /// Who subscribes to it.
    subscribers: Vec<usize>,
    /// The owner of each partition.
    owners: Vec<Option<usize>>,
    /// Its owner before.
    before: Vec<Option<usize>>,
}

struct Table {
    topics: Vec<TopicRow>,
    /// How many partitions each member has.
    loads: Vec<usize>,
    /// How many of each topic a member has: `held[member]` = topic index → count.
    held: Vec<BTreeMap<usize, usize>>,
}

impl Table {
    fn new(
        topics: &BTreeMap<Arc<str>, AssignableTopic>,
        members: &[&GroupMember],
        rightful: &BTreeMap<TopicPartition, usize>,
    ) -> Self {
        let mut table = Self {
            topics: Vec::new(),
            loads: vec![0; members.len()],
            held: vec![BTreeMap::new(); members.len()],
        };
        for name in topics.keys() {
            let subscribers: Vec<usize> =
                (0..members.len()).filter(|&m| members[m].topics.contains(name)).collect();
            let before: Vec<Option<usize>> = partitions_of(topics, name)
                .map(|p| {
                    rightful.get(&TopicPartition { topic: name.clone(), partition: p }).copied()
                })
                .collect();
            if subscribers.is_empty() {
                continue;
            }
            let index = table.topics.len();
            for &member in before.iter().flatten() {
                table.count(member, index);
            }
            let owners = before.clone();
            table.topics.push(TopicRow { name: name.clone(), subscribers, owners, before });
        }
        table
    }

    fn count(&mut self, member: usize, topic: usize) {
        self.loads[member] += 1;
        *self.held[member].entry(topic).or_insert(0) += 1;
    }

    fn uncount(&mut self, member: usize, topic: usize) {
        self.loads[member] = self.loads[member].saturating_sub(1);
        if let Some(held) = self.held[member].get_mut(&topic) {
            *held -= 1;
            if *held == 0 {
                self.held[member].remove(&topic);
            }
        }
    }

    /// With equal subscriptions everybody keeps at most a fair share; the odd partitions stay with
    /// the first members that have one too many.
    fn trim_to_share(&mut self) {
        let total: usize = self.topics.iter().map(|topic| topic.owners.len()).sum();
        let share = total / self.loads.len().max(1);
        let mut extras = total % self.loads.len().max(1);
        let mut keep: Vec<usize> = Vec::with_capacity(self.loads.len());
        for &load in &self.loads {
            let extra = usize::from(load > share && extras > 0);
            extras -= extra;
            keep.push(load.min(share + extra));
        }
        for topic in 0..self.topics.len() {
            for partition in 0..self.topics[topic].owners.len() {
                let Some(owner) = self.topics[topic].owners[partition] else { continue };
                if keep[owner] > 0 {
                    keep[owner] -= 1;
                } else {
                    self.topics[topic].owners[partition] = None;
                    self.uncount(owner, topic);
                }
            }
        }
    }

    /// Every free partition to the subscriber with least; topics that few may have come first.
    fn hand_out(&mut self) {
        let mut order: Vec<usize> = (0..self.topics.len()).collect();
        order.sort_by_key(|&topic| self.topics[topic].subscribers.len());
        for topic in order {
            for partition in 0..self.topics[topic].owners.len() {
                if self.topics[topic].owners[partition].is_some() {
                    continue;
                }
                let subscribers = &self.topics[topic].subscribers;
                let least = subscribers.iter().copied().min_by_key(|&member| self.loads[member]);
                if let Some(member) = least {
                    self.topics[topic].owners[partition] = Some(member);
                    self.count(member, topic);
                }
            }
        }
    }

    /// Moves partitions from members with many to members with at least two fewer, if need be
    /// through others, until that is no longer possible. Every move makes the sum of squares
    /// smaller, so it ends.
    fn even_out(&mut self) {
        let mut order: Vec<usize> = (0..self.loads.len()).collect();
        loop {
            order.sort_by_key(|&member| (std::cmp::Reverse(self.loads[member]), member));
            let least = order.last().map_or(0, |&member| self.loads[member]);
            let heavy = order.iter().copied().take_while(|&m| self.loads[m] > least + 1);
            let Some(chain) = heavy.into_iter().find_map(|member| self.chain_from(member)) else {
                return;
            };
            for (topic, from, to) in chain {
                self.move_one(topic, from, to);
            }
        }
    }

    /// The shortest chain of moves (topic, from, to) that takes one partition off `start` and gives
    /// one to a member with at least two fewer than `start` has.
    fn chain_from(&self, start: usize) -> Option<Vec<(usize, usize, usize)>> {
        let mut reached: Vec<Option<(usize, usize)>> = vec![None; self.loads.len()];
        let mut topic_seen = vec![false; self.topics.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(member) = queue.pop_front() {
            for &topic in self.held[member].keys() {
                if std::mem::replace(&mut topic_seen[topic], true) {
                    continue;
                }
                for &next in &self.topics[topic].subscribers {
                    if next == start || reached[next].is_some() {
                        continue;
                    }
                    reached[next] = Some((topic, member));
                    if self.loads[next] + 2 <= self.loads[start] {
                        return Some(trace(&reached, next));
                    }
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// Moves one partition of a topic: rather one that `to` had before, rather one that `from` had
    /// not.
    fn move_one(&mut self, topic: usize, from: usize, to: usize) {
        let row = &mut self.topics[topic];
        let liking = |&partition: &usize| {
            let before = row.before[partition];
            (before == Some(to), before != Some(from), partition)
        };
        let owned = (0..row.owners.len()).filter(|&p| row.owners[p] == Some(from));
        let Some(partition) = owned.max_by_key(liking) else { return };
        row.owners[partition] = Some(to);
        self.uncount(from, topic);
        self.count(to, topic);
    }

    fn into_lists(self, members: usize) -> Vec<Vec<TopicPartition>> {
        let mut lists = vec![Vec::new(); members];
        for row in self.topics {
            for (partition, owner) in (0..).zip(row.owners) {
                if let Some(owner) = owner {
                    lists[owner].push(TopicPartition { topic: row.name.clone(), partition });
                }
            }
        }
        lists
    }
}

/// The moves that lead to `end`, first one first.
fn trace(reached: &[Option<(usize, usize)>], end: usize) -> Vec<(usize, usize, usize)> {
    let mut moves = Vec::new();
    let mut to = end;
    while let Some((topic, from)) = reached[to] {
        moves.push((topic, from, to));
        to = from;
    }
    moves.reverse();
    moves
}
