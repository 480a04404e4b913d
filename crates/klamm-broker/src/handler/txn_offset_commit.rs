//! TxnOffsetCommit (28), versions 0-5: offsets that are in force when the transaction commits.
//!
//! - 3: the member that commits, so that one that lost its partitions cannot (KIP-447).
//! - 5: the group joins the transaction by this (KIP-890).

use super::left_out::LeftOut;
use super::{Answer, Context, Handle};
use crate::fault::{Keys, Target};
use crate::security::{Operation, ResourceType};
use crate::transaction::Producer;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_protocol::message::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use klamm_protocol::message::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use std::ops::RangeInclusive;

/// The first version of the second transaction protocol.
const TV2_SINCE: i16 = 5;

impl Handle for TxnOffsetCommitRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(mut self, cx: Context) -> Answer<TxnOffsetCommitResponse> {
        if let Err(code) = check(&cx, &self) {
            return Ok(self.refuse(&cx, code));
        }
        let now_ms = cx.now_ms();
        let tv2 = cx.version >= TV2_SINCE;
        let from = Producer { id: self.producer_id, epoch: self.producer_epoch };
        let (id, group) = (&self.transactional_id, &self.group_id);
        let cluster = &cx.cluster;
        let added = cluster.transactions.act(cluster, |transactions| {
            transactions.verify_or_add_group(id, from, group, tv2, now_ms)
        });
        if let Err(code) = added.and_then(|verified| verified) {
            return Ok(self.refuse(&cx, code));
        }
        let left_out = leave_out_refused(&cx, &mut self.topics);
        let done = cx.coordinate(|c| c.add_pending_offsets(now_ms, &self, &cluster.topics)).await;
        let mut response = done.unwrap_or_else(|code| self.refuse(&cx, code));
        put_in_refused(left_out, &mut response.topics);
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> TxnOffsetCommitResponse {
        let topics = self.topics.iter().map(|topic| refused(topic, code));
        TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let partitions = |topic: &TxnOffsetCommitRequestTopic| {
            let name = cx.topic_name(&topic.name, topic.topic_id);
            let asked = topic.partitions.iter().map(|asked| asked.partition_index);
            Target::partitions(&name, asked).collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(partitions).collect()
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id]).and_transactional_ids([&self.transactional_id])
    }
}

fn check(cx: &Context, request: &TxnOffsetCommitRequest) -> Result<(), ErrorCode> {
    cx.check_transactional_id(Operation::Write, &request.transactional_id)?;
    if !cx.authorize(Operation::Read, ResourceType::Group, &request.group_id) {
        return Err(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    cx.check_coordinator(&request.group_id)
}

fn refused(topic: &TxnOffsetCommitRequestTopic, code: ErrorCode) -> TxnOffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|asked| TxnOffsetCommitResponsePartition {
        partition_index: asked.partition_index,
        error_code: code.0,
    });
    TxnOffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
    }
}

/// Takes out the partitions of topics that the client may not read, and those that fault rules strike; by topic.
fn leave_out_refused(
    cx: &Context,
    topics: &mut [TxnOffsetCommitRequestTopic],
) -> Vec<LeftOut<TxnOffsetCommitRequestPartition>> {
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
    left_out: Vec<LeftOut<TxnOffsetCommitRequestPartition>>,
    answers: &mut [TxnOffsetCommitResponseTopic],
) {
    for (left_out, answer) in left_out.into_iter().zip(answers) {
        let others = std::mem::take(&mut answer.partitions);
        answer.partitions =
            left_out.put_into(others, |asked, code| TxnOffsetCommitResponsePartition {
                partition_index: asked.partition_index,
                error_code: code.0,
            });
    }
}
