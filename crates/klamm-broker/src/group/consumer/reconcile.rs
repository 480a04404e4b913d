//! Pure: one step of a member towards what it is to have. It gives up first and gets afterwards, and it gets nothing
//! that another has not given up, so that no partition has two owners.

use super::group::ConsumerGroup;
use super::member::{Member, Progress, overlaps};
use crate::group::assignor::Assignment;
use klamm_protocol::primitives::{Str, Uuid};

impl ConsumerGroup {
    /// Takes the step that the member's last heartbeat allows; `owned` is what it says it has.
    pub(super) fn reconcile(&mut self, id: &Str, owned: Option<&Assignment>) {
        let epoch = self.assignment_epoch;
        let Some(member) = self.members.get(id) else { return };
        let from = match member.progress {
            Progress::Stable if member.epoch == epoch => return,
            Progress::Unrevoked if keeps(&member.revoking, owned) => return,
            // What it gave up is free now: it is at least one epoch further.
            Progress::Unrevoked => member.epoch + 1,
            Progress::Stable | Progress::Unreleased => member.epoch,
        };
        let step = self.step(member, owned);
        let Some(member) = self.members.get_mut(id) else { return };
        member.progress = step.progress;
        member.enter_epoch(if step.progress == Progress::Unrevoked { from } else { epoch });
        member.assigned = step.assigned;
        member.revoking = step.revoking;
    }

    fn step(&self, member: &Member, owned: Option<&Assignment>) -> Step {
        let mut step = Step::default();
        for (&topic, partitions) in &member.assigned {
            for &partition in partitions {
                let stays = contains(&member.target, topic, partition);
                let to = if stays { &mut step.assigned } else { &mut step.revoking };
                to.entry(topic).or_default().insert(partition);
            }
        }
        if !step.revoking.is_empty() && keeps(&step.revoking, owned) {
            step.progress = Progress::Unrevoked;
            return step;
        }
        step.revoking.clear();
        for (&topic, partitions) in &member.target {
            for &partition in partitions {
                if self.is_held_by_another(member, topic, partition) {
                    step.progress = Progress::Unreleased;
                } else {
                    step.assigned.entry(topic).or_default().insert(partition);
                }
            }
        }
        step
    }

    fn is_held_by_another(&self, member: &Member, topic: Uuid, partition: i32) -> bool {
        let others = self.members.values().filter(|other| other.id != member.id);
        let mut held = others.flat_map(|other| [&other.assigned, &other.revoking]);
        held.any(|partitions| contains(partitions, topic, partition))
    }
}

#[derive(Debug, Default)]
struct Step {
    progress: Progress,
    assigned: Assignment,
    revoking: Assignment,
}

/// Whether the member has, or may still have, some of what it is to give up.
fn keeps(revoking: &Assignment, owned: Option<&Assignment>) -> bool {
    owned.is_none_or(|owned| overlaps(owned, revoking))
}

fn contains(assignment: &Assignment, topic: Uuid, p: i32) -> bool {
    assignment.get(&topic).is_some_and(|partitions| partitions.contains(&p))
}
