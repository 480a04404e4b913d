//! Out of Kafka: who reads what, and how far it has been read.

mod assignor;
#[allow(dead_code, reason = "the consumer's tasks drive it")]
mod fetch;
#[allow(dead_code, reason = "the consumer's tasks drive it")]
mod group;
mod topic_partition;

pub use self::assignor::{
    AssignableTopic, Assignor, CooperativeStickyAssignor, GroupMember, MemberAssignment,
    RangeAssignor, RebalanceProtocol, RoundRobinAssignor, StickyAssignor, Subscribing,
};
pub use self::fetch::{
    Batch, BatchRecords, ConsumedRecord, DataRange, FetchDataError, IntoRecords, RecordHeaders,
    RecordRef, TimestampType,
};
pub use self::topic_partition::TopicPartition;
