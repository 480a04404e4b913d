//! ConsumerGroupHeartbeat (68), versions 0-1: members of a group in which the coordinator assigns (KIP-848).
//!
//! - 0: the coordinator gives the member its id.
//! - 1: the member has chosen its id; topics by a regular expression.
//!
//! A regular expression is about bytes, in the syntax of RE2 without classes of Unicode. Racks are kept and shown; they
//! decide nothing. Names of topics need Describe; what an expression finds is not filtered. A group changes from or to the classic protocol while it has no members only.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::group::Caller;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use std::ops::RangeInclusive;

impl Handle for ConsumerGroupHeartbeatRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<ConsumerGroupHeartbeatResponse> {
        let allowed = cx.check_group(Operation::Read, &self.group_id);
        let mut names = self.subscribed_topic_names.iter().flatten();
        let allowed = allowed
            .and_then(|()| names.try_for_each(|name| cx.check_topic(Operation::Describe, name)));
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let (now_ms, version, topics) = (cx.now_ms(), cx.version, &cx.cluster.topics);
        let times = cx.cluster.consumer_times(&self.group_id);
        let host = cx.session.host();
        // Nothing here waits, so the waiter is never used.
        let caller = Caller { client_id: &cx.client_id, client_host: &host, waiter: 0 };
        let done = cx.coordinate(|c| {
            c.consumer_group_heartbeat(now_ms, caller, times, version, &self, topics)
        });
        Ok(done.await.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ConsumerGroupHeartbeatResponse {
        ConsumerGroupHeartbeatResponse {
            error_code: code.0,
            ..ConsumerGroupHeartbeatResponse::default()
        }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}
