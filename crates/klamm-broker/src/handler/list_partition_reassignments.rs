//! ListPartitionReassignments (46), version 0. Nothing is ever moved: the list is empty. Tools ask before they describe.

use super::{Answer, Context, Handle};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for ListPartitionReassignmentsRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, _: Context) -> Answer<ListPartitionReassignmentsResponse> {
        Ok(ListPartitionReassignmentsResponse::default())
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ListPartitionReassignmentsResponse {
        ListPartitionReassignmentsResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            ..Default::default()
        }
    }
}
