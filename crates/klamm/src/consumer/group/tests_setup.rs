//! What the tests of this directory share.

use super::machine::{Answer, GroupConfig};
use crate::consumer::assignor::{Assignor, RangeAssignor};
use klamm_protocol::message::FindCoordinatorResponse;
use std::sync::Arc;
use std::time::Duration;

/// A dynamic member that offers `range`; session 6 s, heartbeats each second, polls each 9 s.
pub(super) fn config() -> GroupConfig {
    let range: Arc<dyn Assignor> = Arc::new(RangeAssignor);
    GroupConfig {
        group_id: "g".into(),
        group_instance_id: None,
        rack: None,
        session_timeout: Duration::from_secs(6),
        heartbeat_interval: Duration::from_secs(1),
        max_poll_interval: Duration::from_secs(9),
        request_timeout: Duration::from_secs(3),
        retry_backoff: Duration::from_millis(100),
        retry_backoff_max: Duration::from_secs(1),
        assignors: vec![range],
        server_assignor: None,
    }
}

/// The coordinator is node 1.
pub(super) fn found() -> Answer {
    let response = FindCoordinatorResponse { node_id: 1, ..FindCoordinatorResponse::default() };
    Answer::FindCoordinator(response)
}
