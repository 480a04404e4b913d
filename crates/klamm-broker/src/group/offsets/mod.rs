//! Committed offsets: those of every group, and those of transactions under way.

mod commit;
mod delete;
mod expiry;
mod fetch;
mod table;
mod transactions;

pub(super) use self::table::{Committed, Offsets, Partitions, PendingIndex, flatten};
