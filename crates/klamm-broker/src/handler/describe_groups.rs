//! DescribeGroups (15), versions 0-6: classic groups and their members.
//!
//! - 3: authorized operations, which are not told; 4: static members.
//! - 6: a group that does not exist is an error, not a dead group (KIP-1043).
//!
//! Every node describes every group, whichever coordinates it.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_groups_response::DescribedGroup;
use klamm_protocol::message::{DescribeGroupsRequest, DescribeGroupsResponse};
use std::ops::RangeInclusive;

impl Handle for DescribeGroupsRequest {
    const SERVED: RangeInclusive<i16> = 0..=6;

    async fn handle(self, cx: Context) -> Answer<DescribeGroupsResponse> {
        let mut groups = self.groups.iter();
        if let Err(code) = groups.try_for_each(|group| cx.check_group(Operation::Describe, group)) {
            return Ok(self.refuse(&cx, code));
        }
        let version = cx.version;
        let done = cx.coordinate(|c| c.describe_groups(version, &self)).await;
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeGroupsResponse {
        let groups = self.groups.iter().map(|id| DescribedGroup {
            group_id: id.clone(),
            error_code: code.0,
            ..DescribedGroup::default()
        });
        DescribeGroupsResponse { groups: groups.collect(), ..DescribeGroupsResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups(&self.groups)
    }
}
