//! OffsetCommit (8), versions 2-10: where members of a group go on after a restart.
//!
//! - 2-4: the client may say how long offsets are kept.
//! - 7: static members (KIP-345); 9: members of KIP-848 groups; 10: topics by id.

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
        let asked = leave_out_refused(&cx, &mut self.topics);
        let (now_ms, version) = (cx.now_ms(), cx.version);
        let topics = &cx.cluster.topics;
        let done = cx.coordinate(|c| c.commit_offsets(now_ms, version, &self, topics)).await;
        let mut response = done.unwrap_or_else(|code| self.refuse(&cx, code));
        if let Some(asked) = asked {
            put_in_refused(&cx, &asked, &mut response.topics);
        }
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

/// Why nothing is committed for a partition: the client may not read the topic, or a fault rule wants it so.
fn refusal(
    cx: &Context,
    topic: &OffsetCommitRequestTopic,
    asked: &OffsetCommitRequestPartition,
) -> Option<ErrorCode> {
    let name = cx.topic_name(&topic.name, topic.topic_id);
    cx.refusal(Operation::Read, &name, asked.partition_index)
}

/// Takes out the partitions that are refused; gives what was asked for, if there may be any.
fn leave_out_refused(
    cx: &Context,
    topics: &mut [OffsetCommitRequestTopic],
) -> Option<Vec<OffsetCommitRequestTopic>> {
    if !cx.may_refuse() {
        return None;
    }
    let asked = topics.to_vec();
    for (topic, whole) in topics.iter_mut().zip(&asked) {
        topic.partitions.retain(|partition| refusal(cx, whole, partition).is_none());
    }
    Some(asked)
}

/// Answers for the partitions that were left out, each in its place.
fn put_in_refused(
    cx: &Context,
    asked: &[OffsetCommitRequestTopic],
    answers: &mut [OffsetCommitResponseTopic],
) {
    for (asked, answer) in asked.iter().zip(answers) {
        let mut others = std::mem::take(&mut answer.partitions).into_iter();
        let partitions = asked.partitions.iter().filter_map(|it| match refusal(cx, asked, it) {
            Some(code) => Some(OffsetCommitResponsePartition {
                partition_index: it.partition_index,
                error_code: code.0,
            }),
            None => others.next(),
        });
        answer.partitions = partitions.collect();
    }
}
