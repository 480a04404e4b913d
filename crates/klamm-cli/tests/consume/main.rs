//! `klamm consume` from outside, on a broker of this process: what comes out, when it ends, what a group is
//! told, and that a topic copied through a pipe is the same topic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod copying;
mod ending;
mod group;
mod reading;
mod stage;
