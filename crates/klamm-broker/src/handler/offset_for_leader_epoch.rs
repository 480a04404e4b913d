//! OffsetForLeaderEpoch (23), versions 2-4: where a leader epoch ended, so that a reader notices truncation (KIP-320).

use super::{Answer, Context, Handle};
use crate::fault::Target;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use klamm_protocol::message::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use klamm_protocol::message::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use std::ops::RangeInclusive;

impl Handle for OffsetForLeaderEpochRequest {
    const SERVED: RangeInclusive<i16> = 2..=4;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<OffsetForLeaderEpochResponse> {
        Ok(answer(&self, |topic, asked| {
            cx.check_topic(Operation::Describe, &topic.topic)?;
            let found = cx.cluster.topics.get(&topic.topic);
            let partition = found.and_then(|topic| topic.partition(asked.partition));
            let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            cx.fault(&topic.topic, Some(asked.partition)).map_or(Ok(()), Err)?;
            partition.epoch_end(cx.node_id(), asked.current_leader_epoch, asked.leader_epoch)
        }))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> OffsetForLeaderEpochResponse {
        answer(self, |_, _| Err(code))
    }

    fn targets(&self, _: &Context) -> Vec<Target> {
        let partitions = |topic: &OffsetForLeaderTopic| {
            let asked = topic.partitions.iter().map(|asked| asked.partition);
            Target::partitions(&topic.topic, asked).collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(partitions).collect()
    }
}

fn answer(
    request: &OffsetForLeaderEpochRequest,
    find: impl Fn(&OffsetForLeaderTopic, &OffsetForLeaderPartition) -> Result<(i32, i64), ErrorCode>,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let found = find(topic, asked);
            let (leader_epoch, end_offset) = found.unwrap_or((-1, -1));
            EpochEndOffset {
                error_code: found.map_or_else(|code| code.0, |_| 0),
                partition: asked.partition,
                leader_epoch,
                end_offset,
            }
        });
        OffsetForLeaderTopicResult { topic: topic.topic.clone(), partitions: partitions.collect() }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
}
