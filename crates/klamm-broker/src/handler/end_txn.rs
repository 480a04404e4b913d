//! EndTxn (26), versions 0-5: commits or aborts. All markers are written when it is answered.
//!
//! - 2: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH.
//! - 5: the transaction after it has a new epoch, which the answer carries (KIP-890).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{EndTxnRequest, EndTxnResponse};
use std::ops::RangeInclusive;

impl Handle for EndTxnRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;

    async fn handle(self, cx: Context) -> Answer<EndTxnResponse> {
        if let Err(code) = cx.check_transactional_id(Operation::Write, &self.transactional_id) {
            return Ok(self.refuse(&cx, code));
        }
        let (version, now_ms) = (cx.version, cx.now_ms());
        let done =
            cx.transact(&self.transactional_id, |c| c.handle_end_txn(&self, version, now_ms));
        Ok(done.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> EndTxnResponse {
        EndTxnResponse { error_code: code.0, ..EndTxnResponse::default() }
    }

    fn keys(&self) -> Keys {
        Keys::transactional_ids([&self.transactional_id])
    }
}
