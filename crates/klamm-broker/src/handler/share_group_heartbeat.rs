//! ShareGroupHeartbeat (76), version 1: members of a group that read the same partitions side by side (KIP-932).
//!
//! Names of topics need Describe. Racks are kept and shown; they decide nothing.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::group::Caller;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use std::ops::RangeInclusive;

impl Handle for ShareGroupHeartbeatRequest {
    const SERVED: RangeInclusive<i16> = 1..=1;

    async fn handle(self, cx: Context) -> Answer<ShareGroupHeartbeatResponse> {
        let allowed = cx.check_group(Operation::Read, &self.group_id);
        let mut names = self.subscribed_topic_names.iter().flatten();
        let allowed = allowed
            .and_then(|()| names.try_for_each(|name| cx.check_topic(Operation::Describe, name)));
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let (now_ms, topics) = (cx.now_ms(), &cx.cluster.topics);
        let times = cx.cluster.share_settings(&self.group_id).times;
        let host = cx.session.host();
        // Nothing here waits, so the waiter is never used.
        let caller = Caller { client_id: &cx.client_id, client_host: &host, waiter: 0 };
        let done = cx.coordinate(|c| c.share_group_heartbeat(now_ms, caller, times, &self, topics));
        Ok(done.await.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ShareGroupHeartbeatResponse {
        ShareGroupHeartbeatResponse { error_code: code.0, ..Default::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}
