//! ListGroups (16), versions 0-5: the groups that this node coordinates.
//!
//! - 4: filtered by state (KIP-518); 5: by type (KIP-848).

use super::{Answer, Context, Handle};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{ListGroupsRequest, ListGroupsResponse};
use std::ops::RangeInclusive;

impl Handle for ListGroupsRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;

    async fn handle(self, cx: Context) -> Answer<ListGroupsResponse> {
        Ok(match cx.coordinate(|c| c.list_groups(&self)).await {
            Err(code) => self.refuse(&cx, code),
            Ok(mut response) => {
                // Clients put the answers of all nodes together.
                response.groups.retain(|group| cx.check_coordinator(&group.group_id).is_ok());
                response.groups.retain(|group| {
                    cx.authorize_cluster(Operation::Describe)
                        || cx.check_group(Operation::Describe, &group.group_id).is_ok()
                });
                response
            }
        })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ListGroupsResponse {
        ListGroupsResponse { error_code: code.0, ..ListGroupsResponse::default() }
    }
}
