//! SASL: proving to a broker who we are, at first and again before the session ends (KIP-368).

mod oauthbearer;
mod oidc;
mod scram;

pub use self::oauthbearer::{Token, TokenError, TokenProvider};
pub use self::oidc::ClientCredentials;

use super::connector::Transport;
use super::error::{ConnectError, ConnectStage, quoted};
use super::exchange::exchange;
use super::settings::{ConnectionSettings, Sasl};
use super::{ApiVersions, negotiate};
use crate::error::ErrorKind;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::header::decode_response;
use klamm_protocol::message::{
    Request, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// An authenticated session, and when to renew it.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) reauthenticate_at: Option<Instant>,
}

impl Session {
    /// Whether it is time to authenticate again.
    pub(crate) fn is_due(&self) -> bool {
        self.reauthenticate_at.is_some_and(|at| at <= Instant::now())
    }
}

/// The longest session that is believed; a broker cannot overflow our clock.
const SESSION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Runs the configured mechanism on a fresh or drained transport; nothing without one.
pub(crate) async fn authenticate(
    transport: &mut Transport,
    settings: &ConnectionSettings,
    address: &Arc<str>,
    versions: &ApiVersions,
) -> Result<Session, ConnectError> {
    let Some(sasl) = &settings.sasl else { return Ok(Session::default()) };
    let mut conversation = Conversation { transport, settings, address, versions, next_id: 10 };
    conversation.choose_mechanism(sasl).await?;
    if matches!(sasl, Sasl::Plain { .. }) && settings.tls.is_none() {
        tracing::warn!(broker = %address, "SASL PLAIN without TLS: the password travels in clear text");
    }
    let last = match sasl {
        Sasl::Plain { username, password } => {
            let message = format!("\0{username}\0{}", password.expose_secret());
            conversation.say(message.into()).await?
        }
        Sasl::Scram { mechanism, username, password } => {
            conversation.scram(*mechanism, username, password).await?
        }
        Sasl::OAuthBearer(provider) => conversation.oauthbearer(provider.as_ref()).await?,
    };
    let reauthenticate_at =
        u64::try_from(last.session_lifetime_ms).ok().filter(|ms| *ms > 0).map(|ms| {
            // Between 85 and 95 % of the lifetime, so that a fleet does not come back all at once.
            let share = 0.85 + 0.1 * fastrand::f64();
            Instant::now() + Duration::from_millis(ms).min(SESSION_MAX).mul_f64(share)
        });
    Ok(Session { reauthenticate_at })
}

/// A nonce that nobody can foresee, of printable characters without commas.
fn nonce() -> Result<String, String> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|e| format!("the system gives no random bytes: {e}"))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// A transport in the middle of authentication.
struct Conversation<'a> {
    transport: &'a mut Transport,
    settings: &'a ConnectionSettings,
    address: &'a Arc<str>,
    versions: &'a ApiVersions,
    next_id: i32,
}

impl Conversation<'_> {
    fn error(&self, kind: ErrorKind, reason: impl Into<Arc<str>>) -> ConnectError {
        ConnectError::new(self.address, ConnectStage::Sasl, kind, reason)
    }

    async fn ask<R: Request>(
        &mut self,
        api: ApiKey,
        request: &R,
    ) -> Result<R::Response, ConnectError> {
        let wanted = 0..=i16::MAX;
        // SaslHandshake v0 would change the framing of everything after it.
        let wanted = if api == ApiKey::SaslHandshake { 1..=1 } else { wanted };
        let version = negotiate(api, self.versions, wanted, self.address)
            .map_err(|e| self.error(ErrorKind::Fatal, e.to_string()))?;
        self.next_id += 1;
        let (id, client_id) = (self.next_id, &self.settings.client_id);
        let frame: Bytes = exchange(self.transport, client_id, request, version, id)
            .await
            .map_err(|e| e.at(self.address, ConnectStage::Sasl))?;
        decode_response::<R>(frame, version)
            .map(|(_, response)| response)
            .map_err(|e| self.error(ErrorKind::Fatal, format!("malformed response: {e}")))
    }

    async fn choose_mechanism(&mut self, sasl: &Sasl) -> Result<(), ConnectError> {
        let request = SaslHandshakeRequest { mechanism: sasl.name().into() };
        let response = self.ask(ApiKey::SaslHandshake, &request).await?;
        ErrorCode(response.error_code).check().map_err(|code| {
            let offered: Vec<&str> = response.mechanisms.iter().map(|m| m.as_str()).collect();
            let offered = quoted(&offered.join(", "));
            let reason = format!("{code}; it offers {offered}, not {}", sasl.name());
            self.error(ErrorKind::Misuse, reason)
        })
    }

    /// Sends one message of the mechanism and returns the answer.
    async fn say(&mut self, auth_bytes: Bytes) -> Result<SaslAuthenticateResponse, ConnectError> {
        let request = SaslAuthenticateRequest { auth_bytes };
        let response = self.ask(ApiKey::SaslAuthenticate, &request).await?;
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => Ok(response),
            ErrorCode::SASL_AUTHENTICATION_FAILED => {
                let said = response.error_message.as_deref().unwrap_or("no reason given");
                let reason = format!("the credentials are refused: {}", quoted(said));
                Err(self.error(ErrorKind::Unauthorized, reason))
            }
            code if code.is_retriable() => Err(self.error(ErrorKind::Retriable, code.to_string())),
            code => Err(self.error(ErrorKind::Unauthorized, code.to_string())),
        }
    }

    async fn scram(
        &mut self,
        mechanism: super::settings::ScramMechanism,
        username: &str,
        password: &secrecy::SecretString,
    ) -> Result<SaslAuthenticateResponse, ConnectError> {
        let nonce = nonce().map_err(|e| self.error(ErrorKind::Fatal, e))?;
        let first = scram::ClientFirst::new(mechanism, username, &nonce);
        let server_first = self.say(first.message().into()).await?;
        let password = password.clone();
        // Thousands of hash rounds: not on the thread that serves every other connection.
        let answered = tokio::task::spawn_blocking(move || {
            first.handle_server_first(&server_first.auth_bytes, password.expose_secret())
        });
        let proof = match answered.await {
            Ok(Ok(proof)) => proof,
            Ok(Err(e)) => return Err(self.error(ErrorKind::Unauthorized, e.to_string())),
            Err(e) => return Err(self.error(ErrorKind::Fatal, e.to_string())),
        };
        let server_final = self.say(proof.message().to_owned().into()).await?;
        proof
            .handle_server_final(&server_final.auth_bytes)
            .map_err(|e| self.error(ErrorKind::Unauthorized, e.to_string()))?;
        Ok(server_final)
    }

    async fn oauthbearer(
        &mut self,
        provider: &dyn TokenProvider,
    ) -> Result<SaslAuthenticateResponse, ConnectError> {
        let token =
            provider.token().await.map_err(|e| self.error(e.kind(), format!("no token: {e}")))?;
        let first = oauthbearer::client_first(&token)
            .map_err(|reason| self.error(ErrorKind::Misuse, reason))?;
        let response = self.say(first).await?;
        if response.auth_bytes.is_empty() {
            return Ok(response);
        }
        // RFC 7628: an error comes as JSON, and the client ends the exchange with a single 0x01.
        let said = quoted(&String::from_utf8_lossy(&response.auth_bytes));
        let _ = self.say(Bytes::from_static(b"\x01")).await;
        Err(self.error(ErrorKind::Unauthorized, format!("the token is refused: {said}")))
    }
}
