//! Heartbeat (12), versions 0-4: a member of a classic group is alive.
//!
//! - 3: static members (KIP-345).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{HeartbeatRequest, HeartbeatResponse};
use std::ops::RangeInclusive;

impl Handle for HeartbeatRequest {
    const SERVED: RangeInclusive<i16> = 0..=4;

    async fn handle(self, cx: Context) -> Answer<HeartbeatResponse> {
        let allowed = cx.check_group(Operation::Read, &self.group_id);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let now_ms = cx.now_ms();
        let done = cx.coordinate(|c| c.heartbeat(now_ms, &self)).await;
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> HeartbeatResponse {
        HeartbeatResponse { error_code: code.0, ..HeartbeatResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}
