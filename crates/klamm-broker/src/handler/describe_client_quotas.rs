//! DescribeClientQuotas (48), versions 0-1 (KIP-546).
//!
//! Nobody is limited, and nobody can be: AlterClientQuotas is not served. It is answered because Kafka's own tools ask
//! for quotas whenever they show a user.

use super::{Answer, Context, Handle};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for DescribeClientQuotasRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<DescribeClientQuotasResponse> {
        match cx.check_cluster(Operation::DescribeConfigs) {
            Ok(()) => Ok(DescribeClientQuotasResponse {
                error_message: None,
                ..DescribeClientQuotasResponse::default()
            }),
            Err(code) => Ok(self.refuse(&cx, code)),
        }
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeClientQuotasResponse {
        DescribeClientQuotasResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            entries: None,
            ..DescribeClientQuotasResponse::default()
        }
    }
}
