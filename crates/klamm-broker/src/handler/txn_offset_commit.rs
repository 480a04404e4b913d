//! TxnOffsetCommit (28), versions 0-5: offsets that are in force when the transaction commits.
//!
//! - 3: the member that commits, so that one that lost its partitions cannot (KIP-447).
//! - 5: the group joins the transaction by this (KIP-890).

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
        let asked = leave_out_refused(&cx, &mut self.topics);
        let done = cx.coordinate(|c| c.add_pending_offsets(now_ms, &self, &cluster.topics)).await;
        let mut response = done.unwrap_or_else(|code| self.refuse(&cx, code));
        if let Some(asked) = asked {
            put_in_refused(&cx, &asked, &mut response.topics);
        }
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

/// Why nothing is committed for a partition: the client may not read the topic, or a fault rule wants it so.
fn refusal(
    cx: &Context,
    topic: &TxnOffsetCommitRequestTopic,
    asked: &TxnOffsetCommitRequestPartition,
) -> Option<ErrorCode> {
    let name = cx.topic_name(&topic.name, topic.topic_id);
    cx.refusal(Operation::Read, &name, asked.partition_index)
}

/// Takes out the partitions that are refused; gives what was asked for, if there may be any.
fn leave_out_refused(
    cx: &Context,
    topics: &mut [TxnOffsetCommitRequestTopic],
) -> Option<Vec<TxnOffsetCommitRequestTopic>> {
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
    asked: &[TxnOffsetCommitRequestTopic],
    answers: &mut [TxnOffsetCommitResponseTopic],
) {
    for (asked, answer) in asked.iter().zip(answers) {
        let mut others = std::mem::take(&mut answer.partitions).into_iter();
        let partitions = asked.partitions.iter().filter_map(|it| match refusal(cx, asked, it) {
            Some(code) => Some(TxnOffsetCommitResponsePartition {
                partition_index: it.partition_index,
                error_code: code.0,
            }),
            None => others.next(),
        });
        answer.partitions = partitions.collect();
    }
}
