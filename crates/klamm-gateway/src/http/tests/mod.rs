//! Requests over real sockets, written byte by byte.

mod clocks;
mod edge;
mod hostile;
mod http2;
mod idempotency;
mod kafka;
mod openapi;
mod requests;
mod stage;
#[allow(dead_code, reason = "the tests with a broker need the rest of it")]
mod wire;
