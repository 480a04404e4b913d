//! Pure: who gets which partitions, as the coordinator decides for KIP-848 groups.

mod range;
mod uniform;

use klamm_protocol::primitives::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// Partitions by topic id.
pub(super) type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

/// What an assignor knows of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subscriber {
    /// Topics it reads that exist.
    pub(super) topics: BTreeSet<Uuid>,
    /// What it was to have before.
    pub(super) before: Assignment,
    /// Where it stands among the members; equal names come in the order of the ids.
    pub(super) rank: Str,
}

/// What an assignor is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// How many partitions each topic has.
    pub(super) topics: BTreeMap<Uuid, i32>,
    pub(super) members: BTreeMap<Str, Subscriber>,
}

/// A way to assign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assignor {
    /// As many for each as can be, moving as few as can be.
    Uniform,
    /// Neighbouring partitions of each topic to the same member.
    Range,
}

impl Assignor {
    /// By Kafka's name of it.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// Every partition to one of the members that read its topic.
    pub(super) fn assign(self, asked: &Asked) -> BTreeMap<Str, Assignment> {
        match self {
            Self::Uniform => uniform::assign(asked),
            Self::Range => range::assign(asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Assignment, Assignor, Subscriber};
    use klamm_protocol::primitives::{Str, Uuid};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn id(n: u8) -> Uuid {
        Uuid::from_bytes([n; 16])
    }

    /// Topics by number of partitions; members by the topics they read.
    fn asked(topics: &[i32], members: &[Vec<u8>]) -> Asked {
        let topics = (0..).map(id).zip(topics.iter().copied()).collect();
        let member = |(n, reads): (usize, &Vec<u8>)| {
            let reads = reads.iter().copied().map(id).collect();
            (Str::from(format!("m{n}")), Subscriber { topics: reads, ..Subscriber::default() })
        };
        Asked { topics, members: members.iter().enumerate().map(member).collect() }
    }

    fn sizes(result: &BTreeMap<Str, Assignment>) -> Vec<usize> {
        result.values().map(|topics| topics.values().map(|p| p.len()).sum()).collect()
    }

    #[test]
    fn range_gives_neighbours() {
        let result = Assignor::Range.assign(&asked(&[5, 4], &[vec![0, 1], vec![0, 1]]));
        assert_eq!(result["m0".as_bytes()][&id(0)], [0, 1, 2].into());
        assert_eq!(result["m1".as_bytes()][&id(0)], [3, 4].into());
        assert_eq!(result["m1".as_bytes()][&id(1)], [2, 3].into());
    }

    #[test]
    fn uniform_moves_no_more_than_it_has_to() {
        let mut asked = asked(&[6], &[vec![0], vec![0]]);
        let before = Assignor::Uniform.assign(&asked);
        for (name, assignment) in &before {
            asked.members.get_mut(name).unwrap().before = assignment.clone();
        }
        asked.members.insert("m2".into(), asked.members["m0".as_bytes()].clone());
        asked.members.get_mut("m2".as_bytes()).unwrap().before.clear();
        let after = Assignor::Uniform.assign(&asked);
        assert_eq!(sizes(&after), [2, 2, 2]);
        for name in ["m0", "m1"] {
            let (old, new) = (&before[name.as_bytes()][&id(0)], &after[name.as_bytes()][&id(0)]);
            assert!(new.is_subset(old), "{name}: {old:?} {new:?}");
        }
    }

    proptest! {
        #[test]
        fn every_partition_has_one_owner_that_reads_it(
            topics in proptest::collection::vec(0..9_i32, 1..5),
            members in proptest::collection::vec(proptest::collection::vec(0..5_u8, 0..5), 1..6),
        ) {
            let mut asked = asked(&topics, &members);
            let counts = asked.topics.clone();
            asked.members.values_mut().for_each(|m| m.topics.retain(|t| counts.contains_key(t)));
            for assignor in [Assignor::Uniform, Assignor::Range] {
                let result = assignor.assign(&asked);
                let mut owned = BTreeMap::new();
                for (name, topics) in &result {
                    for (topic, partitions) in topics {
                        prop_assert!(asked.members[name].topics.contains(topic));
                        for &partition in partitions {
                            prop_assert!(partition < counts[topic]);
                            prop_assert!(owned.insert((*topic, partition), name).is_none());
                        }
                    }
                }
                let read = |t: &Uuid| asked.members.values().any(|m| m.topics.contains(t));
                let wanted: i32 = counts.iter().filter(|(t, _)| read(t)).map(|(_, n)| n).sum();
                prop_assert_eq!(owned.len(), usize::try_from(wanted).unwrap());
                let same = asked.members.values().all(|m| m.topics == asked.members["m0".as_bytes()].topics);
                if assignor == Assignor::Uniform && same {
                    let sizes = sizes(&result);
                    prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
                }
            }
        }
    }
}
