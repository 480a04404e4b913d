//! ShareFetch (78), versions 1-2: records for a member of a share group, and what it says of those it has (KIP-932).
//!
//! - 2: no record more than asked for, if the client wants that (KIP-1206); records kept longer (KIP-1222).
//!
//! One record is enough to answer, whatever the minimum of bytes. Batches are never cut for `batch_size`: any record can
//! be acknowledged by itself at no cost. An answer holds at most [`MAX_ANSWER_BYTES`].

use super::share::{Acks, Found, Plan, check_member, endpoints, fetch, leader_of};
use super::{Answer, Context, Handle};
use crate::fault::{Keys, Target};
use crate::nodes::Node;
use crate::share::{AckBatch, Opened, PartitionKey, SessionKey};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::share_fetch_request::FetchPartition;
use klamm_protocol::message::share_fetch_response::{
    AcquiredRecords, LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareFetchableTopicResponse,
};
use klamm_protocol::message::{ShareFetchRequest, ShareFetchResponse};
use klamm_protocol::primitives::Records;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The most that one answer holds, in bytes, unless its first batch alone is larger.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// The mode in which never more records go out than asked for.
const RECORD_LIMIT: i8 = 1;

impl Handle for ShareFetchRequest {
    const SERVED: RangeInclusive<i16> = 1..=2;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<ShareFetchResponse> {
        let (group, member) =
            (self.group_id.clone().unwrap_or_default(), self.member_id.clone().unwrap_or_default());
        let session =
            SessionKey { group: group.clone(), member: member.clone(), node: cx.node_id() };
        let checked = check_member(&cx, &group, &member).and_then(|()| check(&self));
        let opened = match checked.and_then(|()| open(&self, &cx, &session)) {
            Ok(opened) => opened,
            Err(code) => return Ok(self.refuse(&cx, code)),
        };
        let settings = cx.cluster.share_settings(&group);
        let (acked, mut written) = acks(&self).apply(&cx, &group, &member, self.is_renew_ack);
        if opened.closed {
            match cx.cluster.release_shares(&session, &opened.partitions) {
                Ok(released) => written = written.max(released),
                Err(code) => return Ok(self.refuse(&cx, code)),
            }
        }
        let bytes = |n: i32| usize::try_from(n).unwrap_or_default();
        let max_bytes = bytes(self.max_bytes).min(bytes(cx.cluster.config().fetch_max_bytes));
        let plan = Plan {
            group: &group,
            member: &member,
            settings,
            max_records: i64::from(self.max_records),
            strict: self.share_acquire_mode == RECORD_LIMIT,
            max_bytes: max_bytes.min(MAX_ANSWER_BYTES),
            wait: Duration::from_millis(u64::try_from(self.max_wait_ms).unwrap_or_default()),
            turn: usize::try_from(self.share_session_epoch).unwrap_or_default(),
        };
        let fetched = match opened.closed || self.is_renew_ack {
            true => Vec::new(),
            false => fetch(&cx, &plan, &opened.partitions).await,
        };
        if let Err(code) = cx.recorded(written).await {
            return Ok(self.refuse(&cx, code));
        }
        let mut parts = Parts { cx: &cx, session: &session, acked, list: BTreeMap::new() };
        fetched.into_iter().for_each(|(key, found)| parts.add(key, found));
        let responses = parts.finish();
        Ok(response(&cx, i32::try_from(settings.limits.lock_ms).unwrap_or(i32::MAX), responses))
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> ShareFetchResponse {
        let group = self.group_id.clone().unwrap_or_default();
        let lock_ms = cx.cluster.share_settings(&group).limits.lock_ms;
        ShareFetchResponse {
            error_code: code.0,
            acquisition_lock_timeout_ms: i32::try_from(lock_ms).unwrap_or(i32::MAX),
            ..ShareFetchResponse::default()
        }
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let target = |((id, partition), _): (PartitionKey, &FetchPartition)| Target {
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
    request: &ShareFetchRequest,
) -> impl Iterator<Item = (PartitionKey, &FetchPartition)> {
    request.topics.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|partition| ((topic.topic_id, partition.partition_index), partition))
    })
}

/// Whether the request makes sense by itself.
fn check(request: &ShareFetchRequest) -> Result<(), ErrorCode> {
    let acknowledges = |(_, partition): (PartitionKey, &FetchPartition)| {
        !partition.acknowledgement_batches.is_empty()
    };
    let ShareFetchRequest { max_bytes, min_bytes, max_records, max_wait_ms, .. } = request;
    let fetches = [max_bytes, min_bytes, max_records, max_wait_ms] != [&0; 4];
    if request.share_session_epoch == 0 && partitions(request).any(acknowledges) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    // While it fetched, the time that it is to win would run.
    if request.is_renew_ack && (fetches || !partitions(request).all(acknowledges)) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    Ok(())
}

/// Finds the session.
fn open(
    request: &ShareFetchRequest,
    cx: &Context,
    session: &SessionKey,
) -> Result<Opened, ErrorCode> {
    let added: Vec<PartitionKey> = partitions(request).map(|(key, _)| key).collect();
    let forgotten = request.forgotten_topics_data.iter();
    let forgotten = forgotten
        .flat_map(|topic| topic.partitions.iter().map(|&partition| (topic.topic_id, partition)));
    let forgotten: Vec<PartitionKey> = forgotten.collect();
    let limit = usize::try_from(cx.cluster.config().group_share_max_share_sessions).unwrap_or(0);
    let (connection, epoch) = (cx.session.id, request.share_session_epoch);
    let mut sessions = cx.cluster.shares.sessions.lock();
    sessions.fetch(session, connection, epoch, &added, &forgotten, limit)
}

fn acks(request: &ShareFetchRequest) -> Acks<'_> {
    let with_acks = partitions(request).filter(|(_, p)| !p.acknowledgement_batches.is_empty());
    let acks = with_acks.map(|(key, partition)| {
        let batches = partition.acknowledgement_batches.iter().map(|batch| AckBatch {
            first: batch.first_offset,
            last: batch.last_offset,
            types: &batch.acknowledge_types,
        });
        (key, batches.collect())
    });
    Acks(acks.collect())
}

/// The partitions of an answer as they are put together.
struct Parts<'a> {
    cx: &'a Context,
    session: &'a SessionKey,
    acked: BTreeMap<PartitionKey, ErrorCode>,
    list: BTreeMap<PartitionKey, PartitionData>,
}

impl Parts<'_> {
    /// Names a partition if there is something to say of it.
    fn add(&mut self, key: PartitionKey, found: Result<Found, ErrorCode>) {
        let named = {
            let mut sessions = self.cx.cluster.shares.sessions.lock();
            sessions.names(self.session, key, found.is_err())
        };
        let (found, code) = match found {
            Ok(found) => (found, ErrorCode::NONE),
            Err(code) => (Found::default(), code),
        };
        if !named && code.is_ok() && found.acquired.is_empty() {
            return;
        }
        let acquired = found.acquired.iter().map(|run| AcquiredRecords {
            first_offset: run.first,
            last_offset: run.last,
            delivery_count: run.deliveries,
        });
        let leader = leader_of(self.cx, key, code).unwrap_or((-1, -1));
        let data = PartitionData {
            partition_index: key.1,
            error_code: code.0,
            current_leader: LeaderIdAndEpoch { leader_id: leader.0, leader_epoch: leader.1 },
            records: Some(Records::from_parts(found.records)),
            acquired_records: acquired.collect(),
            ..PartitionData::default()
        };
        self.list.insert(key, data);
    }

    /// With what became of acknowledgements, by topic.
    fn finish(mut self) -> Vec<ShareFetchableTopicResponse> {
        for (key, code) in self.acked {
            let data = self.list.entry(key).or_insert_with(|| PartitionData {
                partition_index: key.1,
                current_leader: LeaderIdAndEpoch { leader_id: -1, leader_epoch: -1 },
                records: Some(Records::default()),
                ..PartitionData::default()
            });
            data.acknowledge_error_code = code.0;
        }
        let mut topics: Vec<ShareFetchableTopicResponse> = Vec::new();
        for ((topic_id, _), data) in self.list {
            match topics.last_mut() {
                Some(topic) if topic.topic_id == topic_id => topic.partitions.push(data),
                _ => topics.push(ShareFetchableTopicResponse { topic_id, partitions: vec![data] }),
            }
        }
        topics
    }
}

fn response(
    cx: &Context,
    lock_ms: i32,
    responses: Vec<ShareFetchableTopicResponse>,
) -> ShareFetchResponse {
    let partitions = responses.iter().flat_map(|topic| &topic.partitions);
    let leaders: Vec<i32> = partitions.map(|data| data.current_leader.leader_id).collect();
    let endpoint = |node: Node| NodeEndpoint {
        node_id: node.id,
        host: node.host,
        port: node.port,
        rack: node.rack,
    };
    ShareFetchResponse {
        acquisition_lock_timeout_ms: lock_ms,
        responses,
        node_endpoints: endpoints(cx, &leaders).into_iter().map(endpoint).collect(),
        ..ShareFetchResponse::default()
    }
}
