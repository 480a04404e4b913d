//! `klamm gateway` from outside: requests over sockets, a broker that comes and goes, ends of every kind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod ending;
mod logs;
mod requests;
mod stage;
mod starting;
