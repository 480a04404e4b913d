//! AlterShareGroupOffsets (91), version 0: where a share group without members reads from (KIP-932).
//!
//! A group that does not exist is made. A negative offset has the group's settings decide again.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use crate::shares::ShareKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::alter_share_group_offsets_request::AlterShareGroupOffsetsRequestTopic as Asked;
use klamm_protocol::message::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition as Entry,
    AlterShareGroupOffsetsResponseTopic as Entries,
};
use klamm_protocol::message::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
use klamm_protocol::primitives::{Str, Uuid};
use std::ops::RangeInclusive;

impl Handle for AlterShareGroupOffsetsRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, cx: Context) -> Answer<AlterShareGroupOffsetsResponse> {
        let (group, now_ms) = (&self.group_id, cx.now_ms());
        let allowed = cx.check_group(Operation::Read, group);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(group)) {
            return Ok(self.refuse(&cx, code));
        }
        let made = cx.coordinate(|c| c.ensure_empty_share_group(now_ms, group)).await;
        if let Err(code) = made.and_then(|made| made) {
            return Ok(self.refuse(&cx, code));
        }
        let mut written = -1;
        let topics = self.topics.iter();
        let responses = topics.map(|topic| alter(&cx, group, topic, &mut written)).collect();
        match cx.recorded(written).await {
            Ok(()) => Ok(AlterShareGroupOffsetsResponse { responses, ..Default::default() }),
            Err(code) => Ok(self.refuse(&cx, code)),
        }
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> AlterShareGroupOffsetsResponse {
        AlterShareGroupOffsetsResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            ..AlterShareGroupOffsetsResponse::default()
        }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}

fn alter(cx: &Context, group: &Str, asked: &Asked, written: &mut i64) -> Entries {
    let name = &asked.topic_name;
    let topic = cx
        .check_topic(Operation::Read, name)
        .and_then(|()| cx.cluster.topics.get(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let mut set = |index: i32, start: i64| -> Result<(), ErrorCode> {
        let topic = topic.as_ref().map_err(|&code| code)?;
        topic.partition(index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let key = ShareKey::new(group, (topic.id(), index));
        *written = match start {
            0.. => cx.cluster.start_share(&key, start)?.1,
            _ => cx.cluster.forget_share(&key)?,
        };
        Ok(())
    };
    let partitions = asked.partitions.iter().map(|partition| {
        let code = set(partition.partition_index, partition.start_offset).err().unwrap_or_default();
        Entry {
            partition_index: partition.partition_index,
            error_code: code.0,
            error_message: (!code.is_ok()).then(|| Str::from_static(code.meaning())),
        }
    });
    Entries {
        topic_name: name.clone(),
        topic_id: topic.as_ref().map_or(Uuid::ZERO, |topic| topic.id()),
        partitions: partitions.collect(),
    }
}
