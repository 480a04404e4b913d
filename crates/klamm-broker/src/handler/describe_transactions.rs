//! DescribeTransactions (65), version 0: what transactional ids are doing (KIP-664).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_transactions_response::TransactionState;
use klamm_protocol::message::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for DescribeTransactionsRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, cx: Context) -> Answer<DescribeTransactionsResponse> {
        let describe = |id: &Str| {
            let seen = cx.check_transactional_id(Operation::Describe, id);
            let described = seen.and_then(|()| cx.transact(id, |c| c.describe(id)));
            described.unwrap_or_else(|code| refused(id, code))
        };
        let transaction_states = self.transactional_ids.iter().map(describe).collect();
        Ok(DescribeTransactionsResponse { transaction_states, ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeTransactionsResponse {
        let transaction_states =
            self.transactional_ids.iter().map(|id| refused(id, code)).collect();
        DescribeTransactionsResponse { transaction_states, ..Default::default() }
    }

    fn keys(&self) -> Keys {
        Keys::transactional_ids(&self.transactional_ids)
    }
}

fn refused(id: &Str, code: ErrorCode) -> TransactionState {
    TransactionState {
        error_code: code.0,
        transactional_id: id.clone(),
        ..TransactionState::default()
    }
}
