//! ConsumerGroupDescribe (69), versions 0-1: groups of KIP-848 and what their members have.
//!
//! - 1: the type of each member.
//!
//! A group that reads topics which the client may not see is not shown. Every node describes every group, whichever coordinates it.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::{Operation, ResourceType};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::consumer_group_describe_response::DescribedGroup;
use klamm_protocol::message::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for ConsumerGroupDescribeRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<ConsumerGroupDescribeResponse> {
        let (version, topics) = (cx.version, &cx.cluster.topics);
        let done = cx.coordinate(|c| c.consumer_group_describe(version, &self, topics)).await;
        let mut response = match done {
            Ok(response) => response,
            Err(code) => return Ok(self.refuse(&cx, code)),
        };
        for group in &mut response.groups {
            let name = group.group_id.clone();
            let allowed = cx.check_group(Operation::Describe, &name);
            if let Err(code) = allowed.and_then(|()| check_topics(&cx, group)) {
                *group = failed(&name, code);
            } else if group.error_code == 0 {
                let asks = self.include_authorized_operations;
                group.authorized_operations =
                    cx.authorized_operations(asks, ResourceType::Group, &name);
            }
        }
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ConsumerGroupDescribeResponse {
        let groups = self.group_ids.iter().map(|id| failed(id, code)).collect();
        ConsumerGroupDescribeResponse { groups, ..ConsumerGroupDescribeResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups(&self.group_ids)
    }
}

/// Whether the client may see every topic that members read or have.
fn check_topics(cx: &Context, group: &DescribedGroup) -> Result<(), ErrorCode> {
    for member in &group.members {
        let assigned = [&member.assignment, &member.target_assignment];
        let assigned = assigned.into_iter().flat_map(|it| &it.topic_partitions);
        let names = assigned.map(|topic| &topic.topic_name).chain(&member.subscribed_topic_names);
        for name in names {
            cx.check_topic(Operation::Describe, name)?;
        }
    }
    Ok(())
}

fn failed(id: &Str, code: ErrorCode) -> DescribedGroup {
    DescribedGroup { group_id: id.clone(), error_code: code.0, ..DescribedGroup::default() }
}
