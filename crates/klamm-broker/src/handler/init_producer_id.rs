//! InitProducerId (22), versions 0-5: an id for an idempotent producer.
//!
//! - 3: a producer may ask for a new epoch of the id it has (KIP-360).

use super::{Answer, Context, Handle};
use crate::security::{Operation, ResourceType};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{InitProducerIdRequest, InitProducerIdResponse};
use std::ops::RangeInclusive;

impl Handle for InitProducerIdRequest {
    const SERVED: RangeInclusive<i16> = 0..=5;

    async fn handle(self, cx: Context) -> Answer<InitProducerIdResponse> {
        let allowed = match &self.transactional_id {
            Some(id) => cx.authorize(Operation::Write, ResourceType::TransactionalId, id),
            None => {
                cx.authorize_cluster(Operation::IdempotentWrite)
                    || cx.authorize_any(Operation::Write, ResourceType::Topic)
            }
        };
        if !allowed {
            let code = match self.transactional_id {
                Some(_) => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                None => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
            };
            return Ok(self.refuse(&cx, code));
        }
        if self.transactional_id.is_some() {
            return Ok(self.refuse(&cx, ErrorCode::COORDINATOR_NOT_AVAILABLE));
        }
        let cluster = &cx.cluster;
        Ok(match cluster.producer_ids.next(&cluster.journal, cx.now_ms()) {
            // An id without a transaction has no coordinator that knows its epochs: it gets a new id instead.
            Ok(producer_id) => {
                InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() }
            }
            Err(code) => self.refuse(&cx, code),
        })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> InitProducerIdResponse {
        InitProducerIdResponse {
            error_code: code.0,
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        }
    }
}
