//! Which broker coordinates a group or a transactional id (FindCoordinator).

use super::ClientInner;
use crate::connection::{Connection, RequestError};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{FindCoordinatorRequest, FindCoordinatorResponse};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What is coordinated; the numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum CoordinatorType {
    Group = 0,
}

/// A broker's refusal to name a coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoCoordinator {
    pub(crate) code: ErrorCode,
    /// Its own words, when it had any.
    pub(crate) message: Option<Arc<str>>,
}

/// The node that coordinates each key.
pub(crate) type Coordinators = BTreeMap<Arc<str>, Result<i32, NoCoordinator>>;

/// From here on one request asks for several keys (KIP-699).
const BATCHED: i16 = 4;

impl ClientInner {
    /// Asks any broker who coordinates these keys. A key without an answer is not in the result. Runs on
    /// the I/O thread.
    pub(crate) async fn find_coordinators(
        &self,
        of: CoordinatorType,
        keys: &[Arc<str>],
        timeout: Duration,
    ) -> Result<Coordinators, RequestError> {
        let connection = self.any_connection().await?;
        let version = connection.version::<FindCoordinatorRequest>(0..=6)?;
        if version < BATCHED {
            return find_one_by_one(&connection, version, of, keys, timeout).await;
        }
        let request = FindCoordinatorRequest {
            key_type: of as i8,
            coordinator_keys: keys.iter().map(|key| Str::from(&**key)).collect(),
            ..FindCoordinatorRequest::default()
        };
        let answer = ask(&connection, version, &request, timeout).await?;
        let found = answer.coordinators.iter().map(|c| {
            let found = of_answer(c.error_code, c.error_message.as_ref(), c.node_id);
            (Arc::from(c.key.as_str()), found)
        });
        Ok(found.collect())
    }
}

async fn find_one_by_one(
    connection: &Connection,
    version: i16,
    of: CoordinatorType,
    keys: &[Arc<str>],
    timeout: Duration,
) -> Result<Coordinators, RequestError> {
    let mut found = Coordinators::new();
    for key in keys {
        let request = FindCoordinatorRequest {
            key: Str::from(&**key),
            key_type: of as i8,
            ..FindCoordinatorRequest::default()
        };
        let answer = ask(connection, version, &request, timeout).await?;
        let of = of_answer(answer.error_code, answer.error_message.as_ref(), answer.node_id);
        found.insert(Arc::clone(key), of);
    }
    Ok(found)
}

async fn ask(
    connection: &Connection,
    version: i16,
    request: &FindCoordinatorRequest,
    timeout: Duration,
) -> Result<FindCoordinatorResponse, RequestError> {
    let answer = connection.request(request, version..=version, timeout).await?;
    connection.throttle(answer.throttle_time_ms);
    Ok(answer)
}

fn of_answer(code: i16, message: Option<&Str>, node: i32) -> Result<i32, NoCoordinator> {
    let message = message.map(|words| Arc::from(words.as_str()));
    ErrorCode(code).check().map(|()| node).map_err(|code| NoCoordinator { code, message })
}
