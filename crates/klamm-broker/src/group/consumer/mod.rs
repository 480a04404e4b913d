//! Groups in which the coordinator assigns (KIP-848): ConsumerGroupHeartbeat, ConsumerGroupDescribe.

mod check;
mod commit;
mod describe;
mod group;
mod heartbeat;
mod member;
mod membership;
mod reconcile;
mod records;
mod requests;
mod subscription;
mod target;

pub(super) use self::group::ConsumerGroup;
pub(crate) use self::requests::ConsumerTimes;
