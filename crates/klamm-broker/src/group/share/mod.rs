//! Share groups (KIP-932): members read the same partitions side by side. ShareGroupHeartbeat, ShareGroupDescribe.
//!
//! What of a partition is whose is not here but in `crate::share`.

mod assign;
mod describe;
mod group;
mod heartbeat;
mod member;
mod records;
mod requests;

pub(super) use self::group::ShareGroup;
pub(crate) use self::requests::ShareTimes;
