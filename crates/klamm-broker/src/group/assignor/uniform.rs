//! Pure: as many partitions for each member as can be, moving as few as can be.

use super::{Asked, Assignment, Subscriber};
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// Rounds of moving; members that read the same topics are even after one.
const MAX_ROUNDS: usize = 8;

pub(super) fn assign(asked: &Asked) -> BTreeMap<Str, Assignment> {
    let mut shares = Shares::new(asked);
    shares.keep();
    shares.fill();
    for _ in 0..MAX_ROUNDS {
        if !shares.level() {
            break;
        }
    }
    shares.result()
}

/// The assignment while it is made.
struct Shares<'a> {
    asked: &'a Asked,
    owners: BTreeMap<(Uuid, i32), &'a Str>,
    loads: BTreeMap<&'a Str, usize>,
    /// Members by how much they have.
    order: BTreeSet<(usize, &'a Str)>,
}

impl<'a> Shares<'a> {
    fn new(asked: &'a Asked) -> Self {
        let loads: BTreeMap<_, _> = asked.members.keys().map(|id| (id, 0)).collect();
        let order = loads.iter().map(|(id, load)| (*load, *id)).collect();
        Self { asked, owners: BTreeMap::new(), loads, order }
    }

    fn give(&mut self, partition: (Uuid, i32), to: &'a Str) {
        if let Some(from) = self.owners.insert(partition, to) {
            self.change(from, |load| load.saturating_sub(1));
        }
        self.change(to, |load| load + 1);
    }

    fn change(&mut self, id: &'a Str, change: impl Fn(usize) -> usize) {
        let load = self.loads.entry(id).or_default();
        self.order.remove(&(*load, id));
        *load = change(*load);
        self.order.insert((*load, id));
    }

    /// Everybody keeps what it had, of topics that it still reads.
    fn keep(&mut self) {
        for (id, Subscriber { topics, before, .. }) in &self.asked.members {
            for (topic, partitions) in before {
                let count = self.asked.topics.get(topic).copied().unwrap_or(0);
                let theirs = partitions.iter().filter(|&&partition| partition < count);
                for &partition in theirs.filter(|_| topics.contains(topic)) {
                    if !self.owners.contains_key(&(*topic, partition)) {
                        self.give((*topic, partition), id);
                    }
                }
            }
        }
    }

    /// What nobody has goes to whoever has least.
    fn fill(&mut self) {
        for (&topic, &count) in &self.asked.topics {
            for partition in 0..count {
                if self.owners.contains_key(&(topic, partition)) {
                    continue;
                }
                let Some((_, id)) = self.poorest(topic) else { break };
                self.give((topic, partition), id);
            }
        }
    }

    /// Moves partitions from who has more to who has at least two less; says whether any moved.
    fn level(&mut self) -> bool {
        let owned: Vec<_> = self.owners.iter().map(|(key, id)| (*key, *id)).collect();
        let mut moved = false;
        for (partition, owner) in owned {
            let Some((least, poorest)) = self.poorest(partition.0) else { continue };
            if self.loads.get(owner).is_some_and(|load| *load > least + 1) {
                self.give(partition, poorest);
                moved = true;
            }
        }
        moved
    }

    /// Of the members that read the topic, the one that has least.
    fn poorest(&self, topic: Uuid) -> Option<(usize, &'a Str)> {
        let reads =
            |id: &Str| self.asked.members.get(id).is_some_and(|m| m.topics.contains(&topic));
        self.order.iter().find(|(_, id)| reads(id)).copied()
    }

    fn result(self) -> BTreeMap<Str, Assignment> {
        let members = self.asked.members.keys();
        let mut result: BTreeMap<_, _> =
            members.map(|id| (id.clone(), Assignment::new())).collect();
        for ((topic, partition), id) in self.owners {
            if let Some(assignment) = result.get_mut(id) {
                assignment.entry(topic).or_default().insert(partition);
            }
        }
        result
    }
}
