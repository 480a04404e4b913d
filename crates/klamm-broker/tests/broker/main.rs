//! The broker over a socket, spoken to in raw frames: neither side of these tests is klamm's client.

mod batch;
mod cap;
mod long_poll;
mod peer;
mod restart;
mod traps;
