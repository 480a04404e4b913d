//! DescribeTopicPartitions (75), version 0: topics in pages (KIP-966). There are no eligible leader replicas.

use super::{Answer, Context, Handle};
use crate::fault::Target;
use crate::security::Operation;
use crate::topics::Topic;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use klamm_protocol::message::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

/// Partitions of one page at most, whatever is asked for; `max.request.partition.size.limit` in Kafka.
const MAX_PARTITIONS: usize = 2000;

impl Handle for DescribeTopicPartitionsRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, cx: Context) -> Answer<DescribeTopicPartitionsResponse> {
        let mut left = usize::try_from(self.response_partition_limit).unwrap_or_default();
        left = left.clamp(1, MAX_PARTITIONS);
        let mut response = DescribeTopicPartitionsResponse::default();
        for name in names(&cx, &self) {
            let from = match &self.cursor {
                Some(cursor) if cursor.topic_name == name => cursor.partition_index,
                _ => 0,
            };
            if left == 0 {
                response.next_cursor = Some(Cursor { topic_name: name, partition_index: 0 });
                break;
            }
            if let Err(code) = cx.check_topic(Operation::Describe, &name) {
                response.topics.push(failed(name, code));
                continue;
            }
            let Some(topic) = cx.cluster.topics.get(&name) else {
                response.topics.push(failed(name, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
                continue;
            };
            let described = described(&cx, &topic, from, left);
            left -= described.partitions.len();
            let next = from + i32::try_from(described.partitions.len()).unwrap_or(i32::MAX);
            response.topics.push(described);
            if topic.partition(next).is_some() {
                response.next_cursor = Some(Cursor { topic_name: name, partition_index: next });
                break;
            }
        }
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeTopicPartitionsResponse {
        let topics = self.topics.iter().map(|topic| failed(topic.name.clone(), code));
        DescribeTopicPartitionsResponse { topics: topics.collect(), ..Default::default() }
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        names(cx, self).iter().map(Target::topic).collect()
    }
}

/// The topics that are asked for, or all, in order, from the cursor on.
fn names(cx: &Context, request: &DescribeTopicPartitionsRequest) -> Vec<Str> {
    let mut names: Vec<Str> = match request.topics.is_empty() {
        true => cx.cluster.topics.all().iter().map(|topic| topic.name().clone()).collect(),
        false => request.topics.iter().map(|topic| topic.name.clone()).collect(),
    };
    if request.topics.is_empty() {
        names.retain(|name| cx.check_topic(Operation::Describe, name).is_ok());
    }
    names.sort_unstable();
    names.dedup();
    if let Some(cursor) = &request.cursor {
        names.retain(|name| *name >= cursor.topic_name);
    }
    names
}

fn failed(name: Str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: code.0,
        name: Some(name),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn described(
    cx: &Context,
    topic: &Topic,
    from: i32,
    limit: usize,
) -> DescribeTopicPartitionsResponseTopic {
    let first = usize::try_from(from).unwrap_or_default();
    let partitions = topic.partitions().into_iter().skip(first).take(limit).map(|partition| {
        let seen = super::metadata::partition(&cx.cluster, &partition);
        DescribeTopicPartitionsResponsePartition {
            error_code: seen.error_code,
            partition_index: seen.partition_index,
            leader_id: seen.leader_id,
            leader_epoch: seen.leader_epoch,
            replica_nodes: seen.replica_nodes,
            isr_nodes: seen.isr_nodes,
            // Empty and not null: the Java client does not expect null.
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            offline_replicas: seen.offline_replicas,
        }
    });
    DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name().clone()),
        topic_id: topic.id(),
        is_internal: topic.is_internal(),
        partitions: partitions.collect(),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
