//! SaslHandshake (17), versions 0-1: the client chooses a mechanism.
//!
//! After either version the tokens come in SaslAuthenticate; the bare tokens that clients of before Kafka 1.0 send
//! after version 0 are not read.

use super::{Answer, Context, Handle};
use crate::security::Mechanism;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{SaslHandshakeRequest, SaslHandshakeResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for SaslHandshakeRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<SaslHandshakeResponse> {
        let Some(sasl) = &cx.session.entrance.sasl else {
            return Ok(self.refuse(&cx, ErrorCode::ILLEGAL_SASL_STATE));
        };
        let chosen = self.mechanism.parse::<Mechanism>();
        let chosen = chosen.ok().filter(|mechanism| sasl.mechanisms().contains(mechanism));
        let code = match chosen.map(|mechanism| cx.session.login.choose(mechanism)) {
            Some(Ok(())) => ErrorCode::NONE,
            Some(Err(_)) => ErrorCode::ILLEGAL_SASL_STATE,
            None => {
                cx.session.login.fail();
                ErrorCode::UNSUPPORTED_SASL_MECHANISM
            }
        };
        Ok(self.refuse(&cx, code))
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> SaslHandshakeResponse {
        let offered = cx.session.entrance.sasl.iter().flat_map(|sasl| sasl.mechanisms());
        let mechanisms = offered.map(|mechanism| Str::from_static(mechanism.name())).collect();
        SaslHandshakeResponse { error_code: code.0, mechanisms }
    }
}
