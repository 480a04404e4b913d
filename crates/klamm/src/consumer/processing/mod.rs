//! Handling records in parallel: who works on what, in which order, and how far that may be committed.

mod lanes;
mod options;
mod window;
mod work;
#[cfg(test)]
mod work_tests;

pub use self::options::{OnError, ProcessingOrder, RunOptions};
