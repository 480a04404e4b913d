//! SyncGroup (14), versions 0-5: gives and takes the assignment of a classic group.
//!
//! - 3: static members (KIP-345); 5: names the protocol it believes in (KIP-559).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::group::Reply;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{SyncGroupRequest, SyncGroupResponse};
use std::ops::RangeInclusive;

impl Handle for SyncGroupRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;
    const HOLDS: bool = true;

    async fn handle(self, cx: Context) -> Answer<SyncGroupResponse> {
        let allowed = cx.check_group(Operation::Read, &self.group_id);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let (now_ms, version) = (cx.now_ms(), cx.version);
        let late = |reply| match reply {
            Reply::Sync(response) => Some(response),
            Reply::Join(_) => None,
        };
        let work =
            cx.coordinate_waiting(|c, caller| c.sync_group(now_ms, caller, version, &self), late);
        let synced = cx.while_coordinator(&self.group_id, work).await;
        Ok(synced.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> SyncGroupResponse {
        SyncGroupResponse { error_code: code.0, ..SyncGroupResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}
