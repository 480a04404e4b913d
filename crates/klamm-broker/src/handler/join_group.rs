//! JoinGroup (11), versions 0-9: takes part in a rebalance of a classic group.
//!
//! - 1: a rebalance timeout of its own.
//! - 4: a member is told its id before it joins (KIP-394).
//! - 5: static members (KIP-345); 9: a static leader that comes back may skip the assignment (KIP-814).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::group::Reply;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{JoinGroupRequest, JoinGroupResponse};
use std::ops::RangeInclusive;

impl Handle for JoinGroupRequest {
    const SERVED: RangeInclusive<i16> = 0..=9;
    const HOLDS: bool = true;

    async fn handle(self, cx: Context) -> Answer<JoinGroupResponse> {
        let allowed = cx.check_group(Operation::Read, &self.group_id);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let (now_ms, version) = (cx.now_ms(), cx.version);
        let late = |reply| match reply {
            Reply::Join(response) => Some(response),
            Reply::Sync(_) => None,
        };
        let work =
            cx.coordinate_waiting(|c, caller| c.join_group(now_ms, caller, version, &self), late);
        let joined = cx.while_coordinator(&self.group_id, work).await;
        Ok(joined.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> JoinGroupResponse {
        JoinGroupResponse {
            error_code: code.0,
            member_id: self.member_id.clone(),
            ..JoinGroupResponse::default()
        }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}
