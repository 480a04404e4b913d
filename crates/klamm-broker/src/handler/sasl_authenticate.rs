//! SaslAuthenticate (36), versions 0-2: the tokens of the mechanism chosen before.
//!
//! - 1: how long the session lasts (KIP-368); 2: flexible.
//!
//! What is wrong is not said: an unknown user, a wrong password and a message of no sense get the same answer, a
//! moment later, and the connection ends.

use super::{Answer, Context, Handle};
use crate::metrics::Stage;
use crate::security::{Mechanism, Progress};
use bytes::Bytes;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `connection.failed.authentication.delay.ms`: what a wrong guess costs whoever guesses.
const FAILURE_DELAY: Duration = Duration::from_millis(100);

impl Handle for SaslAuthenticateRequest {
    const SERVED: RangeInclusive<i16> = 0..=2;

    async fn handle(self, cx: Context) -> Answer<SaslAuthenticateResponse> {
        let login = &cx.session.login;
        let (Some(sasl), Ok(step)) = (&cx.session.entrance.sasl, login.take()) else {
            return Ok(self.refuse(&cx, ErrorCode::ILLEGAL_SASL_STATE));
        };
        let mechanism = step.mechanism();
        let connections = &cx.cluster.metrics.connections;
        match sasl.advance(step, &self.auth_bytes).await {
            Progress::Challenge(message, step) => {
                login.go_on(step);
                Ok(said(message, 0))
            }
            Progress::Success(message, principal) => {
                let lifetime = sasl.session_lifetime_ms();
                let expires = lifetime.map(|lifetime| cx.now_ms().saturating_add(lifetime));
                let succeeded = login.succeed(principal, mechanism, expires);
                connections.log_in(mechanism.name(), succeeded.is_ok());
                match succeeded {
                    Ok(()) => {
                        cx.session.place.reach(Stage::Open);
                        Ok(said(message, lifetime.unwrap_or(0)))
                    }
                    Err(why) => Ok(failure(why.to_string())),
                }
            }
            Progress::Failure => {
                connections.log_in(mechanism.name(), false);
                tokio::time::sleep(FAILURE_DELAY).await;
                login.fail();
                Ok(failure(reason(mechanism)))
            }
        }
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> SaslAuthenticateResponse {
        SaslAuthenticateResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            ..SaslAuthenticateResponse::default()
        }
    }
}

fn said(message: String, session_lifetime_ms: i64) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse {
        auth_bytes: Bytes::from(message),
        session_lifetime_ms,
        ..SaslAuthenticateResponse::default()
    }
}

fn failure(why: String) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse {
        error_code: ErrorCode::SASL_AUTHENTICATION_FAILED.0,
        error_message: Some(Str::from(why)),
        ..SaslAuthenticateResponse::default()
    }
}

/// Kafka's words, which people search for.
fn reason(mechanism: Mechanism) -> String {
    match mechanism {
        Mechanism::Plain => "Authentication failed: Invalid username or password".to_owned(),
        Mechanism::Scram(hash) => format!(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism {}",
            hash.mechanism()
        ),
    }
}
