//! `klamm perf`: what producing, consuming, the whole way and requests to a gateway cost, with Kafka's own option names.
//!
//! `stage` connects, `load` sends, `content` says what, `in_flight` holds it back, `measure` counts, `progress` shows how far it is;
//! each command has a directory.

mod consume;
pub(crate) mod content;
mod e2e;
mod http;
pub(crate) mod in_flight;
pub(crate) mod load;
pub(crate) mod measure;
pub(crate) mod payload;
mod produce;
mod progress;
mod stage;

use crate::args::{Global, PerfCommand};
use crate::failure::Failure;
pub(crate) use consume::PerfConsume;
pub(crate) use e2e::PerfE2e;
pub(crate) use http::PerfHttp;
use std::time::Duration;

/// A target missed by more than this share is a failure.
const RATE_TOLERANCE: f64 = 0.01;
/// How often progress is reported, as Kafka's tools do.
const REPORT_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(global: &Global, command: PerfCommand) -> Result<(), Failure> {
    match command {
        PerfCommand::Produce(args) => produce::run(global, args).await,
        PerfCommand::Consume(args) => consume::run(global, args).await,
        PerfCommand::E2e(args) => e2e::run(global, args).await,
        PerfCommand::Http(args) => http::run(global, args).await,
    }
}
