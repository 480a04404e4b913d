//! Handling records in parallel: who works on what, in which order, and how far that may be committed.
//!
//! ```text
//!  State::take ──► Intake ──► Work ──► workers ──► handler
//!                              │ first not done
//!  commits ◄── State::processed ◄──┘
//! ```
//!
//! `Work` decides, purely. The consumer's state hands what it would hand to the application to the run
//! instead, in one step, and asks it how far that is processed: what is neither done nor known to the run
//! does not exist.

mod intake;
mod lanes;
mod options;
mod outcome;
mod pieces;
mod run;
mod running;
mod window;
mod work;
#[cfg(test)]
mod work_tests;
mod worker;

pub(super) use self::intake::Intake;
pub use self::options::{OnError, ProcessingOrder, RunOptions};
pub use self::outcome::{BoxError, HandlerError, RunError, RunFailure, RunSummary};
