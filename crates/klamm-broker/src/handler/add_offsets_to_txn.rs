//! AddOffsetsToTxn (25), versions 0-4: the group whose offsets a transaction will commit.
//!
//! - 2: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::{Operation, ResourceType};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use std::ops::RangeInclusive;

impl Handle for AddOffsetsToTxnRequest {
    const SERVED: RangeInclusive<i16> = 0..=4;

    async fn handle(self, cx: Context) -> Answer<AddOffsetsToTxnResponse> {
        if let Err(code) = cx.check_transactional_id(Operation::Write, &self.transactional_id) {
            return Ok(self.refuse(&cx, code));
        }
        if !cx.authorize(Operation::Read, ResourceType::Group, &self.group_id) {
            return Ok(self.refuse(&cx, ErrorCode::GROUP_AUTHORIZATION_FAILED));
        }
        let (version, now_ms) = (cx.version, cx.now_ms());
        let done = cx.transact(&self.transactional_id, |c| {
            c.handle_add_offsets_to_txn(&self, version, now_ms)
        });
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> AddOffsetsToTxnResponse {
        AddOffsetsToTxnResponse { error_code: code.0, ..AddOffsetsToTxnResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id]).and_transactional_ids([&self.transactional_id])
    }
}
