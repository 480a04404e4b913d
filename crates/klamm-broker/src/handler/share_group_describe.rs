//! ShareGroupDescribe (77), version 1: share groups and what their members read (KIP-932).
//!
//! Every node describes every group, whichever coordinates it.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::{Operation, ResourceType};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::share_group_describe_response::DescribedGroup;
use klamm_protocol::message::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for ShareGroupDescribeRequest {
    const SERVED: RangeInclusive<i16> = 1..=1;

    async fn handle(self, cx: Context) -> Answer<ShareGroupDescribeResponse> {
        let topics = &cx.cluster.topics;
        let described = cx.coordinate(|c| c.share_group_describe(&self, topics)).await;
        let mut response = match described {
            Ok(response) => response,
            Err(code) => return Ok(self.refuse(&cx, code)),
        };
        for group in &mut response.groups {
            let name = group.group_id.clone();
            if let Err(code) = cx.check_group(Operation::Describe, &name) {
                *group = failed(&name, code);
            } else if group.error_code == 0 {
                let asks = self.include_authorized_operations;
                group.authorized_operations =
                    cx.authorized_operations(asks, ResourceType::Group, &name);
            }
        }
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ShareGroupDescribeResponse {
        let groups = self.group_ids.iter().map(|id| failed(id, code)).collect();
        ShareGroupDescribeResponse { groups, ..ShareGroupDescribeResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups(&self.group_ids)
    }
}

fn failed(id: &Str, code: ErrorCode) -> DescribedGroup {
    DescribedGroup { group_id: id.clone(), error_code: code.0, ..DescribedGroup::default() }
}
