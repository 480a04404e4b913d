//! DescribeProducers (61), version 0: who writes to a partition, and what transaction it has open (KIP-664).

use super::{Answer, Context, Handle};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_producers_request::TopicRequest;
use klamm_protocol::message::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use klamm_protocol::message::{DescribeProducersRequest, DescribeProducersResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for DescribeProducersRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, cx: Context) -> Answer<DescribeProducersResponse> {
        Ok(answer(&self, |topic, index| {
            cx.check_topic(Operation::Read, &topic.name)?;
            let found = cx.cluster.topics.get(&topic.name);
            let partition = found.and_then(|topic| topic.partition(index));
            partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?.producers(cx.node_id())
        }))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeProducersResponse {
        answer(self, |_, _| Err(code))
    }
}

fn answer(
    request: &DescribeProducersRequest,
    find: impl Fn(&TopicRequest, i32) -> Result<Vec<klamm_log::ProducerInfo>, ErrorCode>,
) -> DescribeProducersResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|&index| match find(topic, index) {
            Ok(producers) => PartitionResponse {
                partition_index: index,
                active_producers: producers.into_iter().map(state).collect(),
                ..PartitionResponse::default()
            },
            Err(code) => PartitionResponse {
                partition_index: index,
                error_code: code.0,
                error_message: Some(Str::from_static(code.meaning())),
                ..PartitionResponse::default()
            },
        });
        TopicResponse { name: topic.name.clone(), partitions: partitions.collect() }
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

fn state(producer: klamm_log::ProducerInfo) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start.unwrap_or(-1),
    }
}
