//! What ShareFetch and ShareAcknowledge have in common, and the parts of the first.

mod acks;
mod fetch;
mod respond;

pub(super) use self::acks::{Acks, check_member};
pub(super) use self::fetch::{Found, Plan, fetch};
pub(super) use self::respond::{endpoints, leader_of};
