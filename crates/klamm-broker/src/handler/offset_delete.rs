//! OffsetDelete (47), version 0: takes offsets away from topics that a group does not read now (KIP-496).

use super::left_out::LeftOut;
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
        let left_out = LeftOut::take_from(&mut self.topics, |topic| {
            cx.check_topic(Operation::Read, &topic.name).err()
        });
        let now_ms = cx.now_ms();
        let done = cx.coordinate(|c| c.delete_offsets(now_ms, &self)).await;
        let mut response = done.unwrap_or_else(|code| self.refuse(&cx, code));
        if response.error_code == 0 {
            response.topics = left_out.put_into(response.topics, refused);
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

/// The answer for a topic that the client may not read.
fn refused(topic: OffsetDeleteRequestTopic, code: ErrorCode) -> OffsetDeleteResponseTopic {
    let partition = |asked: &OffsetDeleteRequestPartition| OffsetDeleteResponsePartition {
        partition_index: asked.partition_index,
        error_code: code.0,
    };
    let partitions = topic.partitions.iter().map(partition).collect();
    OffsetDeleteResponseTopic { name: topic.name, partitions }
}
