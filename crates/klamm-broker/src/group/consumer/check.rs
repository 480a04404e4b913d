//! Pure: what a heartbeat of a KIP-848 member has to look like, before anybody asks who sent it.

use crate::pattern;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use klamm_protocol::primitives::Str;

/// The epoch of a member that leaves.
pub(super) const LEAVE: i32 = -1;

/// The epoch of a static member that goes and will be back.
pub(super) const LEAVE_FOR_A_WHILE: i32 = -2;

/// Why a heartbeat is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: ErrorCode,
    why: String,
}

impl Fault {
    pub(super) fn new(code: ErrorCode, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }

    fn invalid(why: &str) -> Self {
        Self::new(ErrorCode::INVALID_REQUEST, why)
    }

    pub(super) fn response(self) -> ConsumerGroupHeartbeatResponse {
        ConsumerGroupHeartbeatResponse {
            error_code: self.code.0,
            error_message: Some(Str::from(self.why)),
            ..ConsumerGroupHeartbeatResponse::default()
        }
    }
}

/// Whether a request makes sense by itself.
///
/// # Errors
/// INVALID_REQUEST, UNSUPPORTED_ASSIGNOR or INVALID_REGULAR_EXPRESSION, and what is wrong.
pub(super) fn check(version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Fault> {
    let is_blank = |string: &Option<Str>| string.as_ref().is_some_and(|s| s.is_empty());
    if request.group_id.is_empty() {
        return Err(Fault::invalid("the group id must not be empty"));
    }
    if is_blank(&request.instance_id) || is_blank(&request.rack_id) {
        return Err(Fault::invalid("the instance id and the rack must be null or not empty"));
    }
    if request.member_id.is_empty() && (version >= 1 || request.member_epoch != 0) {
        return Err(Fault::invalid("the member id must not be empty"));
    }
    match request.member_epoch {
        0 => check_first(version, request)?,
        LEAVE_FOR_A_WHILE if request.instance_id.is_none() => {
            return Err(Fault::invalid("the epoch -2 is for members with an instance id"));
        }
        LEAVE_FOR_A_WHILE.. => {}
        _ => return Err(Fault::invalid("the member epoch is not valid")),
    }
    check_names(request)
}

/// A member that joins says everything about itself, and has nothing.
fn check_first(version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Fault> {
    if request.rebalance_timeout_ms == -1 {
        return Err(Fault::invalid("a member that joins says its rebalance timeout"));
    }
    if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return Err(Fault::invalid("a member that joins says that it has no partitions"));
    }
    let names = request.subscribed_topic_names.as_ref();
    let regex = request.subscribed_topic_regex.as_ref();
    let subscribes = match version {
        0 => names.is_some_and(|names| !names.is_empty()),
        _ => names.is_some() || regex.is_some_and(|regex| !regex.is_empty()),
    };
    if subscribes { Ok(()) } else { Err(Fault::invalid("a member that joins says what it reads")) }
}

fn check_names(request: &ConsumerGroupHeartbeatRequest) -> Result<(), Fault> {
    match &request.subscribed_topic_regex {
        Some(regex) => pattern::check(regex)
            .map_err(|why| Fault::new(ErrorCode::INVALID_REGULAR_EXPRESSION, why)),
        None => Ok(()),
    }
}
