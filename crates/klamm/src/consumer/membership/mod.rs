//! The task of a group: it joins the pure machines of `group/` with the partitions that are read.
//!
//! ```text
//!  Consumer ──► GroupShared (commits, lookups, what is subscribed to) ──bell──► GroupTask
//!  GroupTask ──► a member's requests ──► coordinator ──► answers ──► events ──► steps ──► State
//! ```
//!
//! It runs on the client's I/O thread, so that a busy application misses no heartbeat. Joins and syncs,
//! which brokers answer when all members have come, have a connection of their own.

mod assignors;
mod calls;
mod joining;
mod listener;
mod member;
mod pattern;
mod questions;
mod sending;
mod shared;
mod steps;
mod task;

pub(super) use self::assignors::assignors_of;
pub use self::listener::{ListenerFuture, RebalanceListener};
pub(super) use self::pattern::Pattern;
pub(super) use self::shared::{GroupShared, Subscribed};
pub(super) use self::task::GroupTask;
