//! ElectLeaders (43), versions 0-2: gives partitions back to their preferred leaders (KIP-460).
//!
//! Unclean elections have nothing to choose from: every replica has all records.

use super::{Answer, Context, Handle};
use crate::partition::Partition;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use klamm_protocol::message::{ElectLeadersRequest, ElectLeadersResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for ElectLeadersRequest {
    const SERVED: RangeInclusive<i16> = 0..=2;

    async fn handle(self, cx: Context) -> Answer<ElectLeadersResponse> {
        if let Err(code) = cx.check_cluster(Operation::Alter) {
            return Ok(self.refuse(&cx, code));
        }
        let results = named(&cx, &self).into_iter().map(|(topic, indexes)| {
            let found = cx.cluster.topics.get(&topic);
            let results = indexes.into_iter().map(|index| {
                let partition = found.as_ref().and_then(|topic| topic.partition(index));
                result(
                    index,
                    partition.map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |p| elect(&cx, &p)),
                )
            });
            ReplicaElectionResult { partition_result: results.collect(), topic }
        });
        Ok(ElectLeadersResponse {
            replica_election_results: results.collect(),
            ..Default::default()
        })
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> ElectLeadersResponse {
        let error_code = if cx.version >= 1 { code.0 } else { 0 };
        ElectLeadersResponse { error_code, ..Default::default() }
    }
}

/// The partitions that are named, or all there are.
fn named(cx: &Context, request: &ElectLeadersRequest) -> Vec<(Str, Vec<i32>)> {
    match &request.topic_partitions {
        Some(topics) => topics.iter().map(|t| (t.topic.clone(), t.partitions.clone())).collect(),
        None => {
            let all = cx.cluster.topics.all().into_iter();
            let indexes = |topic: &crate::topics::Topic| {
                topic.partitions().iter().map(|p| p.index()).collect()
            };
            all.map(|topic| (topic.name().clone(), indexes(&topic))).collect()
        }
    }
}

fn elect(cx: &Context, partition: &Partition) -> ErrorCode {
    let Some(&preferred) = partition.replicas().first() else {
        return ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE;
    };
    if partition.leader().0 == preferred {
        return ErrorCode::ELECTION_NOT_NEEDED;
    }
    if !cx.cluster.nodes.is_up(preferred) {
        return ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE;
    }
    partition.lead(preferred);
    ErrorCode::NONE
}

fn result(partition_id: i32, code: ErrorCode) -> PartitionResult {
    PartitionResult {
        partition_id,
        error_code: code.0,
        error_message: (!code.is_ok()).then(|| Str::from_static(code.meaning())),
    }
}
