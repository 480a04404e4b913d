//! A look at a gateway's log that changes nothing in it, also while a gateway runs.
//!
//! The log is opened as a gateway would open it, recovery and all, on an overlay: what that would
//! change goes to memory.

mod overlay;
mod report;
#[cfg(test)]
mod tests;

pub use self::report::{InspectError, SegmentFile, Waiting, WalReport, inspect};
