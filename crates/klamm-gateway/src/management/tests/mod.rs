//! The pages over a socket, Prometheus' own judgement of one of them, and the files of deploy/.

mod deploy;
mod over_http;
mod promtool;
pub(super) mod sample;
