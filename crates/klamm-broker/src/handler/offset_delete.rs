//! OffsetDelete (47), version 0: takes offsets away from topics that a group does not read now (KIP-496).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use klamm_protocol::message::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use klamm_protocol::message::{OffsetDeleteRequest, OffsetDeleteResponse};
use std::ops::RangeInclusive;

impl Handle for OffsetDeleteRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(mut self, cx: Context) -> Answer<OffsetDeleteResponse> {
        let allowed = cx.check_group(Operation::Delete, &self.group_id);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let asked = self.topics.clone();
        self.topics.retain(|topic| cx.check_topic(Operation::Read, &topic.name).is_ok());
        let now_ms = cx.now_ms();
        let done = cx.coordinate(|c| c.delete_offsets(now_ms, &self)).await;
        let mut response = done.unwrap_or_else(|code| self.refuse(&cx, code));
        if response.error_code == 0 {
            put_in_refused(&cx, &asked, &mut response);
        }
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> OffsetDeleteResponse {
        OffsetDeleteResponse { error_code: code.0, ..OffsetDeleteResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}

/// Answers for the topics that the client may not read, each in its place.
fn put_in_refused(
    cx: &Context,
    asked: &[OffsetDeleteRequestTopic],
    response: &mut OffsetDeleteResponse,
) {
    let mut others = std::mem::take(&mut response.topics).into_iter();
    let refused = |topic: &OffsetDeleteRequestTopic, code: ErrorCode| {
        let partition = |asked: &OffsetDeleteRequestPartition| OffsetDeleteResponsePartition {
            partition_index: asked.partition_index,
            error_code: code.0,
        };
        let partitions = topic.partitions.iter().map(partition).collect();
        OffsetDeleteResponseTopic { name: topic.name.clone(), partitions }
    };
    let topics =
        asked.iter().filter_map(|topic| match cx.check_topic(Operation::Read, &topic.name) {
            Err(code) => Some(refused(topic, code)),
            Ok(()) => others.next(),
        });
    response.topics = topics.collect();
}
