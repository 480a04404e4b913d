//! What all clones of a guard share.

use super::config::{Access, AccountConfig, GuardConfig, GuardError, RouteConfig};
use super::credentials::Credentials;
use super::credentials_file::CredentialsFile;
use super::denied::Denied;
use super::jwt::{Keys, NotProven};
use super::principal::{Accounts, Allowance, Principal, ProvenBy};
use super::quota::Quota;
use super::shown::{Login, login};
use super::signature::Verifier;
use crate::Peer;
use crate::watched_file::Looks;
use http::HeaderMap;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// Who shows nothing and need not.
const ANONYMOUS: &str = "anonymous";
/// Passwords that are worked through at once.
const PASSWORDS_AT_ONCE: usize = 2;
/// Passwords that are worked through or wait for that.
const PASSWORDS_MAX: usize = 64;
/// When somebody whose password could not wait may come again.
const PASSWORDS_LATER: Duration = Duration::from_secs(1);
/// When somebody whose token could not be checked may come again.
const KEYS_LATER: Duration = Duration::from_secs(10);
/// The one way there is without passwords.
const BEARER: &str = "Bearer realm=\"klamm\"";
/// Both ways that a client may choose from.
const CHALLENGE: &str = "Bearer realm=\"klamm\", Basic realm=\"klamm\", charset=\"UTF-8\"";

pub(super) struct Inner {
    accounts: Accounts,
    credentials: Option<RwLock<Arc<Credentials>>>,
    keys: Option<Keys>,
    certificates: bool,
    /// Accounts that are not called as their certificate is.
    certified: BTreeMap<String, String>,
    anonymous: Option<Principal>,
    /// Those that differ.
    routes: BTreeMap<String, OwnRules>,
    challenge: &'static str,
    waiting: Arc<Semaphore>,
    working: Arc<Semaphore>,
    started: Instant,
    pub(super) looks: Looks,
    stale: Mutex<Option<String>>,
}

/// The rules of a route on which nobody is asked who they are.
struct OwnRules {
    principal: Principal,
    signed: Option<Verifier>,
}

impl OwnRules {
    /// Those of a route; `quota` is for one that has none of its own.
    fn new(route: &RouteConfig, quota: Quota) -> Result<Option<Self>, GuardError> {
        let rules = match &route.access {
            Access::Known => return Ok(None),
            Access::Everyone(allowance) => {
                Self { principal: nobody(allowance.clone().or_quota(quota)), signed: None }
            }
            Access::Signed { signature, allowance } => {
                let name = format!("webhook:{}", route.route);
                let wrong = |wrong| GuardError::Secret { route: route.route.clone(), wrong };
                let verifier = Verifier::new(signature).map_err(wrong)?;
                let allowance = allowance.clone().or_quota(quota);
                let principal = Principal::alone(&name, allowance, ProvenBy::Signature);
                Self { principal, signed: Some(verifier) }
            }
        };
        Ok(Some(rules))
    }
}

fn nobody(allowance: Allowance) -> Principal {
    Principal::alone(ANONYMOUS, allowance, ProvenBy::Nothing)
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

impl Inner {
    /// Of a guard that lets everything pass.
    pub(super) fn open() -> Self {
        Self::with(GuardConfig::default(), BTreeMap::new(), None, None)
    }

    /// With what was in the file of keys and passwords.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn new(
        config: GuardConfig,
        file: Option<CredentialsFile>,
    ) -> Result<Self, GuardError> {
        let random = file.is_some().then(random).transpose().map_err(GuardError::Random)?;
        let mut routes = BTreeMap::new();
        for route in &config.routes {
            if let Some(rules) = OwnRules::new(route, config.quota)? {
                routes.insert(route.route.clone(), rules);
            }
        }
        let keys = config.tokens.clone().map(Keys::start).transpose();
        let keys = keys.map_err(GuardError::Tokens)?;
        Ok(Self::with(config, routes, file.zip(random), keys))
    }

    fn with(
        config: GuardConfig,
        routes: BTreeMap<String, OwnRules>,
        file: Option<(CredentialsFile, [u8; 48])>,
        keys: Option<Keys>,
    ) -> Self {
        let asks = config.asks();
        let certified = |a: &AccountConfig| Some((a.certificate.clone()?, a.name.clone()));
        let certified = config.accounts.iter().filter_map(certified).collect();
        let limited = |allowance: Allowance| allowance.or_quota(config.quota);
        let known = config.accounts.into_iter().map(|a| (a.name.into(), limited(a.allowance)));
        let accounts = Accounts::new(known, limited(config.others));
        let anonymous = config.anonymous.or_else(|| (!asks).then(Default::default));
        let anonymous =
            anonymous.map(|anonymous| limited(anonymous.or_quota(config.anonymous_quota)));
        let credentials = file.map(|(file, random)| Credentials::new(file, &accounts, 0, random));
        let challenge = match (&credentials, &keys) {
            (Some(_), _) => CHALLENGE,
            (None, Some(_)) => BEARER,
            (None, None) => "",
        };
        Self {
            accounts,
            credentials: credentials.map(Arc::new).map(RwLock::new),
            keys,
            certificates: config.certificates,
            certified,
            anonymous: anonymous.map(nobody),
            routes,
            challenge,
            waiting: Arc::new(Semaphore::new(PASSWORDS_MAX)),
            working: Arc::new(Semaphore::new(PASSWORDS_AT_ONCE)),
            started: Instant::now(),
            looks: Looks::default(),
            stale: Mutex::default(),
        }
    }

    /// Whether a request may say who sends it.
    pub(super) fn asks(&self) -> bool {
        self.credentials.is_some() || self.keys.is_some()
    }

    /// Nanoseconds since the guard started.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn reload(&self) {
        self.looks.now();
        if let Some(keys) = &self.keys {
            keys.reload();
        }
    }

    pub(super) fn stale(&self) -> Option<String> {
        let keys = || self.keys.as_ref().and_then(Keys::stale);
        self.stale.lock().clone().or_else(keys)
    }

    pub(super) fn unknown(&self, reason: &'static str) -> Denied {
        Denied::Unauthenticated { challenge: self.challenge.to_owned(), reason }
    }

    /// Who everybody is on this route.
    pub(super) fn of_route(&self, route: &str) -> Option<Principal> {
        self.routes.get(route).map(|rules| rules.principal.clone())
    }

    /// Checks the signature of a body where the route asks for one; returns what names the request.
    pub(super) fn signed(
        &self,
        route: &str,
        headers: &HeaderMap,
        raw: &[u8],
        now_ms: i64,
    ) -> Result<Option<Vec<u8>>, Denied> {
        let signed = self.routes.get(route).and_then(|rules| rules.signed.as_ref());
        let Some(verifier) = signed else { return Ok(None) };
        verifier.check(headers, raw, now_ms).map_err(|reason| Denied::Signature { reason })
    }

    /// Who shows nothing in the request: whom the certificate names, else nobody.
    pub(super) fn without_proof(&self, peer: &Peer) -> Result<Principal, Denied> {
        if let Some(name) = peer.certificate.as_ref().filter(|_| self.certificates) {
            let name = self.certified.get(&**name).map_or(&**name, String::as_str);
            return Ok(self.accounts.principal(name, ProvenBy::Certificate, self.now()));
        }
        self.anonymous.clone().ok_or_else(|| self.unknown("the request does not say who sends it"))
    }

    pub(super) fn key(&self, shown: &str) -> Result<Principal, Denied> {
        let credentials = self.credentials.as_ref().map(RwLock::read);
        let found = credentials.and_then(|credentials| credentials.key(shown));
        found.ok_or_else(|| self.unknown("this API key is not known, or revoked"))
    }

    pub(super) async fn basic(&self, encoded: &str) -> Result<Principal, Denied> {
        let wrong = || self.unknown("name or password is wrong");
        let current = self.credentials.as_ref().map(|credentials| credentials.read().clone());
        let credentials = current.ok_or_else(wrong)?;
        let digest = credentials.proven.digest(encoded);
        if let Some(principal) = credentials.proven.find(&digest, 0) {
            return Ok(principal);
        }
        let login = login(encoded).map_err(|reason| self.unknown(reason))?;
        let found = self.work(credentials.clone(), login).await?.ok_or_else(wrong)?;
        credentials.proven.keep(digest, found.clone(), None);
        Ok(found)
    }

    pub(super) async fn token(&self, token: &str) -> Result<Principal, Denied> {
        let Some(keys) = &self.keys else {
            return Err(self.unknown("bearer tokens other than API keys are not taken"));
        };
        let proven = keys.prove(token, &self.accounts, seconds_since_1970(), self.now()).await;
        proven.map_err(|not| match not {
            NotProven::Bad(reason) => self.unknown(reason),
            NotProven::NoKeys => Denied::Unavailable {
                retry_after: KEYS_LATER,
                reason: "the keys that tokens are checked with could not be read so far",
            },
        })
    }

    /// Works through a password on another thread: it takes some tenths of a second, which a connection's thread has not.
    async fn work(
        &self,
        credentials: Arc<Credentials>,
        login: Login,
    ) -> Result<Option<Principal>, Denied> {
        let busy = || Denied::TooMany {
            retry_after: PASSWORDS_LATER,
            reason: "too many passwords are being checked",
        };
        let waiting = self.waiting.clone().try_acquire_owned().map_err(|_| busy())?;
        let working = self.working.clone().acquire_owned().await.map_err(|_| busy())?;
        let work = tokio::task::spawn_blocking(move || {
            let found = credentials.password(&login);
            // Held by the work and not by who waits for it: whoever goes away makes no room for more of it.
            drop((waiting, working));
            found
        });
        work.await.map_err(|_| busy())
    }

    /// Takes over what the file holds now, or says why that cannot be.
    pub(super) fn replace(&self, changed: Result<Option<CredentialsFile>, String>) {
        let Some(current) = &self.credentials else { return };
        let taken = changed.and_then(|file| {
            let Some(file) = file else { return Ok(false) };
            let new = Credentials::new(file, &self.accounts, self.now(), random()?);
            *current.write() = Arc::new(new);
            Ok(true)
        });
        let mut stale = self.stale.lock();
        match taken {
            Ok(false) => {}
            Ok(true) => {
                *stale = None;
                tracing::info!("API keys and passwords were read again");
            }
            Err(reason) if stale.as_ref() == Some(&reason) => {}
            Err(reason) => {
                tracing::warn!(reason, "API keys and passwords stay as they were");
                *stale = Some(reason);
            }
        }
    }
}

fn seconds_since_1970() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn random() -> Result<[u8; 48], String> {
    let mut bytes = [0; 48];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
