//! AddPartitionsToTxn (24), versions 0-5: partitions that a transaction will write to.
//!
//! - 2: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH.
//! - 4, 5: many transactions, and asking without adding; brokers use it among themselves (KIP-890).

use super::{Answer, Context, Handle};
use crate::fault::{Keys, Target};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use klamm_protocol::message::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use klamm_protocol::message::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use std::ops::RangeInclusive;

impl Handle for AddPartitionsToTxnRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<AddPartitionsToTxnResponse> {
        let id = &self.v3_and_below_transactional_id;
        let checked = match cx.version {
            ..4 => cx
                .check_transactional_id(Operation::Write, id)
                .and_then(|()| cx.check_transaction_coordinator(id)),
            _ => cx.check_cluster(Operation::ClusterAction),
        };
        if let Err(code) = checked {
            return Ok(self.refuse(&cx, code));
        }
        let (version, now_ms) = (cx.version, cx.now_ms());
        let known = |topic: &str, partition| {
            cx.check_topic(Operation::Write, topic)?;
            cx.fault(topic, Some(partition)).map_or(Ok(()), Err)?;
            let found = cx.cluster.topics.get(topic).and_then(|topic| topic.partition(partition));
            found.map(drop).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        };
        let transactions = &cx.cluster.transactions;
        let done = transactions
            .act(&cx.cluster, |c| c.handle_add_partitions_to_txn(&self, version, known, now_ms));
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> AddPartitionsToTxnResponse {
        if cx.version >= 4 {
            return AddPartitionsToTxnResponse { error_code: code.0, ..Default::default() };
        }
        let topics = self.v3_and_below_topics.iter().map(|topic| refused(topic, code));
        AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: topics.collect(),
            ..AddPartitionsToTxnResponse::default()
        }
    }

    fn targets(&self, _: &Context) -> Vec<Target> {
        let partitions = |topic: &AddPartitionsToTxnTopic| {
            Target::partitions(&topic.name, topic.partitions.clone()).collect::<Vec<_>>()
        };
        topics(self).flat_map(partitions).collect()
    }

    fn keys(&self) -> Keys {
        let batched = self.transactions.iter().map(|transaction| &transaction.transactional_id);
        Keys::transactional_ids([&self.v3_and_below_transactional_id].into_iter().chain(batched))
    }
}

/// The topics of all transactions that a request names.
fn topics(request: &AddPartitionsToTxnRequest) -> impl Iterator<Item = &AddPartitionsToTxnTopic> {
    let batched = request.transactions.iter().flat_map(|transaction| &transaction.topics);
    request.v3_and_below_topics.iter().chain(batched)
}

fn refused(topic: &AddPartitionsToTxnTopic, code: ErrorCode) -> AddPartitionsToTxnTopicResult {
    let partitions = topic.partitions.iter().map(|&partition_index| {
        AddPartitionsToTxnPartitionResult { partition_index, partition_error_code: code.0 }
    });
    AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: partitions.collect(),
    }
}
