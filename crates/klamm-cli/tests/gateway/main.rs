//! `klamm gateway` from outside: requests over sockets, a broker that comes and goes, ends of every kind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod asking;
mod dlq;
mod ending;
mod forwarding;
mod logs;
mod requests;
mod schemas;
mod stage;
mod starting;
mod tls;
