//! ListOffsets (2), versions 1-11: first and last offsets, and offsets by time.
//!
//! - 2: isolation level; 4: leader epochs (KIP-320); 7: -3, the largest timestamp (KIP-734).
//! - 8: -4, the first offset on this disk; 9: -5, the last offset moved elsewhere (KIP-405); 11: -6 (KIP-1023).
//!
//! Nothing is kept elsewhere: -4 is the first offset, and -5 and -6 say that there is none.

use super::{Answer, Context, Handle};
use crate::fault::Target;
use crate::partition::{Isolation, Partition, Timed};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::message::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use klamm_protocol::message::{ListOffsetsRequest, ListOffsetsResponse};
use std::ops::RangeInclusive;

/// Times that are none.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

impl Handle for ListOffsetsRequest {
    const SERVED: RangeInclusive<i16> = 1..=11;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<ListOffsetsResponse> {
        let isolation = Isolation::from_wire(self.isolation_level);
        Ok(answer(&self, cx.version, |topic, asked| {
            cx.check_topic(Operation::Describe, &topic.name)?;
            let found = cx.cluster.topics.get(&topic.name);
            let partition = found.and_then(|topic| topic.partition(asked.partition_index));
            let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            cx.fault(&topic.name, Some(asked.partition_index)).map_or(Ok(()), Err)?;
            find(&cx, &partition, asked, isolation)
        }))
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> ListOffsetsResponse {
        answer(self, cx.version, |_, _| Err(code))
    }

    fn targets(&self, _: &Context) -> Vec<Target> {
        let partitions = |topic: &ListOffsetsTopic| {
            let asked = topic.partitions.iter().map(|asked| asked.partition_index);
            Target::partitions(&topic.name, asked).collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(partitions).collect()
    }
}

/// Offset, timestamp and leader epoch of what was asked for; -1 each where there is nothing.
type Found = (i64, i64, i32);

fn find(
    cx: &Context,
    partition: &Partition,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Found, ErrorCode> {
    let (node, epoch) = (cx.node_id(), asked.current_leader_epoch);
    let bounds = partition.bounds(node, epoch)?;
    let end = match isolation {
        Isolation::Uncommitted => bounds.high_watermark,
        Isolation::Committed => bounds.last_stable,
    };
    match asked.timestamp {
        LATEST => Ok((end, -1, bounds.epoch)),
        EARLIEST | EARLIEST_LOCAL => Ok((bounds.start, -1, bounds.start_epoch)),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok((-1, -1, -1)),
        MAX_TIMESTAMP => Ok(found(partition.latest_time(node, epoch)?)),
        time if time >= 0 => {
            let at = partition.offset_for_time(node, epoch, time)?;
            // What a reader may not see yet is not there for it.
            Ok(found(at.filter(|at| at.offset < end)))
        }
        _ => Err(ErrorCode::UNSUPPORTED_VERSION),
    }
}

fn found(at: Option<Timed>) -> Found {
    at.map_or((-1, -1, -1), |at| (at.offset, at.timestamp, at.epoch))
}

/// One answer for every partition that is named.
fn answer(
    request: &ListOffsetsRequest,
    version: i16,
    find: impl Fn(&ListOffsetsTopic, &ListOffsetsPartition) -> Result<Found, ErrorCode>,
) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let found = find(topic, asked);
            let (offset, timestamp, leader_epoch) = found.unwrap_or((-1, -1, -1));
            ListOffsetsPartitionResponse {
                partition_index: asked.partition_index,
                error_code: found.map_or_else(|code| code.0, |_| 0),
                timestamp,
                offset,
                leader_epoch: if version >= 4 { leader_epoch } else { -1 },
            }
        });
        ListOffsetsTopicResponse { name: topic.name.clone(), partitions: partitions.collect() }
    });
    ListOffsetsResponse { topics: topics.collect(), ..Default::default() }
}
