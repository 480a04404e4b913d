//! Requests over real sockets, written byte by byte.

mod clocks;
mod edge;
mod hostile;
mod http2;
mod idempotency;
mod kafka;
mod openapi;
mod requests;
mod wire;
