//! Requests over real sockets, written byte by byte.

mod clocks;
mod hostile;
mod http2;
mod idempotency;
mod requests;
mod wire;
