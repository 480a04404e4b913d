//! Pure: one member of a share group.

use crate::group::assignor::Assignment;
use klamm_protocol::primitives::Str;
use std::collections::BTreeSet;

/// A member and what it was told to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: Str,
    pub(super) rack_id: Option<Str>,
    pub(super) client_id: Str,
    pub(super) client_host: Str,
    pub(super) epoch: i32,
    /// The epoch before: the answer that named the present one may have been lost.
    pub(super) previous_epoch: i32,
    pub(super) topics: BTreeSet<Str>,
    /// What it was told.
    pub(super) assigned: Assignment,
    /// What it is to be told.
    pub(super) target: Assignment,
}
