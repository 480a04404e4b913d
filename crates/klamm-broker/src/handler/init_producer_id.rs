//! InitProducerId (22), versions 0-5: an id for a producer, and the end of whatever its predecessor left open.
//!
//! - 3: a producer may ask for a new epoch of the id it has (KIP-360).
//! - 4: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH; 5: transactions end with a new epoch (KIP-890).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::{Operation, ResourceType};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{InitProducerIdRequest, InitProducerIdResponse};
use std::ops::RangeInclusive;

impl Handle for InitProducerIdRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;

    async fn handle(self, cx: Context) -> Answer<InitProducerIdResponse> {
        if let Err(code) = check(&cx, &self) {
            return Ok(self.refuse(&cx, code));
        }
        let mut response = init(&cx, &self);
        if response.as_ref().is_ok_and(|r| r.error_code == ErrorCode::CONCURRENT_TRANSACTIONS.0) {
            // The transaction of its predecessor has been aborted by now.
            response = init(&cx, &self);
        }
        Ok(response.unwrap_or_else(|code| self.refuse(&cx, code)))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> InitProducerIdResponse {
        InitProducerIdResponse {
            error_code: code.0,
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        }
    }

    fn keys(&self) -> Keys {
        Keys::transactional_ids(&self.transactional_id)
    }
}

fn init(
    cx: &Context,
    request: &InitProducerIdRequest,
) -> Result<InitProducerIdResponse, ErrorCode> {
    let (version, now_ms) = (cx.version, cx.now_ms());
    let transactions = &cx.cluster.transactions;
    transactions.act(&cx.cluster, |c| c.handle_init_producer_id(request, version, now_ms))
}

fn check(cx: &Context, request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    let Some(id) = &request.transactional_id else {
        let allowed = cx.authorize_cluster(Operation::IdempotentWrite)
            || cx.authorize_any(Operation::Write, ResourceType::Topic);
        return if allowed { Ok(()) } else { Err(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) };
    };
    cx.check_transactional_id(Operation::Write, id)?;
    cx.check_transaction_coordinator(id)
}
