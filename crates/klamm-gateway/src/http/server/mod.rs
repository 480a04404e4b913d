//! From a listening socket to requests: connections, their clocks, and their end.

mod addresses;
mod connection;
mod counters;
mod pulse;
mod socket;
mod start;

pub(super) use self::connection::Open;
pub(super) use self::counters::Counters;
pub use self::counters::{Answers, HttpState};
pub use self::start::{Server, ServerHandle};
