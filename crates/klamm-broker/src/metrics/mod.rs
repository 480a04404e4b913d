//! What a broker counts while it runs: requests, connections, logins, syncs, repairs.
//!
//! Only what nobody else remembers is counted here; sizes and states are asked for when somebody wants to see them.

mod connections;
mod histogram;
mod requests;
mod storage;

pub(crate) use self::connections::{Connections, Place, Stage};
pub(crate) use self::histogram::{BOUNDS_NS, Reading};
pub(crate) use self::requests::{ApiTotals, Counters, Hold, InFlight, Requests};
pub(crate) use self::storage::Storing;

/// All counters of a broker.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Requests,
    pub(crate) connections: Connections,
    pub(crate) storing: Storing,
}
