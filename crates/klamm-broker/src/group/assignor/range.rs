//! Pure: neighbouring partitions of each topic to the same member.

use super::{Asked, Assignment};
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::BTreeMap;

pub(super) fn assign(asked: &Asked) -> BTreeMap<Str, Assignment> {
    let members = asked.members.keys();
    let mut result: BTreeMap<_, _> = members.map(|id| (id.clone(), Assignment::new())).collect();
    for (&topic, &count) in &asked.topics {
        share(asked, topic, count, &mut result);
    }
    result
}

fn share(asked: &Asked, topic: Uuid, count: i32, result: &mut BTreeMap<Str, Assignment>) {
    let readers = asked.members.iter().filter(|(_, member)| member.topics.contains(&topic));
    let mut readers: Vec<_> = readers.map(|(id, member)| (&member.rank, id)).collect();
    // The same order for every topic: partitions of one number go to one member.
    readers.sort();
    let mut partitions = 0..count;
    let mut left = readers.len();
    for (_, id) in readers {
        let share = partitions.len().div_ceil(left);
        left -= 1;
        let own: std::collections::BTreeSet<i32> = partitions.by_ref().take(share).collect();
        if let Some(assignment) = result.get_mut(id)
            && !own.is_empty()
        {
            assignment.insert(topic, own);
        }
    }
}
