//! DeleteGroups (42), versions 0-2: groups without members, with their offsets and what they have read.
//!
//! Every node deletes any group, whichever coordinates it.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::delete_groups_response::DeletableGroupResult;
use klamm_protocol::message::{DeleteGroupsRequest, DeleteGroupsResponse};
use std::ops::RangeInclusive;

impl Handle for DeleteGroupsRequest {
    const SERVED: RangeInclusive<i16> = 0..=2;

    async fn handle(self, cx: Context) -> Answer<DeleteGroupsResponse> {
        let mut names = self.groups_names.iter();
        if let Err(code) = names.try_for_each(|group| cx.check_group(Operation::Delete, group)) {
            return Ok(self.refuse(&cx, code));
        }
        let now_ms = cx.now_ms();
        let done = cx.coordinate(|c| c.delete_groups(now_ms, &self)).await;
        let mut response = match done {
            Ok(response) => response,
            Err(code) => return Ok(self.refuse(&cx, code)),
        };
        for result in response.results.iter_mut().filter(|result| result.error_code == 0) {
            let forgotten = cx.cluster.forget_shares_of_group(&result.group_id, None);
            result.error_code = forgotten.err().unwrap_or_default().0;
        }
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DeleteGroupsResponse {
        let results = self.groups_names.iter().map(|id| DeletableGroupResult {
            group_id: id.clone(),
            error_code: code.0,
            ..DeletableGroupResult::default()
        });
        DeleteGroupsResponse { results: results.collect(), ..DeleteGroupsResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups(&self.groups_names)
    }
}
