//! Produce (0), versions 3-13, offered from 0 on.
//!
//! - 3: transactional id; 5: first offset of the log in the answer; 7: zstd; 8: which records are at fault (KIP-467).
//! - 10: the present leader beside NOT_LEADER_OR_FOLLOWER (KIP-951).
//! - 11, 12: a partition joins the transaction by being written to (KIP-890).
//! - 13: topics by id (KIP-516).
//!
//! Versions 0-2 are offered and not answered: librdkafka before 2.11.1 compresses nothing when they are missing. Acks
//! of one and of all are the same: this broker has no followers. The timeout of the request bounds the wait for disk.

use super::{Answer, Context, Handle, NoAnswer};
use crate::fault::{Keys, Target};
use crate::nodes::Node;
use crate::partition::{AppendRefused, Appended, Checked, Partition, Rejected, check};
use crate::security::{Operation, ResourceType};
use crate::topics::Topic;
use crate::transaction::Producer;
use klamm_log::Origin;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::message::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use klamm_protocol::message::{ProduceRequest, ProduceResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Only a client of this name may write to the topics that belong to Kafka itself.
const ADMIN_CLIENT: &str = "__admin_client";

impl Handle for ProduceRequest {
    const SERVED: RangeInclusive<i16> = 3..=13;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<ProduceResponse> {
        if !matches!(self.acks, -1..=1) {
            return Ok(self.refuse(&cx, ErrorCode::INVALID_REQUIRED_ACKS));
        }
        let transactional = self.transactional_id.as_deref();
        if transactional
            .is_some_and(|id| !cx.authorize(Operation::Write, ResourceType::TransactionalId, id))
        {
            return Ok(self.refuse(&cx, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
        }
        let mut waits = Vec::new();
        let topics = self.topic_data.iter().enumerate();
        let topics = topics.map(|(at, data)| append_topic(&cx, &self, data, &mut waits, at));
        let mut response = ProduceResponse { responses: topics.collect(), ..Default::default() };
        if self.acks == 0 {
            return without_answer(&response);
        }
        let limit = Duration::from_millis(u64::try_from(self.timeout_ms).unwrap_or_default());
        if tokio::time::timeout(limit, durable(waits, &mut response)).await.is_err() {
            return Ok(self.refuse(&cx, ErrorCode::REQUEST_TIMED_OUT));
        }
        if cx.version >= 10 {
            response.node_endpoints = endpoints(&cx, &response);
        }
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ProduceResponse {
        let responses = self.topic_data.iter().map(|topic| {
            let partitions = topic.partition_data.iter();
            answer(topic, partitions.map(|data| failed(data.index, code.into())).collect())
        });
        ProduceResponse { responses: responses.collect(), ..Default::default() }
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let mut targets = Vec::new();
        for topic in &self.topic_data {
            let name = cx.topic_name(&topic.name, topic.topic_id);
            let partitions = topic.partition_data.iter().map(|data| data.index);
            targets.extend(Target::partitions(&name, partitions));
        }
        targets
    }

    fn wants_answer(&self) -> bool {
        self.acks != 0
    }

    fn keys(&self) -> Keys {
        Keys::transactional_ids(&self.transactional_id)
    }
}

/// A client that wants no answer learns of an error by the end of its connection, as with Kafka.
fn without_answer(response: &ProduceResponse) -> Answer<ProduceResponse> {
    let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    match partitions.any(|partition| partition.error_code != 0) {
        true => Err(NoAnswer::Disconnect),
        false => Err(NoAnswer::Silence),
    }
}

/// An append whose records are not on the disk yet: topic and partition of the answer, and what to wait for.
struct Wait {
    at: (usize, usize),
    partition: Arc<Partition>,
    offset: i64,
}

/// Waits until all that was appended is as safe as the broker promises.
async fn durable(waits: Vec<Wait>, response: &mut ProduceResponse) {
    for Wait { at: (topic, partition), partition: log, offset } in waits {
        if let Err(code) = log.durable(offset).await {
            let answer = &mut response.responses[topic].partition_responses[partition];
            *answer = failed(answer.index, code.into());
        }
    }
}

fn append_topic(
    cx: &Context,
    request: &ProduceRequest,
    data: &TopicProduceData,
    waits: &mut Vec<Wait>,
    at: usize,
) -> TopicProduceResponse {
    let by_id = cx.version >= 13;
    let topics = &cx.cluster.topics;
    let topic = if by_id { topics.by_id(data.topic_id) } else { topics.get(&data.name) };
    let unknown =
        if by_id { ErrorCode::UNKNOWN_TOPIC_ID } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
    let name = topic.as_ref().map_or(&data.name, |topic| topic.name());
    if let Err(code) = cx.check_topic(Operation::Write, name)
        && !(by_id && topic.is_none())
    {
        let partitions = data.partition_data.iter();
        return answer(data, partitions.map(|data| failed(data.index, code.into())).collect());
    }
    let mut partitions = Vec::with_capacity(data.partition_data.len());
    for data in &data.partition_data {
        let partition = topic.as_ref().and_then(|topic| topic.partition(data.index));
        let done = match (&topic, &partition) {
            (Some(topic), Some(partition)) => append(cx, request, topic, partition, data),
            (None, _) => Err(failed(data.index, unknown.into())),
            (_, None) => Err(failed(data.index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into())),
        };
        if let (Ok(appended), Some(partition)) = (&done, partition) {
            let offset = appended.last_offset;
            waits.push(Wait { at: (at, partitions.len()), partition, offset });
        }
        partitions.push(done.map_or_else(|failed| failed, |done| succeeded(data.index, done)));
    }
    answer(data, partitions)
}

fn append(
    cx: &Context,
    request: &ProduceRequest,
    topic: &Topic,
    partition: &Partition,
    data: &PartitionProduceData,
) -> Result<Appended, PartitionProduceResponse> {
    if let Some(code) = cx.fault(topic.name(), Some(data.index)) {
        return Err(with_leader(cx, partition, failed(data.index, code.into())));
    }
    if topic.is_internal() && cx.client_id != *ADMIN_CLIENT {
        return Err(failed(data.index, ErrorCode::INVALID_TOPIC_EXCEPTION.into()));
    }
    let now_ms = cx.now_ms();
    let checked = check(data.records.as_ref(), cx.version, &topic.config(), now_ms);
    let checked = checked.map_err(|rejected| rejection(data.index, rejected))?;
    if checked.header.attributes.is_transactional() && request.transactional_id.is_none() {
        let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        return Err(failed(data.index, code.into()));
    }
    let bytes = checked.bytes.len();
    let appended = match &request.transactional_id {
        Some(id) if checked.header.attributes.is_transactional() => {
            append_in_transaction(cx, id, partition, checked)
        }
        _ => partition.append(cx.node_id(), checked, Origin::Client),
    };
    cx.cluster.appended(bytes);
    appended.map_err(|refused| with_leader(cx, partition, failed(data.index, refused)))
}

/// The first version that adds a partition to the transaction by writing to it.
const TV2_SINCE: i16 = 12;

/// Under the coordinator's lock: nobody ends the transaction between the question whether it is open and the append.
fn append_in_transaction(
    cx: &Context,
    id: &str,
    partition: &Partition,
    batch: Checked,
) -> Result<Appended, AppendRefused> {
    let now_ms = cx.now_ms();
    let from = Producer { id: batch.header.producer_id, epoch: batch.header.producer_epoch };
    let place = (partition.topic().as_str(), partition.index());
    let transactions = &cx.cluster.transactions;
    let appended = transactions.act_then(
        &cx.cluster,
        |c| c.verify_or_add_partition(id, from, place, cx.version >= TV2_SINCE, now_ms),
        || partition.append(cx.node_id(), batch, Origin::Client),
    );
    appended.unwrap_or_else(|code| Err(for_version(code, cx.version).into()))
}

/// What clients of older versions understand.
fn for_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::TRANSACTION_ABORTABLE if version < 11 => ErrorCode::INVALID_TXN_STATE,
        ErrorCode::CONCURRENT_TRANSACTIONS if version < 12 => ErrorCode::NOT_ENOUGH_REPLICAS,
        code => code,
    }
}

fn answer(
    data: &TopicProduceData,
    partitions: Vec<PartitionProduceResponse>,
) -> TopicProduceResponse {
    TopicProduceResponse {
        name: data.name.clone(),
        topic_id: data.topic_id,
        partition_responses: partitions,
    }
}

fn succeeded(index: i32, appended: Appended) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: appended.base_offset,
        log_append_time_ms: appended.append_time_ms,
        log_start_offset: appended.log_start_offset,
        ..PartitionProduceResponse::default()
    }
}

fn failed(index: i32, refused: AppendRefused) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: refused.code.0,
        base_offset: -1,
        error_message: Some(Str::from(refused.message)),
        ..PartitionProduceResponse::default()
    }
}

fn rejection(index: i32, rejected: Rejected) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: rejected.code.0,
        base_offset: -1,
        record_errors: rejected.records,
        error_message: rejected.message.map(Str::from),
        ..PartitionProduceResponse::default()
    }
}

/// Says who leads, when it is not the node that was asked.
fn with_leader(
    cx: &Context,
    partition: &Partition,
    mut answer: PartitionProduceResponse,
) -> PartitionProduceResponse {
    if cx.version >= 10 && answer.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER.0 {
        let (leader_id, leader_epoch) = partition.leader();
        answer.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch };
    }
    answer
}

/// Where the leaders named in an answer are reached.
fn endpoints(cx: &Context, response: &ProduceResponse) -> Vec<NodeEndpoint> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let leaders: Vec<i32> =
        partitions.map(|partition| partition.current_leader.leader_id).collect();
    if leaders.iter().all(|&leader| leader < 0) {
        return Vec::new();
    }
    let nodes = cx.nodes_up().into_iter().filter(|node| leaders.contains(&node.id));
    let endpoint = |node: Node| NodeEndpoint {
        node_id: node.id,
        host: node.host,
        port: node.port,
        rack: node.rack,
    };
    nodes.map(endpoint).collect()
}
