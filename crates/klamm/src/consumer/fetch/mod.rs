//! Reading: what is asked of which broker, and how an answer becomes batches of records.
//!
//! Nothing here opens a socket or reads a clock; the consumer's tasks drive it.

mod aborted;
mod answers;
mod batch;
mod budget;
mod chunk;
mod decision;
mod decode;
#[cfg(test)]
mod decode_tests;
mod lanes;
mod partition;
mod plan;
#[cfg(test)]
mod plan_tests;
mod positions;
#[cfg(test)]
mod positions_tests;
#[cfg(test)]
mod samples;
mod session;
#[cfg(test)]
mod session_tests;
mod spares;

pub use self::batch::{
    Batch, BatchRecords, ConsumedRecord, IntoRecords, RecordHeaders, RecordRef, TimestampType,
};
pub(crate) use self::budget::{Budget, Charge};
pub use self::decode::{DataRange, FetchDataError};
pub(crate) use self::decode::{DecodeSettings, Decoder, FetchedData, Step};
pub(crate) use self::lanes::{LANES, NextLane, Unanswered, next_lane};
pub(crate) use self::plan::{Demand, Plan, PlanSettings, plan};
pub use self::positions::StallCause;
pub(crate) use self::positions::{
    EpochEnd, FetchLease, Leader, Lease, Position, PositionEvent, PositionSettings, Positions,
    Reaction, ResetTarget, Told,
};
pub(crate) use self::session::{FetchSession, Wanted, is_about_session, version_for};
