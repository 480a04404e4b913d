//! DescribeLogDirs (35), versions 1-5: how many bytes each partition has.
//!
//! - 3: an error code for the whole answer; 4: size of the volume, which is not looked up (-1); 5: cordoned directories,
//!   of which there are none.
//!
//! All logs are in one directory.

use super::{Answer, Context, Handle};
use crate::security::Operation;
use crate::topics::Topic;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use klamm_protocol::message::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for DescribeLogDirsRequest {
    const SERVED: RangeInclusive<i16> = 1..=5;

    async fn handle(self, cx: Context) -> Answer<DescribeLogDirsResponse> {
        if let Err(code) = cx.check_cluster(Operation::Describe) {
            return Ok(self.refuse(&cx, code));
        }
        let topics = cx.cluster.topics.all().into_iter();
        let topics = topics.filter_map(|topic| described(&topic, &self));
        let result = DescribeLogDirsResult {
            log_dir: Str::from(cx.cluster.place.as_str()),
            topics: topics.collect(),
            total_bytes: -1,
            usable_bytes: -1,
            ..DescribeLogDirsResult::default()
        };
        Ok(DescribeLogDirsResponse { results: vec![result], ..Default::default() })
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> DescribeLogDirsResponse {
        let error_code = if cx.version >= 3 { code.0 } else { 0 };
        DescribeLogDirsResponse { error_code, ..Default::default() }
    }
}

/// A topic's partitions that are asked for; none when it is not.
fn described(topic: &Topic, request: &DescribeLogDirsRequest) -> Option<DescribeLogDirsTopic> {
    let asked = match &request.topics {
        None => None,
        Some(topics) => Some(topics.iter().find(|asked| asked.topic == *topic.name())?),
    };
    let wanted = |index| asked.is_none_or(|asked| asked.partitions.contains(&index));
    let partitions = topic.partitions().into_iter().filter(|partition| wanted(partition.index()));
    let partitions = partitions.map(|partition| DescribeLogDirsPartition {
        partition_index: partition.index(),
        partition_size: i64::try_from(partition.size_bytes()).unwrap_or(i64::MAX),
        ..DescribeLogDirsPartition::default()
    });
    Some(DescribeLogDirsTopic { name: topic.name().clone(), partitions: partitions.collect() })
}
