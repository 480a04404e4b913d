//! DescribeGroups (15), versions 0-6: classic groups and their members.
//!
//! - 3: authorized operations (KIP-430); 4: static members.
//! - 6: a group that does not exist is an error, not a dead group (KIP-1043).
//!
//! Every node describes every group, whichever coordinates it.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::{Operation, ResourceType};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_groups_response::DescribedGroup;
use klamm_protocol::message::{DescribeGroupsRequest, DescribeGroupsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for DescribeGroupsRequest {
    const SERVED: RangeInclusive<i16> = 0..=6;

    async fn handle(self, cx: Context) -> Answer<DescribeGroupsResponse> {
        let version = cx.version;
        let done = cx.coordinate(|c| c.describe_groups(version, &self)).await;
        let mut response = match done {
            Ok(response) => response,
            Err(code) => return Ok(self.refuse(&cx, code)),
        };
        for group in &mut response.groups {
            if let Err(code) = cx.check_group(Operation::Describe, &group.group_id) {
                *group = failed(&group.group_id, code);
            } else if group.error_code == 0 {
                let asks = self.include_authorized_operations;
                group.authorized_operations =
                    cx.authorized_operations(asks, ResourceType::Group, &group.group_id);
            }
        }
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeGroupsResponse {
        let groups = self.groups.iter().map(|id| failed(id, code)).collect();
        DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups(&self.groups)
    }
}

fn failed(id: &Str, code: ErrorCode) -> DescribedGroup {
    DescribedGroup { group_id: id.clone(), error_code: code.0, ..DescribedGroup::default() }
}
