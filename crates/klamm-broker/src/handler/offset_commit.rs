//! OffsetCommit (8), versions 2-10: where members of a group go on after a restart.
//!
//! - 2-4: the client may say how long offsets are kept.
//! - 7: static members (KIP-345); 9: members of KIP-848 groups; 10: topics by id.

use super::left_out::LeftOut;
use super::{Answer, Context, Handle};
use crate::fault::{Keys, Target};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use klamm_protocol::message::{OffsetCommitRequest, OffsetCommitResponse};
use std::ops::RangeInclusive;

impl Handle for OffsetCommitRequest {
    const SERVED: RangeInclusive<i16> = 2..=10;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(mut self, cx: Context) -> Answer<OffsetCommitResponse> {
        let allowed = cx.check_group(Operation::Read, &self.group_id);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(&self.group_id)) {
            return Ok(self.refuse(&cx, code));
        }
        let left_out = leave_out_refused(&cx, &mut self.topics);
        let (now_ms, version) = (cx.now_ms(), cx.version);
        let topics = &cx.cluster.topics;
        let done = cx.coordinate(|c| c.commit_offsets(now_ms, version, &self, topics)).await;
        let mut response = done.unwrap_or_else(|code| self.refuse(&cx, code));
        put_in_refused(left_out, &mut response.topics);
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> OffsetCommitResponse {
        let partition = |asked: &OffsetCommitRequestPartition| OffsetCommitResponsePartition {
            partition_index: asked.partition_index,
            error_code: code.0,
        };
        let topic = |asked: &OffsetCommitRequestTopic| OffsetCommitResponseTopic {
            name: asked.name.clone(),
            topic_id: asked.topic_id,
            partitions: asked.partitions.iter().map(partition).collect(),
        };
        let topics = self.topics.iter().map(topic).collect();
        OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let partitions = |topic: &OffsetCommitRequestTopic| {
            let name = cx.topic_name(&topic.name, topic.topic_id);
            let asked = topic.partitions.iter().map(|asked| asked.partition_index);
            Target::partitions(&name, asked).collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(partitions).collect()
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}

/// Takes out the partitions of topics that the client may not read, and those that fault rules strike; by topic.
fn leave_out_refused(
    cx: &Context,
    topics: &mut [OffsetCommitRequestTopic],
) -> Vec<LeftOut<OffsetCommitRequestPartition>> {
    if !cx.may_refuse() {
        return Vec::new();
    }
    let left_out = topics.iter_mut().map(|topic| {
        let name = cx.topic_name(&topic.name, topic.topic_id);
        LeftOut::take_from(&mut topic.partitions, |asked| {
            cx.refusal(Operation::Read, &name, asked.partition_index)
        })
    });
    left_out.collect()
}

fn put_in_refused(
    left_out: Vec<LeftOut<OffsetCommitRequestPartition>>,
    answers: &mut [OffsetCommitResponseTopic],
) {
    for (left_out, answer) in left_out.into_iter().zip(answers) {
        let others = std::mem::take(&mut answer.partitions);
        answer.partitions =
            left_out.put_into(others, |asked, code| OffsetCommitResponsePartition {
                partition_index: asked.partition_index,
                error_code: code.0,
            });
    }
}
