//! Whether what came out is what went in: every record carries who it is ([`Stamp`]), a [`Ledger`] books what a reader
//! saw, and a [`Verdict`] says what was lost, duplicated, reordered or damaged.
//!
//! Each task that sends is a *source* with sequence numbers of its own from 0, which it takes and hands to the producer in
//! order; what it sent and what was not acknowledged stands in [`Sent`]. A reader takes one ledger for a topic, and members
//! of a group share one.

mod ledger;
mod numbers;
mod sent;
mod stamp;
mod verdict;

pub(crate) use self::ledger::{Ledger, Sighting};
pub(crate) use self::numbers::Numbers;
pub(crate) use self::sent::Sent;
pub(crate) use self::stamp::{Carrier, HEADER, Stamp};
pub(crate) use self::verdict::Verdict;
