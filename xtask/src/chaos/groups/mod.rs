//! `cargo xtask chaos groups`: chains of consumer groups whose members come, go and are killed while records flow.
//!
//! Keyed records run through three topics; a group moves them from each to the next, the last one only reads. `cast` are
//! the members, processes of their own that write down what they do (`events`), `stage` is the broker, `run` the director.
//! `verdict` holds the members' words against each other, `keys` what came out at the end.

mod cast;
mod events;
mod keys;
mod run;
mod scenario;
mod stage;
mod verdict;

pub(crate) use self::run::{run, short};
