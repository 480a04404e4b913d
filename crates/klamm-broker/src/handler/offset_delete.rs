//! OffsetDelete (47), version 0: takes offsets away from topics that a group does not read now (KIP-496).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{OffsetDeleteRequest, OffsetDeleteResponse};
use std::ops::RangeInclusive;

impl Handle for OffsetDeleteRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, cx: Context) -> Answer<OffsetDeleteResponse> {
        let allowed = cx.check_group(Operation::Delete, &self.group_id);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let now_ms = cx.now_ms();
        let done = cx.coordinate(|c| c.delete_offsets(now_ms, &self)).await;
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> OffsetDeleteResponse {
        OffsetDeleteResponse { error_code: code.0, ..OffsetDeleteResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}
