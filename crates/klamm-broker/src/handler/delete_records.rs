//! DeleteRecords (21), versions 0-2: drops everything before an offset; -1 stands for the high watermark (KIP-107).

use super::{Answer, Context, Handle};
use crate::fault::Target;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use klamm_protocol::message::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use klamm_protocol::message::{DeleteRecordsRequest, DeleteRecordsResponse};
use std::ops::RangeInclusive;

impl Handle for DeleteRecordsRequest {
    const SERVED: RangeInclusive<i16> = 0..=2;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<DeleteRecordsResponse> {
        Ok(answer(&self, |topic, asked| delete(&cx, topic, asked)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DeleteRecordsResponse {
        answer(self, |_, _| Err(code))
    }

    fn targets(&self, _: &Context) -> Vec<Target> {
        let partitions = |topic: &DeleteRecordsTopic| {
            let asked = topic.partitions.iter().map(|asked| asked.partition_index);
            Target::partitions(&topic.name, asked).collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(partitions).collect()
    }
}

/// Deletes, and returns the first offset that is left.
fn delete(
    cx: &Context,
    topic: &DeleteRecordsTopic,
    asked: &DeleteRecordsPartition,
) -> Result<i64, ErrorCode> {
    cx.check_topic(Operation::Delete, &topic.name)?;
    cx.fault(&topic.name, Some(asked.partition_index)).map_or(Ok(()), Err)?;
    let found = cx.cluster.topics.get(&topic.name);
    let found = found.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let config = found.config();
    if config.compact && !config.delete {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let partition = found.partition(asked.partition_index);
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let bounds = partition.bounds(cx.node_id(), -1)?;
    let offset = if asked.offset == -1 { bounds.high_watermark } else { asked.offset };
    if offset < 0 {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    partition.delete_before(offset)?;
    Ok(partition.start_offset())
}

fn answer(
    request: &DeleteRecordsRequest,
    delete: impl Fn(&DeleteRecordsTopic, &DeleteRecordsPartition) -> Result<i64, ErrorCode>,
) -> DeleteRecordsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let done = delete(topic, asked);
            DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark: done.unwrap_or(-1),
                error_code: done.map_or_else(|code| code.0, |_| 0),
            }
        });
        DeleteRecordsTopicResult { name: topic.name.clone(), partitions: partitions.collect() }
    });
    DeleteRecordsResponse { topics: topics.collect(), ..Default::default() }
}
