//! Pure: `/metrics`, how a gateway stands and what it counts, as Prometheus reads it.
//!
//! One file per area, each a list of families. Labels come from the configuration and from closed sets, never from requests.

mod distribution;
mod forward;
mod gateway;
mod http;
mod wal;

use super::observed::Observed;
use klamm_metrics::{Process, Text};

/// The page.
pub(super) fn page(observed: &Observed, process: &Process) -> String {
    let mut text = Text::default();
    gateway::write(&mut text, observed, process);
    http::write(&mut text, &observed.http);
    wal::write(&mut text, &observed.wal);
    forward::write(&mut text, observed);
    text.finish()
}
