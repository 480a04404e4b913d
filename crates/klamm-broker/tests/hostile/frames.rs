//! Frames that are nearly right: real requests of every API and version, with something wrong in each.

use crate::steady::{frame, produce};
use klamm_protocol::message::create_topics_request::CreatableTopic;
use klamm_protocol::message::fetch_request::{FetchPartition, FetchTopic};
use klamm_protocol::message::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;

const T: Str = Str::from_static("t");
/// What may come to harm: nobody uses it.
const VICTIM: Str = Str::from_static("victim");

/// The same request in every version that can express it.
fn all_versions<R: Request>(frames: &mut Vec<Vec<u8>>, request: &R) {
    for version in R::API_KEY.versions() {
        let encoded = klamm_protocol::header::encode_request(request, version, 1, "hostile");
        frames.extend(encoded.map(|frame| frame.parts().concat()));
    }
}

macro_rules! plain {
    ($frames:ident, $($request:ident)*) => { $( all_versions(&mut $frames, &$request::default()); )* };
}

/// Requests without a fault.
pub(crate) fn sound() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    plain! { frames,
        ListOffsetsRequest OffsetFetchRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest
        DescribeGroupsRequest ListGroupsRequest ApiVersionsRequest DescribeAclsRequest CreateAclsRequest
        DeleteAclsRequest DescribeConfigsRequest AlterConfigsRequest DeleteRecordsRequest OffsetForLeaderEpochRequest
        AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest WriteTxnMarkersRequest
        TxnOffsetCommitRequest DescribeLogDirsRequest SaslAuthenticateRequest SaslHandshakeRequest
        CreatePartitionsRequest ElectLeadersRequest IncrementalAlterConfigsRequest
        ListPartitionReassignmentsRequest DeleteGroupsRequest OffsetDeleteRequest
        DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest DescribeClusterRequest
        DescribeProducersRequest DescribeTransactionsRequest ListTransactionsRequest ListConfigResourcesRequest
        ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest DescribeTopicPartitionsRequest
        ShareGroupHeartbeatRequest ShareFetchRequest ShareAcknowledgeRequest
        GetTelemetrySubscriptionsRequest PushTelemetryRequest UpdateFeaturesRequest
    }
    with_content(&mut frames);
    frames
}

fn with_content(frames: &mut Vec<Vec<u8>>) {
    all_versions(frames, &produce());
    let partition = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: T, partitions: vec![partition], ..Default::default() };
    all_versions(
        frames,
        &FetchRequest { topics: vec![topic], max_wait_ms: 10, ..Default::default() },
    );
    let topic = MetadataRequestTopic { name: Some(T), ..Default::default() };
    all_versions(frames, &MetadataRequest { topics: Some(vec![topic]), ..Default::default() });
    let topic = CreatableTopic { name: VICTIM, num_partitions: 1, ..Default::default() };
    all_versions(frames, &CreateTopicsRequest { topics: vec![topic], ..Default::default() });
    let names = DeleteTopicsRequest { topic_names: vec![VICTIM], ..Default::default() };
    all_versions(frames, &names);
    let protocol = JoinGroupRequestProtocol { name: VICTIM, metadata: vec![7; 40].into() };
    let join = JoinGroupRequest {
        group_id: VICTIM,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: VICTIM,
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    };
    all_versions(frames, &join);
    let partition = OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: T, partitions: vec![partition], ..Default::default() };
    let commit = OffsetCommitRequest {
        group_id: VICTIM,
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    all_versions(frames, &commit);
    let init = InitProducerIdRequest {
        transactional_id: Some(VICTIM),
        transaction_timeout_ms: 1000,
        ..InitProducerIdRequest::default()
    };
    all_versions(frames, &init);
    let find = FindCoordinatorRequest { key: VICTIM, ..FindCoordinatorRequest::default() };
    all_versions(frames, &find);
    frames.push(frame(&ApiVersionsRequest::default(), 0));
}

/// What lengths and counts lie about.
const LIES: [&[u8]; 8] = [
    &[0xff; 4],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0x05, 0xf5, 0xe1, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x7f, 0xff],
    &[0xff, 0x7f],
];

/// Makes something wrong with a frame; what it says of its own size is wrong only sometimes.
pub(crate) fn spoiled(frame: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut body = frame[4..].to_vec();
    for _ in 0..random.usize(1..=3) {
        spoil(&mut body, random);
    }
    let len = u32::try_from(body.len()).unwrap();
    let said = match random.u8(..20) {
        0 => len.saturating_sub(random.u32(1..20)),
        1 => len + random.u32(1..2000),
        2 => u32::MAX - random.u32(..3),
        3 => random.u32(..),
        _ => len,
    };
    [&said.to_be_bytes()[..], &body].concat()
}

fn spoil(body: &mut Vec<u8>, random: &mut fastrand::Rng) {
    if body.is_empty() {
        return;
    }
    let at = random.usize(..body.len());
    match random.u8(..7) {
        0 => body[at] ^= 1 << random.u8(..8),
        1 => body[at] = random.u8(..),
        2 => body.truncate(at),
        3 => body.extend(std::iter::repeat_with(|| random.u8(..)).take(at.min(300))),
        4 => drop(body.drain(at..(at + random.usize(..9)).min(body.len()))),
        5 => {
            let again = body[at..(at + random.usize(..40)).min(body.len())].to_vec();
            body.splice(at..at, again);
        }
        _ => {
            let lie = LIES[random.usize(..LIES.len())];
            let end = (at + lie.len()).min(body.len());
            body.splice(at..end, lie.iter().copied());
        }
    }
}
