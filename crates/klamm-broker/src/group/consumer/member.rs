//! Pure: one member of a KIP-848 group.

use crate::group::assignor::Assignment;
use klamm_protocol::primitives::Str;
use std::collections::BTreeSet;

/// How far a member is on the way to what it is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Progress {
    /// It has what it was to have in its epoch.
    #[default]
    Stable,
    /// It still has to give partitions up.
    Unrevoked,
    /// Others still have to give partitions up that it waits for.
    Unreleased,
}

/// A member and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: Str,
    pub(super) instance_id: Option<Str>,
    pub(super) rack_id: Option<Str>,
    pub(super) client_id: Str,
    pub(super) client_host: Str,
    pub(super) progress: Progress,
    /// -2: a static member that said it would be back.
    pub(super) epoch: i32,
    /// The epoch before: the answer that named the present one may have been lost.
    pub(super) previous_epoch: i32,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) topics: BTreeSet<Str>,
    pub(super) regex: Option<Str>,
    pub(super) assignor: Option<Str>,
    /// What it may read.
    pub(super) assigned: Assignment,
    /// What it was told to give up and has not yet.
    pub(super) revoking: Assignment,
    /// What it is to have.
    pub(super) target: Assignment,
}

impl Member {
    pub(super) fn enter_epoch(&mut self, epoch: i32) {
        if epoch != self.epoch {
            self.previous_epoch = self.epoch;
            self.epoch = epoch;
        }
    }
}

/// Whether all of `part` is in `whole`.
pub(super) fn is_subset(part: &Assignment, whole: &Assignment) -> bool {
    part.iter().all(|(topic, partitions)| {
        partitions.is_empty() || whole.get(topic).is_some_and(|all| partitions.is_subset(all))
    })
}

/// Whether the two have a partition in common.
pub(super) fn overlaps(one: &Assignment, other: &Assignment) -> bool {
    one.iter().any(|(topic, partitions)| {
        other.get(topic).is_some_and(|others| !partitions.is_disjoint(others))
    })
}
