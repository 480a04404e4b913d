//! Groups in which a member chooses the assignment: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

mod commit;
mod describe;
mod group;
mod join;
mod leave;
mod member;
mod protocols;
mod rebalance;
mod records;
mod static_member;
mod sync;
mod timeouts;

pub(super) use self::group::{ClassicGroup, State};
pub(super) use self::join::{Joining, Refused};
