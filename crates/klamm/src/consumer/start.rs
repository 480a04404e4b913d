//! Where reading begins.

use std::time::Duration;

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// The first record there is.
    Earliest,
    /// The next record that is produced.
    Latest,
    /// This offset. If it is not in the log, `auto.offset.reset` decides.
    Offset(i64),
    /// The first record whose timestamp, in ms since 1970, is not before this; the end if there is none.
    Timestamp(i64),
    /// The first record at most so old.
    Ago(Duration),
    /// What `auto.offset.reset` says.
    Reset,
    /// What the group has committed, or what `auto.offset.reset` says if that is nothing. Without a
    /// `group.id` nothing is committed.
    Committed,
}
