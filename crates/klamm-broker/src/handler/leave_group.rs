//! LeaveGroup (13), versions 0-5: members of a classic group go.
//!
//! - 3: several at a time, static ones by their instance id alone (KIP-345); 5: reasons, which are not kept (KIP-800).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{LeaveGroupRequest, LeaveGroupResponse};
use std::ops::RangeInclusive;

impl Handle for LeaveGroupRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;

    async fn handle(self, cx: Context) -> Answer<LeaveGroupResponse> {
        let allowed = cx.check_group(Operation::Read, &self.group_id);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let (now_ms, version) = (cx.now_ms(), cx.version);
        let done = cx.coordinate(|c| c.leave_group(now_ms, version, &self)).await;
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> LeaveGroupResponse {
        LeaveGroupResponse { error_code: code.0, ..LeaveGroupResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}
