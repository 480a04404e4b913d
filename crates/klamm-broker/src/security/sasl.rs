//! SASL mechanisms as steps: a token of the client in, an answer out.

use super::credential::Hash;
use super::plain::Plain;
use super::principal::Principal;
use super::scram::{ClientFirst, Exchange};
use super::settings::SaslSettings;
use super::users::Users;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Passwords hashed at a time; the others wait, so that a storm of logins leaves the processor to those inside.
const MAX_HASHING: usize = 2;

/// Bytes of our part of a nonce.
const NONCE_BYTES: usize = 24;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    Scram(Hash),
}

impl Mechanism {
    pub(crate) const ALL: [Self; 3] =
        [Self::Plain, Self::Scram(Hash::Sha256), Self::Scram(Hash::Sha512)];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(hash) => hash.mechanism(),
        }
    }
}

impl FromStr for Mechanism {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name).ok_or(())
    }
}

/// Where an exchange stands.
#[derive(Debug)]
pub(crate) struct Step {
    mechanism: Mechanism,
    /// The second half of SCRAM.
    scram: Option<(String, Exchange)>,
}

/// What a token leads to.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Say this; another token follows.
    Challenge(String, Step),
    /// Say this; the client is who it says.
    Success(String, Principal),
    /// Say that it is not.
    Failure,
}

impl Step {
    pub(crate) fn first(mechanism: Mechanism) -> Self {
        Self { mechanism, scram: None }
    }

    pub(crate) fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn scram(self, users: &Users, hash: Hash, token: &[u8]) -> Progress {
        let step = match self.scram {
            None => begin_scram(users, hash, token),
            Some((user, exchange)) => exchange
                .finish(token)
                .map_err(|e| e.to_string())
                .map(|message| Progress::Success(message, Principal::user(user))),
        };
        step.unwrap_or_else(|why| {
            tracing::debug!(%why, mechanism = hash.mechanism(), "a login failed");
            Progress::Failure
        })
    }
}

fn begin_scram(users: &Users, hash: Hash, token: &[u8]) -> Result<Progress, String> {
    let first = ClientFirst::parse(token).map_err(|e| e.to_string())?;
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|e| e.to_string())?;
    let nonce = BASE64_STANDARD.encode(nonce);
    let (credential, known) = users.credential(first.user(), hash);
    let (exchange, message) = Exchange::begin(hash, &first, &nonce, credential, known);
    let scram = Some((first.user().to_owned(), exchange));
    Ok(Progress::Challenge(message, Step { mechanism: Mechanism::Scram(hash), scram }))
}

/// Who may log in, and by what.
#[derive(Debug)]
pub(crate) struct Sasl {
    users: Arc<Users>,
    mechanisms: Vec<Mechanism>,
    max_reauth: Option<Duration>,
    hashing: Semaphore,
}

impl Sasl {
    pub(super) fn new(users: Arc<Users>, settings: &SaslSettings) -> Self {
        let (mechanisms, max_reauth) = (settings.mechanisms.clone(), settings.max_reauth);
        Self { users, mechanisms, max_reauth, hashing: Semaphore::new(MAX_HASHING) }
    }

    /// What is offered.
    pub(crate) fn mechanisms(&self) -> &[Mechanism] {
        &self.mechanisms
    }

    /// `connections.max.reauth.ms`, in milliseconds; none: sessions have no end.
    pub(crate) fn session_lifetime_ms(&self) -> Option<i64> {
        self.max_reauth.map(|lifetime| i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX))
    }

    /// Does a step; PLAIN hashes a password, off the threads of the runtime.
    pub(crate) async fn advance(&self, step: Step, token: &[u8]) -> Progress {
        match step.mechanism {
            Mechanism::Scram(hash) => step.scram(&self.users, hash, token),
            Mechanism::Plain => self.plain(token).await,
        }
    }

    async fn plain(&self, token: &[u8]) -> Progress {
        let Ok(plain) = Plain::parse(token) else { return Progress::Failure };
        let Ok(_turn) = self.hashing.acquire().await else { return Progress::Failure };
        let users = self.users.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let right = users.has_password(&plain.user, plain.password.expose_secret().as_bytes());
            right.then_some(plain.user)
        });
        match hashed.await {
            Ok(Some(user)) => Progress::Success(String::new(), Principal::user(user)),
            _ => Progress::Failure,
        }
    }
}
