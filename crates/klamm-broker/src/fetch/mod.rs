//! Reading: what a fetch wants, in a session or without one, and how long it waits.

mod session;
mod wanted;

pub(crate) use self::session::{Begun, FetchSessions};
pub(crate) use self::wanted::{TopicKey, Wanted};
