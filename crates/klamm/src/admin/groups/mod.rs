//! Groups: who there is, who reads what, how far they have come.
//!
//! Questions about a group go to its coordinator, and to the next one when it has moved.

mod alter;
mod coordinated;
mod describe;
mod describe_members;
mod kind;
mod list;
mod offsets;

pub use self::describe::{GroupCoordinator, GroupDescription};
pub use self::describe_members::MemberDescription;
pub use self::kind::{GroupState, GroupType};
pub use self::list::{GroupFilter, GroupList, GroupSummary};
pub use self::offsets::GroupOffsetsSpec;
