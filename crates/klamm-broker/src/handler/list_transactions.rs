//! ListTransactions (66), versions 0-1: transactional ids by state, producer and age (KIP-664).
//!
//! - 1: by how long a transaction has been open (KIP-994).
//!
//! Version 2, which filters ids by a pattern, is not served.

use super::{Answer, Context, Handle};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{ListTransactionsRequest, ListTransactionsResponse};
use std::ops::RangeInclusive;

impl Handle for ListTransactionsRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<ListTransactionsResponse> {
        let now_ms = cx.now_ms();
        let seen = |id: &str| cx.check_transactional_id(Operation::Describe, id).is_ok();
        let transactions = &cx.cluster.transactions;
        let listed =
            transactions.act(&cx.cluster, |c| c.handle_list_transactions(&self, seen, now_ms));
        Ok(listed.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ListTransactionsResponse {
        ListTransactionsResponse { error_code: code.0, ..ListTransactionsResponse::default() }
    }
}
