//! AlterPartitionReassignments (45), versions 0-1 (KIP-455).
//!
//! - 1: whether the number of replicas may change (KIP-860).
//!
//! Partitions stay where they are: what asks for the replicas there are has its wish, anything else is refused.

use super::{Answer, Context, Handle};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use klamm_protocol::message::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use klamm_protocol::message::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for AlterPartitionReassignmentsRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<AlterPartitionReassignmentsResponse> {
        if let Err(code) = cx.check_cluster(Operation::Alter) {
            return Ok(self.refuse(&cx, code));
        }
        let topic = |topic: &ReassignableTopic| {
            let partitions = topic.partitions.iter();
            let partitions = partitions.map(|asked| answered(asked, verdict(&cx, topic, asked)));
            ReassignableTopicResponse { name: topic.name.clone(), partitions: partitions.collect() }
        };
        Ok(AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: self.allow_replication_factor_change,
            error_message: None,
            responses: self.topics.iter().map(topic).collect(),
            ..AlterPartitionReassignmentsResponse::default()
        })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> AlterPartitionReassignmentsResponse {
        AlterPartitionReassignmentsResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            ..AlterPartitionReassignmentsResponse::default()
        }
    }
}

fn verdict(
    cx: &Context,
    topic: &ReassignableTopic,
    asked: &ReassignablePartition,
) -> Result<(), (ErrorCode, String)> {
    let known = cx.cluster.topics.get(&topic.name);
    let partition = known.and_then(|topic| topic.partition(asked.partition_index));
    let Some(partition) = partition else {
        let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        return Err((code, code.meaning().to_owned()));
    };
    let (code, why) = match &asked.replicas {
        Some(wanted) if wanted == partition.replicas() => return Ok(()),
        Some(_) => {
            let there = partition.replicas();
            let why =
                format!("partitions are not moved by this broker; this one stays on {there:?}");
            (ErrorCode::INVALID_REPLICA_ASSIGNMENT, why)
        }
        // None asks for the end of a move under way.
        None => {
            let code = ErrorCode::NO_REASSIGNMENT_IN_PROGRESS;
            (code, code.meaning().to_owned())
        }
    };
    Err((code, why))
}

fn answered(
    asked: &ReassignablePartition,
    verdict: Result<(), (ErrorCode, String)>,
) -> ReassignablePartitionResponse {
    let (code, message) = verdict.err().unzip();
    ReassignablePartitionResponse {
        partition_index: asked.partition_index,
        error_code: code.unwrap_or(ErrorCode::NONE).0,
        error_message: message.map(Str::from),
    }
}
