//! Out of Kafka: who reads what, and how far it has been read.

mod assigning;
mod assignor;
mod commit;
mod doorbell;
mod error;
mod fetch;
mod fetcher;
pub(crate) mod group;
mod handle;
pub(crate) mod list_offsets;
mod membership;
mod processing;
mod shared;
mod start;
mod topic_partition;

pub use self::assignor::{
    AssignableTopic, Assignor, CooperativeStickyAssignor, GroupMember, MemberAssignment,
    RangeAssignor, RebalanceProtocol, RoundRobinAssignor, StickyAssignor, Subscribing,
};
pub use self::commit::{CommitError, CommitHandle};
pub use self::error::{ConsumeError, GroupError, OffsetsError, PositionError};
pub use self::fetch::{
    Batch, BatchRecords, ConsumedRecord, DataRange, FetchDataError, IntoRecords, RecordHeaders,
    RecordRef, StallCause, TimestampType,
};
pub use self::group::commits::{NotCommitted, OffsetAndMetadata};
pub use self::handle::Consumer;
pub use self::list_offsets::OffsetAndTimestamp;
pub use self::membership::{ListenerFuture, RebalanceListener};
pub use self::processing::{
    BoxError, HandlerError, OnError, ProcessingOrder, RunError, RunFailure, RunOptions, RunSummary,
};
pub use self::start::Start;
pub use self::topic_partition::TopicPartition;
