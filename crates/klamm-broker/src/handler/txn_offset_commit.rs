//! TxnOffsetCommit (28), versions 0-5: offsets that are in force when the transaction commits.
//!
//! - 3: the member that commits, so that one that lost its partitions cannot (KIP-447).
//! - 5: the group joins the transaction by this (KIP-890).

use super::{Answer, Context, Handle};
use crate::security::{Operation, ResourceType};
use crate::transaction::Producer;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use klamm_protocol::message::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use klamm_protocol::message::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use std::ops::RangeInclusive;

/// The first version of the second transaction protocol.
const TV2_SINCE: i16 = 5;

impl Handle for TxnOffsetCommitRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;

    async fn handle(self, cx: Context) -> Answer<TxnOffsetCommitResponse> {
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
        let done = cx.coordinate(|c| c.add_pending_offsets(now_ms, &self, &cluster.topics)).await;
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> TxnOffsetCommitResponse {
        let topics = self.topics.iter().map(|topic| refused(topic, code));
        TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }
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
