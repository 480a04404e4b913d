//! ShareAcknowledge (79), versions 1-2: what a member says of the records it has (KIP-932).
//!
//! - 2: records kept longer (KIP-1222).

use super::share::{Acks, check_member, endpoints, leader_of};
use super::{Answer, Context, Handle};
use crate::fault::{Keys, Target};
use crate::nodes::Node;
use crate::share::{AckBatch, PartitionKey, SessionKey};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::share_acknowledge_request::AcknowledgePartition;
use klamm_protocol::message::share_acknowledge_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareAcknowledgeTopicResponse,
};
use klamm_protocol::message::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

impl Handle for ShareAcknowledgeRequest {
    const SERVED: RangeInclusive<i16> = 1..=2;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<ShareAcknowledgeResponse> {
        let (group, member) =
            (self.group_id.clone().unwrap_or_default(), self.member_id.clone().unwrap_or_default());
        let session =
            SessionKey { group: group.clone(), member: member.clone(), node: cx.node_id() };
        let opened = check_member(&cx, &group, &member).and_then(|()| {
            cx.cluster.shares.sessions.lock().acknowledge(&session, self.share_session_epoch)
        });
        let opened = match opened {
            Ok(opened) => opened,
            Err(code) => return Ok(self.refuse(&cx, code)),
        };
        let (acked, mut written) = acks(&self).apply(&cx, &group, &member, self.is_renew_ack);
        if opened.closed {
            match cx.cluster.release_shares(&session, &opened.partitions) {
                Ok(released) => written = written.max(released),
                Err(code) => return Ok(self.refuse(&cx, code)),
            }
        }
        if let Err(code) = cx.recorded(written).await {
            return Ok(self.refuse(&cx, code));
        }
        let settings = cx.cluster.share_settings(&group);
        // Before version 2 it is not told.
        let lock_ms = if cx.version >= 2 { settings.limits.lock_ms } else { 0 };
        Ok(response(&cx, acked, lock_ms))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ShareAcknowledgeResponse {
        ShareAcknowledgeResponse { error_code: code.0, ..ShareAcknowledgeResponse::default() }
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let target = |((id, partition), _): (PartitionKey, &AcknowledgePartition)| Target {
            topic: cx.topic_name(&Default::default(), id),
            partition: Some(partition),
        };
        partitions(self).map(target).collect()
    }

    fn keys(&self) -> Keys {
        Keys::groups(&self.group_id)
    }
}

fn partitions(
    request: &ShareAcknowledgeRequest,
) -> impl Iterator<Item = (PartitionKey, &AcknowledgePartition)> {
    request.topics.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|partition| ((topic.topic_id, partition.partition_index), partition))
    })
}

fn acks(request: &ShareAcknowledgeRequest) -> Acks<'_> {
    let acks = partitions(request).map(|(key, partition)| {
        let batches = partition.acknowledgement_batches.iter().map(|batch| AckBatch {
            first: batch.first_offset,
            last: batch.last_offset,
            types: &batch.acknowledge_types,
        });
        (key, batches.collect())
    });
    Acks(acks.collect())
}

fn response(
    cx: &Context,
    acked: BTreeMap<PartitionKey, ErrorCode>,
    lock_ms: i64,
) -> ShareAcknowledgeResponse {
    let mut responses: Vec<ShareAcknowledgeTopicResponse> = Vec::new();
    let mut leaders = Vec::new();
    for (key, code) in acked {
        let (leader_id, leader_epoch) = leader_of(cx, key, code).unwrap_or((-1, -1));
        leaders.push(leader_id);
        let data = PartitionData {
            partition_index: key.1,
            error_code: code.0,
            current_leader: LeaderIdAndEpoch { leader_id, leader_epoch },
            ..PartitionData::default()
        };
        match responses.last_mut() {
            Some(topic) if topic.topic_id == key.0 => topic.partitions.push(data),
            _ => responses
                .push(ShareAcknowledgeTopicResponse { topic_id: key.0, partitions: vec![data] }),
        }
    }
    let endpoint = |node: Node| NodeEndpoint {
        node_id: node.id,
        host: node.host,
        port: node.port,
        rack: node.rack,
    };
    ShareAcknowledgeResponse {
        acquisition_lock_timeout_ms: i32::try_from(lock_ms).unwrap_or(i32::MAX),
        responses,
        node_endpoints: endpoints(cx, &leaders).into_iter().map(endpoint).collect(),
        ..ShareAcknowledgeResponse::default()
    }
}
