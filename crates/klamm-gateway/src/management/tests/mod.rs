//! The pages over a socket, and Prometheus' own judgement of one of them.

mod over_http;
mod promtool;
pub(super) mod sample;
