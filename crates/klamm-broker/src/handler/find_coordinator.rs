//! FindCoordinator (10), versions 0-6: which node coordinates a group or a transactional id.
//!
//! - 1: transactional ids.
//! - 4: several keys at a time (KIP-699).
//!
//! The first answer for a kind of key makes the topic in which Kafka keeps it, as there.
//!
//! Share groups (key type 2) are not served.

use super::{Answer, Context, Handle};
use crate::cluster::InternalTopic;
use crate::fault::Keys;
use crate::security::{Operation, ResourceType};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::find_coordinator_response::Coordinator;
use klamm_protocol::message::{FindCoordinatorRequest, FindCoordinatorResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

/// Key types: groups and transactional ids.
const TRANSACTION: i8 = 1;
const KEY_TYPES: RangeInclusive<i8> = 0..=1;

impl Handle for FindCoordinatorRequest {
    const SERVED: RangeInclusive<i16> = 0..=6;

    async fn handle(self, cx: Context) -> Answer<FindCoordinatorResponse> {
        if !KEY_TYPES.contains(&self.key_type) {
            return Ok(self.refuse(&cx, ErrorCode::INVALID_REQUEST));
        }
        let (keeper, resource, code) = match self.key_type {
            TRANSACTION => (
                InternalTopic::Transactions,
                ResourceType::TransactionalId,
                ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            ),
            _ => {
                let code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
                (InternalTopic::Offsets, ResourceType::Group, code)
            }
        };
        Ok(answer(&self, cx.version, |key| {
            match cx.authorize(Operation::Describe, resource, key) {
                true => find(&cx, keeper, key),
                false => failed(key, code),
            }
        }))
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> FindCoordinatorResponse {
        answer(self, cx.version, |key| failed(key, code))
    }

    fn keys(&self) -> Keys {
        let keys = [&self.key].into_iter().chain(&self.coordinator_keys);
        match self.key_type {
            TRANSACTION => Keys::transactional_ids(keys),
            _ => Keys::groups(keys),
        }
    }
}

fn answer(
    request: &FindCoordinatorRequest,
    version: i16,
    find: impl Fn(&Str) -> Coordinator,
) -> FindCoordinatorResponse {
    if version >= 4 {
        let coordinators = request.coordinator_keys.iter().map(find).collect();
        return FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
    }
    let found = find(&request.key);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..FindCoordinatorResponse::default()
    }
}

fn find(cx: &Context, keeper: InternalTopic, key: &Str) -> Coordinator {
    if let Err(error) = cx.cluster.ensure_internal(keeper) {
        tracing::error!(topic = keeper.name(), %error, "an internal topic could not be made");
        return failed(key, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
    let node = cx.cluster.coordinator(keeper, key);
    let listener = cx.session.entrance.listener;
    match node.and_then(|id| cx.cluster.nodes.up_one(id, listener)) {
        None => failed(key, ErrorCode::COORDINATOR_NOT_AVAILABLE),
        Some(node) => Coordinator {
            key: key.clone(),
            node_id: node.id,
            host: node.host,
            port: node.port,
            ..Coordinator::default()
        },
    }
}

fn failed(key: &Str, code: ErrorCode) -> Coordinator {
    Coordinator {
        key: key.clone(),
        node_id: -1,
        port: -1,
        error_code: code.0,
        error_message: Some(Str::from_static(code.meaning())),
        ..Coordinator::default()
    }
}
