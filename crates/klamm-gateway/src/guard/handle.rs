//! `Guard`: asked before a request's body is read, once more when its topic is known, and once when its records are.

use super::config::{GuardConfig, GuardError};
use super::credentials_file::{CredentialsFile, is_principal_name};
use super::denied::Denied;
use super::inner::Inner;
use super::principal::Principal;
use super::shown::Shown;
use crate::Peer;
use crate::watched_file::{Looks, WatchedFile};
use http::request::Parts;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Weak};

/// Says who may send what. Clones are the same one.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Guard {
    /// Everyone may do everything.
    pub fn open() -> Self {
        Self { inner: Arc::new(Inner::open()) }
    }

    /// Reads the files that `config` names and follows their changes until the last clone is dropped. Blocks for as long as
    /// reading takes; has to be called inside a tokio runtime if there are files.
    ///
    /// # Errors
    /// A file is wrong or the configuration contradicts itself.
    pub fn start(config: GuardConfig) -> Result<Self, GuardError> {
        check(&config)?;
        let Some(path) = config.credentials.clone() else {
            return Ok(Self { inner: Arc::new(Inner::new(config, None)?) });
        };
        let mut file = WatchedFile::new(path.clone());
        let read = read(&mut file).map_err(|reason| GuardError::File { path, reason })?;
        let inner = Arc::new(Inner::new(config, Some(read.unwrap_or_default()))?);
        follow(Arc::downgrade(&inner), file, inner.looks.clone());
        Ok(Self { inner })
    }

    /// Who sends this request, before its body is read. Takes a table's look-up or two; only a password that was not shown
    /// before is worked through on another thread, and a token that names a new key may wait for it; nothing blocks. `route` is the configured route's name, none for
    /// built-in paths.
    ///
    /// Dropping the future takes nothing back and leaves nothing behind.
    ///
    /// # Errors
    /// [`Denied::Unauthenticated`]; [`Denied::TooMany`] if too many passwords wait to be worked through;
    /// [`Denied::Unavailable`] if the keys of tokens cannot be had.
    pub async fn head(
        &self,
        head: &Parts,
        peer: &Peer,
        route: Option<&str>,
    ) -> Result<Principal, Denied> {
        let inner = &self.inner;
        if let Some(principal) = route.and_then(|route| inner.of_route(route)) {
            return Ok(principal);
        }
        if !inner.asks() {
            return inner.without_proof(peer);
        }
        match Shown::of(&head.headers).map_err(|reason| inner.unknown(reason))? {
            Shown::Nothing => inner.without_proof(peer),
            Shown::Key(key) => inner.key(key),
            Shown::Basic(encoded) => inner.basic(encoded).await,
            Shown::Token(token) => inner.token(token).await,
        }
    }

    /// Whether they may produce to `topic`.
    ///
    /// # Errors
    /// [`Denied::Forbidden`]
    pub fn topic(&self, who: &Principal, topic: &str) -> Result<(), Denied> {
        allowed(who.may_produce(topic), who, "produce to", topic)
    }

    /// Whether they may read `topic`.
    ///
    /// # Errors
    /// [`Denied::Forbidden`]
    pub fn read(&self, who: &Principal, topic: &str) -> Result<(), Denied> {
        allowed(who.may_read(topic), who, "read", topic)
    }

    /// Takes one request of that many bytes and records of their quota, all of it or nothing.
    ///
    /// # Errors
    /// [`Denied::TooMany`] with the time after which the same would pass.
    pub fn charge(&self, who: &Principal, bytes: usize, records: usize) -> Result<(), Denied> {
        let reason = "this is more than the quota allows";
        who.take(self.inner.now(), bytes, records)
            .map_err(|retry_after| Denied::TooMany { retry_after, reason })
    }

    /// Checks the signature over a body as it came, where the route asks for one; what it returns names the request, so that
    /// the same is not taken twice. `now_ms` is milliseconds since 1970.
    ///
    /// # Errors
    /// [`Denied::Signature`]
    pub fn body(
        &self,
        route: Option<&str>,
        head: &Parts,
        raw: &[u8],
        now_ms: i64,
    ) -> Result<Option<Vec<u8>>, Denied> {
        let Some(route) = route else { return Ok(None) };
        self.inner.signed(route, &head.headers, raw, now_ms)
    }

    /// Looks at the files of keys soon, without waiting for the next turn.
    pub fn reload(&self) {
        self.inner.reload();
    }

    /// Why a file that changed could not be taken over; what was read before still counts.
    pub fn stale(&self) -> Option<String> {
        self.inner.stale()
    }
}

fn check(config: &GuardConfig) -> Result<(), GuardError> {
    if let Some(tokens) = &config.tokens {
        let told = [
            (tokens.issuer.is_empty(), "tokens without an issuer could be anybody's"),
            (tokens.audiences.is_empty(), "tokens without an audience could be for anybody"),
            (tokens.algorithms.is_empty(), "tokens have to be signed by some algorithm"),
        ];
        if let Some((_, wrong)) = told.iter().find(|(wrong, _)| *wrong) {
            return Err(GuardError::Config((*wrong).to_owned()));
        }
    }
    let mut certificates = BTreeSet::new();
    for name in config.accounts.iter().filter_map(|account| account.certificate.as_ref()) {
        if !certificates.insert(name) {
            return Err(GuardError::Config(format!("two accounts have the certificate {name:?}")));
        }
    }
    let mut names = BTreeSet::new();
    for name in config.accounts.iter().map(|account| &account.name) {
        if !is_principal_name(name) {
            let wrong =
                format!("{name:?} is no name of a principal: 1 to 255 bytes without blanks");
            return Err(GuardError::Config(wrong));
        }
        if !names.insert(name) {
            return Err(GuardError::Config(format!("{name} has two accounts")));
        }
    }
    Ok(())
}

fn allowed(yes: bool, who: &Principal, action: &'static str, topic: &str) -> Result<(), Denied> {
    if yes {
        return Ok(());
    }
    Err(Denied::Forbidden { principal: who.name().to_string(), action, topic: topic.to_owned() })
}

/// What the file holds now, if it changed.
fn read(file: &mut WatchedFile) -> Result<Option<CredentialsFile>, String> {
    let Some(bytes) = file.changed().map_err(|error| error.to_string())? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    CredentialsFile::parse(&text).map(Some).map_err(|wrong| wrong.to_string())
}

/// Reads the file whenever it changes, until the guard is gone.
fn follow(guard: Weak<Inner>, mut file: WatchedFile, looks: Looks) {
    tokio::spawn(async move {
        loop {
            looks.next().await;
            if guard.strong_count() == 0 {
                return;
            }
            let look = tokio::task::spawn_blocking(move || {
                let changed = read(&mut file);
                (file, changed)
            });
            let Ok((again, changed)) = look.await else { return };
            file = again;
            let Some(guard) = guard.upgrade() else { return };
            guard.replace(changed);
        }
    });
}

#[cfg(test)]
impl Guard {
    /// As if this were what the file holds now.
    pub(super) fn replaced(&self, changed: Result<Option<CredentialsFile>, String>) {
        self.inner.replace(changed);
    }
}
