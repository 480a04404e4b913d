//! ElectLeaders (43), versions 0-2: gives partitions back to their preferred leaders (KIP-460).
//!
//! Unclean elections have nothing to choose from: every replica has all records.

use super::{Answer, Context, Handle};
use crate::cluster::Move;
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
        let mut elected = Vec::new();
        let mut results: Vec<ReplicaElectionResult> = named(&cx, &self)
            .into_iter()
            .map(|(topic, indexes)| {
                let results = indexes.into_iter().map(|index| match elect(&cx, &topic, index) {
                    Ok(chosen) => {
                        elected.push(chosen);
                        result(index, ErrorCode::NONE)
                    }
                    Err(code) => result(index, code),
                });
                ReplicaElectionResult { partition_result: results.collect(), topic }
            })
            .collect();
        if let Err(code) = cx.cluster.lead(&elected) {
            fail(&mut results, code);
        }
        Ok(ElectLeadersResponse { replica_election_results: results, ..Default::default() })
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

/// The move that gives a partition back to its preferred leader.
fn elect(cx: &Context, topic: &Str, index: i32) -> Result<Move, ErrorCode> {
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let topic = cx.cluster.topics.get(topic).ok_or(unknown)?;
    let partition = topic.partition(index).ok_or(unknown)?;
    let preferred = partition.replicas().first().copied();
    let node = preferred.ok_or(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE)?;
    if partition.leader().0 == node {
        return Err(ErrorCode::ELECTION_NOT_NEEDED);
    }
    if !cx.cluster.nodes.is_up(node) {
        return Err(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    }
    Ok(Move { topic, partition, node })
}

/// Says of every election that it has failed.
fn fail(results: &mut [ReplicaElectionResult], code: ErrorCode) {
    let all = results.iter_mut().flat_map(|topic| &mut topic.partition_result);
    all.filter(|r| r.error_code == 0).for_each(|r| *r = result(r.partition_id, code));
}

fn result(partition_id: i32, code: ErrorCode) -> PartitionResult {
    PartitionResult {
        partition_id,
        error_code: code.0,
        error_message: (!code.is_ok()).then(|| Str::from_static(code.meaning())),
    }
}
