//! ConsumerGroupDescribe (69), versions 0-1: groups of KIP-848 and what their members have.
//!
//! - 1: the type of each member.
//!
//! Authorized operations are not told. Every node describes every group, whichever coordinates it.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::consumer_group_describe_response::DescribedGroup;
use klamm_protocol::message::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use std::ops::RangeInclusive;

impl Handle for ConsumerGroupDescribeRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<ConsumerGroupDescribeResponse> {
        let mut groups = self.group_ids.iter();
        if let Err(code) = groups.try_for_each(|group| cx.check_group(Operation::Describe, group)) {
            return Ok(self.refuse(&cx, code));
        }
        let (version, topics) = (cx.version, &cx.cluster.topics);
        let done = cx.coordinate(|c| c.consumer_group_describe(version, &self, topics)).await;
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ConsumerGroupDescribeResponse {
        let groups = self.group_ids.iter().map(|id| DescribedGroup {
            group_id: id.clone(),
            error_code: code.0,
            ..DescribedGroup::default()
        });
        ConsumerGroupDescribeResponse {
            groups: groups.collect(),
            ..ConsumerGroupDescribeResponse::default()
        }
    }

    fn keys(&self) -> Keys {
        Keys::groups(&self.group_ids)
    }
}
