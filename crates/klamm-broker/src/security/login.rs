//! Pure: how far a connection has come in saying who it is.
//!
//! ```text
//!   Open ── for listeners without SASL ──────────────────────────────────── (never changes)
//!   Silent ─ SaslHandshake ─► Chosen ─ SaslAuthenticate ─► Busy ─► Chosen …  ─► Done ─ SaslHandshake ─► Chosen …
//!                                                            └─► Failed: nothing more is answered
//! ```
//!
//! A connection that is done stays done while it logs in again (KIP-368); as the same user and by the same mechanism,
//! or not at all. It ends when the session has run out and something else is asked.

use super::principal::Principal;
use super::sasl::{Mechanism, Step};
use klamm_protocol::api_key::ApiKey;
use parking_lot::Mutex;

/// A request that may not be answered now; the connection ends, as with Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotNow {
    #[error("{0:?} before authentication")]
    Unauthenticated(ApiKey),
    #[error("the session ran out after connections.max.reauth.ms")]
    Expired,
    #[error("the authentication failed")]
    Failed,
}

/// A step of the exchange that is out of order, or not the user's of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    #[error(
        "SaslHandshake and SaslAuthenticate in this order, one at a time, over a SASL listener"
    )]
    Order,
    #[error("the mechanism cannot change while the connection lasts")]
    MechanismChanged,
    #[error("the user cannot change while the connection lasts")]
    PrincipalChanged,
}

#[derive(Debug)]
enum Exchange {
    Silent,
    Chosen(Box<Step>),
    Busy,
    Failed,
}

#[derive(Debug, Clone)]
struct Done {
    principal: Principal,
    mechanism: Mechanism,
    /// When the session runs out, in milliseconds since 1970.
    expires_ms: Option<i64>,
}

#[derive(Debug)]
struct State {
    exchange: Exchange,
    done: Option<Done>,
}

/// Who speaks over a connection.
#[derive(Debug)]
pub(crate) struct Login {
    /// Whoever it is when no SASL is asked for.
    open: Option<Principal>,
    sasl: Mutex<State>,
}

impl Login {
    /// A connection of somebody who need not say more.
    pub(crate) fn open(principal: Principal) -> Self {
        Self { open: Some(principal), ..Self::sasl() }
    }

    /// A connection that has to log in.
    pub(crate) fn sasl() -> Self {
        let sasl = State { exchange: Exchange::Silent, done: None };
        Self { open: None, sasl: Mutex::new(sasl) }
    }

    /// Who it is; whoever has not logged in is nobody in particular.
    pub(crate) fn principal(&self) -> Principal {
        if let Some(principal) = &self.open {
            return principal.clone();
        }
        let state = self.sasl.lock();
        state.done.as_ref().map_or_else(Principal::anonymous, |done| done.principal.clone())
    }

    /// Whether more than the few requests of the login is answered.
    pub(crate) fn is_settled(&self) -> bool {
        self.open.is_some() || self.sasl.lock().done.is_some()
    }

    /// Whether the connection is to end.
    pub(crate) fn has_failed(&self) -> bool {
        self.open.is_none() && matches!(self.sasl.lock().exchange, Exchange::Failed)
    }

    /// Whether a request may be answered at `now_ms`.
    ///
    /// # Errors
    /// [`NotNow`]
    pub(crate) fn admit(&self, api: ApiKey, now_ms: i64) -> Result<(), NotNow> {
        if self.open.is_some() {
            return Ok(());
        }
        let state = self.sasl.lock();
        if matches!(state.exchange, Exchange::Failed) {
            return Err(NotNow::Failed);
        }
        let logs_in = matches!(api, ApiKey::SaslHandshake | ApiKey::SaslAuthenticate);
        match &state.done {
            _ if logs_in => Ok(()),
            None if api == ApiKey::ApiVersions => Ok(()),
            None => Err(NotNow::Unauthenticated(api)),
            Some(done) if done.expires_ms.is_some_and(|expires| now_ms >= expires) => {
                Err(NotNow::Expired)
            }
            Some(_) => Ok(()),
        }
    }

    /// The client chose a mechanism.
    ///
    /// # Errors
    /// [`LoginError`]; over a SASL listener the connection has failed then.
    pub(crate) fn choose(&self, mechanism: Mechanism) -> Result<(), LoginError> {
        if self.open.is_some() {
            return Err(LoginError::Order);
        }
        let mut state = self.sasl.lock();
        let error = match (&state.exchange, &state.done) {
            (Exchange::Silent, None) => None,
            (Exchange::Silent, Some(done)) if done.mechanism == mechanism => None,
            (Exchange::Silent, Some(_)) => Some(LoginError::MechanismChanged),
            _ => Some(LoginError::Order),
        };
        state.exchange = match error {
            None => Exchange::Chosen(Box::new(Step::first(mechanism))),
            Some(_) => Exchange::Failed,
        };
        error.map_or(Ok(()), Err)
    }

    /// Takes the step that the client's next token belongs to; [`Login::go_on`], [`Login::succeed`] or [`Login::fail`]
    /// follows.
    ///
    /// # Errors
    /// [`LoginError`]; over a SASL listener the connection has failed then.
    pub(crate) fn take(&self) -> Result<Step, LoginError> {
        if self.open.is_some() {
            return Err(LoginError::Order);
        }
        let mut state = self.sasl.lock();
        match std::mem::replace(&mut state.exchange, Exchange::Failed) {
            Exchange::Chosen(step) => {
                state.exchange = Exchange::Busy;
                Ok(*step)
            }
            _ => Err(LoginError::Order),
        }
    }

    /// Another token is needed.
    pub(crate) fn go_on(&self, step: Step) {
        self.leave_busy(Exchange::Chosen(Box::new(step)));
    }

    /// The client is who it says, until `expires_ms`.
    ///
    /// # Errors
    /// [`LoginError::PrincipalChanged`]; the connection has failed then.
    pub(crate) fn succeed(
        &self,
        principal: Principal,
        mechanism: Mechanism,
        expires_ms: Option<i64>,
    ) -> Result<(), LoginError> {
        let mut state = self.sasl.lock();
        if state.done.as_ref().is_some_and(|done| done.principal != principal) {
            state.exchange = Exchange::Failed;
            return Err(LoginError::PrincipalChanged);
        }
        // A request out of order while this was under way has failed the connection: that stands.
        if matches!(state.exchange, Exchange::Busy) {
            state.exchange = Exchange::Silent;
            state.done = Some(Done { principal, mechanism, expires_ms });
        }
        Ok(())
    }

    /// The client is not who it says, or does not keep to the rules.
    pub(crate) fn fail(&self) {
        self.sasl.lock().exchange = Exchange::Failed;
    }

    fn leave_busy(&self, next: Exchange) {
        let mut state = self.sasl.lock();
        if matches!(state.exchange, Exchange::Busy) {
            state.exchange = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Mechanism = Mechanism::Plain;

    fn log_in(login: &Login, user: &str, expires_ms: Option<i64>) -> Result<(), LoginError> {
        login.choose(PLAIN)?;
        login.take()?;
        login.succeed(Principal::user(user), PLAIN, expires_ms)
    }

    #[test]
    fn before_login_three_apis_are_admitted() {
        let login = Login::sasl();
        for api in [ApiKey::ApiVersions, ApiKey::SaslHandshake, ApiKey::SaslAuthenticate] {
            assert_eq!(login.admit(api, 0), Ok(()));
        }
        for api in [ApiKey::Metadata, ApiKey::Produce, ApiKey::Fetch] {
            assert_eq!(login.admit(api, 0), Err(NotNow::Unauthenticated(api)));
        }
        assert!(!login.is_settled());
        log_in(&login, "a", None).unwrap();
        assert!(login.is_settled());
        assert_eq!(login.principal(), Principal::user("a"));
        assert_eq!(login.admit(ApiKey::Produce, i64::MAX), Ok(()));
    }

    #[test]
    fn a_session_runs_out_and_can_be_renewed() {
        let login = Login::sasl();
        log_in(&login, "a", Some(100)).unwrap();
        assert_eq!(login.admit(ApiKey::Produce, 99), Ok(()));
        assert_eq!(login.admit(ApiKey::Produce, 100), Err(NotNow::Expired));
        assert_eq!(login.admit(ApiKey::ApiVersions, 100), Err(NotNow::Expired));
        assert_eq!(login.admit(ApiKey::SaslHandshake, 100), Ok(()));
        log_in(&login, "a", Some(200)).unwrap();
        assert_eq!(login.admit(ApiKey::Produce, 199), Ok(()));
    }

    #[test]
    fn nobody_becomes_somebody_else() {
        let login = Login::sasl();
        log_in(&login, "a", None).unwrap();
        assert_eq!(log_in(&login, "b", None), Err(LoginError::PrincipalChanged));
        assert!(login.has_failed());
        assert_eq!(login.principal(), Principal::user("a"));
        let login = Login::sasl();
        log_in(&login, "a", None).unwrap();
        let scram = Mechanism::Scram(super::super::credential::Hash::Sha256);
        assert_eq!(login.choose(scram), Err(LoginError::MechanismChanged));
        assert_eq!(login.admit(ApiKey::Produce, 0), Err(NotNow::Failed));
    }

    #[test]
    fn steps_out_of_order_fail_the_connection() {
        let login = Login::sasl();
        assert_eq!(login.take().unwrap_err(), LoginError::Order);
        assert!(login.has_failed());
        let login = Login::sasl();
        login.choose(PLAIN).unwrap();
        assert_eq!(login.choose(PLAIN), Err(LoginError::Order));
        let login = Login::sasl();
        login.choose(PLAIN).unwrap();
        login.take().unwrap();
        assert_eq!(login.take().unwrap_err(), LoginError::Order, "one token at a time");
        // The first comes to its end all the same, and does not heal it.
        login.succeed(Principal::user("a"), PLAIN, None).unwrap();
        assert!(login.has_failed() && !login.is_settled());
    }

    #[test]
    fn an_open_listener_asks_nothing_and_offers_nothing() {
        let login = Login::open(Principal::anonymous());
        assert!(login.is_settled());
        assert_eq!(login.choose(PLAIN), Err(LoginError::Order));
        assert_eq!(login.take().unwrap_err(), LoginError::Order);
        assert!(!login.has_failed());
    }
}
