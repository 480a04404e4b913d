//! ListTransactions (66), versions 0-2: transactional ids by state, producer and age (KIP-664).
//!
//! - 1: by how long a transaction has been open (KIP-994).
//! - 2: by an expression that the whole id matches (KIP-1152); it sees the bytes of an id that is not ASCII.

use super::{Answer, Context, Handle};
use crate::pattern::Pattern;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{ListTransactionsRequest, ListTransactionsResponse};
use std::ops::RangeInclusive;

impl Handle for ListTransactionsRequest {
    const SERVED: RangeInclusive<i16> = 0..=2;

    async fn handle(self, cx: Context) -> Answer<ListTransactionsResponse> {
        let now_ms = cx.now_ms();
        let expression = self.transactional_id_pattern.as_deref().filter(|text| !text.is_empty());
        let Ok(pattern) = expression.map(Pattern::new).transpose() else {
            return Ok(self.refuse(&cx, ErrorCode::INVALID_REGULAR_EXPRESSION));
        };
        let seen = |id: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(id))
                && cx.check_transactional_id(Operation::Describe, id).is_ok()
        };
        let transactions = &cx.cluster.transactions;
        let listed =
            transactions.act(&cx.cluster, |c| c.handle_list_transactions(&self, seen, now_ms));
        Ok(listed.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ListTransactionsResponse {
        ListTransactionsResponse { error_code: code.0, ..ListTransactionsResponse::default() }
    }
}
