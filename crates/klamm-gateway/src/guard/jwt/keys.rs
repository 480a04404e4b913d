//! An issuer's keys as they are now, and tokens that were checked with them.

use super::config::{KeySource, TokenConfig, WrongSource};
use super::fetch::{Fetcher, trusted};
use super::jwks::KeySet;
use super::token::{Bad, check};
use crate::guard::principal::{Accounts, Principal, ProvenBy};
use crate::guard::proven::Proven;
use crate::watched_file::{Looks, WatchedFile};
use http::Uri;
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// When keys are read from the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How often without anybody asking.
    pub(super) every: Duration,
    /// How soon again when that failed.
    pub(super) again: Duration,
    /// How long after it nobody can make them be read again: tokens with invented keys must not become requests to the issuer.
    pub(super) rest: Duration,
}

const PACE: Pace = Pace {
    every: Duration::from_secs(300),
    again: Duration::from_secs(30),
    rest: Duration::from_secs(10),
};

/// How long a request waits for keys that are being read.
const WAIT_MAX: Duration = Duration::from_secs(6);

/// An issuer's keys. Clones are the same ones; reading ends with the last.
#[derive(Clone)]
pub(crate) struct Keys {
    inner: Arc<Inner>,
}

/// Why a token does not say who shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotProven {
    /// It is not good.
    Bad(&'static str),
    /// The issuer's keys could not be read so far.
    NoKeys,
}

struct Inner {
    config: TokenConfig,
    current: RwLock<Option<Arc<Current>>>,
    signals: Signals,
    looks: Looks,
    stale: Mutex<Option<String>>,
    reader: Mutex<Option<AbortHandle>>,
}

/// Between those who need keys and their reader.
struct Signals {
    progress: watch::Sender<Progress>,
    /// Has room for one wish: more are the same.
    wanted: mpsc::Sender<()>,
}

/// How far the reader is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// How often it has read or tried to.
    read: u64,
    /// It has read not long ago, and does nothing for now.
    resting: bool,
}

/// One state of the keys. What was proven with it is proven no more with another.
struct Current {
    set: KeySet,
    proven: Proven,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.lock().take() {
            reader.abort();
        }
    }
}

impl Keys {
    /// Reads a file's keys at once; those at a URL are read meanwhile. Has to be called inside a tokio runtime.
    pub(crate) fn start(config: TokenConfig) -> Result<Self, WrongSource> {
        Self::start_at(config, PACE)
    }

    /// [`Keys::start`] at another pace.
    pub(super) fn start_at(config: TokenConfig, pace: Pace) -> Result<Self, WrongSource> {
        let source = config.keys.clone();
        let (wanted, wishes) = mpsc::channel(1);
        // A file is followed at its own pace, and reading it sooner finds nothing more.
        let resting = matches!(source, KeySource::File(_));
        let (progress, _) = watch::channel(Progress { read: 0, resting });
        let inner = Arc::new(Inner {
            config,
            current: RwLock::default(),
            signals: Signals { progress, wanted },
            looks: Looks::default(),
            stale: Mutex::default(),
            reader: Mutex::default(),
        });
        let weak = Arc::downgrade(&inner);
        let reader = match source {
            KeySource::File(path) => {
                let mut file = WatchedFile::new(path.clone());
                let set =
                    read(&mut file).and_then(|set| set.ok_or_else(|| "it is empty".to_owned()));
                let taken = set.and_then(|set| inner.take(set));
                taken.map_err(|reason| WrongSource::File { path, reason })?;
                tokio::spawn(follow_file(weak, file, inner.looks.clone()))
            }
            KeySource::Url { url, ca } => {
                trusted(&url)?;
                let fetcher = Fetcher::new(ca.as_deref())?;
                tokio::spawn(follow_url(weak, fetcher, Place::Keys(url), wishes, pace))
            }
            KeySource::OpenId { ca } => {
                let place = Place::of_issuer(&inner.config.issuer)?;
                let fetcher = Fetcher::new(ca.as_deref())?;
                tokio::spawn(follow_url(weak, fetcher, place, wishes, pace))
            }
        };
        *inner.reader.lock() = Some(reader.abort_handle());
        Ok(Self { inner })
    }

    /// Who shows this token, at `now` in seconds since 1970; `clock` is what quotas go by. A token that was good is known by its
    /// hash from then on. If it names a key that is not known, and the keys were not read a moment ago, they are read again, once
    /// for all who wait.
    pub(crate) async fn prove(
        &self,
        token: &str,
        accounts: &Accounts,
        now: i64,
        clock: u64,
    ) -> Result<Principal, NotProven> {
        let first = self.inner.check(token, accounts, now, clock);
        let newer = match first {
            Err(None) => self.inner.reread().await,
            _ => false,
        };
        let last = if newer { self.inner.check(token, accounts, now, clock) } else { first };
        let none = self.inner.current.read().is_none();
        last.map_err(|reason| match reason {
            Some(reason) => NotProven::Bad(reason),
            None if none => NotProven::NoKeys,
            None => {
                NotProven::Bad("the token is signed with a key that its issuer does not publish")
            }
        })
    }

    /// Reads the keys again soon, unless they were read a moment ago.
    pub(crate) fn reload(&self) {
        self.inner.looks.now();
        // Without room there is such a wish already.
        let _ = self.inner.signals.wanted.try_send(());
    }

    /// Why the keys could not be read the last time.
    pub(crate) fn stale(&self) -> Option<String> {
        self.inner.stale.lock().clone()
    }
}

impl Inner {
    /// Fails with none when newer keys might help.
    fn check(
        &self,
        token: &str,
        accounts: &Accounts,
        now: i64,
        clock: u64,
    ) -> Result<Principal, Option<&'static str>> {
        let current = self.current.read().clone().ok_or(None)?;
        let digest = current.proven.digest(token);
        if let Some(principal) = current.proven.find(&digest, now) {
            return Ok(principal);
        }
        let good = check(&self.config, &current.set, token, now).map_err(|bad| match bad {
            Bad::UnknownKey => None,
            Bad::Reason(reason) => Some(reason),
        })?;
        let mut principal = accounts.principal(&good.name, ProvenBy::Token, clock);
        if let Some(topics) = good.topics {
            principal = principal.only(topics);
        }
        current.proven.keep(digest, principal.clone(), Some(good.until));
        Ok(principal)
    }

    /// Asks for newer keys, and waits for them unless they were read a moment ago; says whether they may be newer.
    async fn reread(&self) -> bool {
        let mut progress = self.signals.progress.subscribe();
        let before = *progress.borrow_and_update();
        // Without room there is a wish already.
        let _ = self.signals.wanted.try_send(());
        if before.resting {
            return false;
        }
        let read = progress.wait_for(|now| now.read != before.read);
        tokio::time::timeout(WAIT_MAX, read).await.is_ok_and(|read| read.is_ok())
    }

    fn take(&self, set: KeySet) -> Result<(), String> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
        *self.current.write() = Some(Arc::new(Current { set, proven: Proven::new(salt) }));
        *self.stale.lock() = None;
        Ok(())
    }

    fn fail(&self, reason: String) {
        let mut stale = self.stale.lock();
        if stale.as_ref() != Some(&reason) {
            tracing::warn!(reason, "the issuer's keys stay as they were");
            *stale = Some(reason);
        }
    }
}

fn read(file: &mut WatchedFile) -> Result<Option<KeySet>, String> {
    let Some(bytes) = file.changed().map_err(|error| error.to_string())? else { return Ok(None) };
    KeySet::parse(&bytes).map(Some).map_err(|wrong| wrong.to_string())
}

/// Reads a file whenever it changes, until nobody needs it.
async fn follow_file(keys: Weak<Inner>, mut file: WatchedFile, looks: Looks) {
    loop {
        looks.next().await;
        let look = tokio::task::spawn_blocking(move || {
            let set = read(&mut file);
            (file, set)
        });
        let Ok((again, set)) = look.await else { return };
        file = again;
        let Some(keys) = keys.upgrade() else { return };
        let taken = set.and_then(|set| set.map_or(Ok(()), |set| keys.take(set)));
        if let Err(reason) = taken {
            keys.fail(reason);
        }
    }
}

/// Where keys are on the network.
enum Place {
    Keys(Uri),
    /// Where it is said where they are, and whom they have to be of.
    OpenId {
        configuration: Uri,
        issuer: String,
    },
}

/// What is read of an OpenID configuration.
#[derive(Deserialize)]
struct OpenId {
    issuer: String,
    jwks_uri: String,
}

impl Place {
    fn of_issuer(issuer: &str) -> Result<Self, WrongSource> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let configuration: Uri = url.parse().map_err(|_| WrongSource::Url(url))?;
        trusted(&configuration)?;
        Ok(Self::OpenId { configuration, issuer: issuer.to_owned() })
    }

    async fn read(&self, fetcher: &Fetcher) -> Result<Vec<u8>, WrongSource> {
        let (configuration, issuer) = match self {
            Self::Keys(url) => return fetcher.get(url).await.map(Into::into),
            Self::OpenId { configuration, issuer } => (configuration, issuer),
        };
        let at = configuration.to_string();
        let document = fetcher.get(configuration).await?;
        let wrong = |reason: String| WrongSource::Fetch { at, reason };
        let document: OpenId = match serde_json::from_slice(&document) {
            Ok(document) => document,
            Err(error) => return Err(wrong(error.to_string())),
        };
        if document.issuer != *issuer {
            return Err(wrong(format!("it is of {:?}", document.issuer)));
        }
        let url = document.jwks_uri;
        let url: Uri = url.parse().map_err(|_| WrongSource::Url(url))?;
        fetcher.get(&url).await.map(Into::into)
    }
}

/// Reads keys from the network now and then, and when they are wanted, until nobody needs them.
async fn follow_url(
    keys: Weak<Inner>,
    fetcher: Fetcher,
    place: Place,
    mut wishes: mpsc::Receiver<()>,
    pace: Pace,
) {
    loop {
        let document = place.read(&fetcher).await.map_err(|error| error.to_string());
        let set = document.and_then(|json| KeySet::parse(&json).map_err(|e| e.to_string()));
        let Some(inner) = keys.upgrade() else { return };
        let taken = set.and_then(|set| inner.take(set));
        let pause = if taken.is_ok() { pace.every } else { pace.again };
        if let Err(reason) = taken {
            inner.fail(reason);
        }
        let progress = inner.signals.progress.clone();
        // While nothing is read, nothing is held: the reader ends with the last who needs it.
        drop(inner);
        // A wish of before is granted by now.
        let _ = wishes.try_recv();
        progress.send_modify(|now| *now = Progress { read: now.read + 1, resting: true });
        tokio::time::sleep(pace.rest).await;
        progress.send_modify(|now| now.resting = false);
        let wish = tokio::time::timeout(pause.saturating_sub(pace.rest), wishes.recv()).await;
        if wish == Ok(None) {
            return;
        }
    }
}

#[cfg(test)]
impl Keys {
    /// Until keys would be read at once if somebody wanted newer ones.
    pub(super) async fn rested(&self) {
        let mut progress = self.inner.signals.progress.subscribe();
        progress.wait_for(|now| !now.resting).await.unwrap();
    }
}
