//! Who is allowed what, and how much of it they have used.

use super::quota::{Bucket, Quota};
use super::topics::Topics;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Names that no account is configured for and that have used of their quota: no more are told apart.
const STRANGERS_MAX: usize = 10_000;

/// What somebody may do.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// Topics to produce to.
    pub produce: Topics,
    /// Topics to read.
    pub read: Topics,
    /// How much, in a second.
    pub quota: Quota,
}

/// Everything, without limit.
impl Default for Allowance {
    fn default() -> Self {
        Self { produce: Topics::all(), read: Topics::all(), quota: Quota::default() }
    }
}

impl Allowance {
    /// The same with this quota, unless it has one.
    pub(super) fn or_quota(mut self, quota: Quota) -> Self {
        if self.quota.is_unlimited() {
            self.quota = quota;
        }
        self
    }
}

/// How it is known who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvenBy {
    /// It is not: they showed nothing and need not.
    Nothing,
    /// An API key.
    Key,
    /// A name and its password.
    Password,
    /// A JWT.
    Token,
    /// A TLS certificate.
    Certificate,
    /// The signature over the body, which is still to be checked.
    Signature,
}

/// Who sends a request, and what they may do. Clones are the same one and share its quota.
#[derive(Clone)]
pub struct Principal {
    account: Arc<Account>,
    proven_by: ProvenBy,
    /// What the proof itself is good for; none: for all that the account may do.
    only: Option<Arc<Topics>>,
}

struct Account {
    name: Arc<str>,
    allowance: Arc<Allowance>,
    bucket: Arc<Mutex<Bucket>>,
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({:?} by {:?})", self.account.name, self.proven_by)
    }
}

impl Principal {
    /// Somebody with an account of its own.
    pub(crate) fn alone(name: &str, allowance: Allowance, proven_by: ProvenBy) -> Self {
        let allowance = Arc::new(allowance);
        let account = Account { name: name.into(), allowance, bucket: Arc::default() };
        Self { account: Arc::new(account), proven_by, only: None }
    }

    /// The name in the configuration, in key files and in logs.
    pub fn name(&self) -> &Arc<str> {
        &self.account.name
    }

    /// How it is known.
    pub fn proven_by(&self) -> ProvenBy {
        self.proven_by
    }

    /// The same, by a proof that is good for these topics alone.
    pub(crate) fn only(self, topics: Topics) -> Self {
        Self { only: Some(Arc::new(topics)), ..self }
    }

    pub(crate) fn may_produce(&self, topic: &str) -> bool {
        self.account.allowance.produce.has(topic) && self.is_good_for(topic)
    }

    pub(crate) fn may_read(&self, topic: &str) -> bool {
        self.account.allowance.read.has(topic) && self.is_good_for(topic)
    }

    fn is_good_for(&self, topic: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.has(topic))
    }

    /// Takes one request of its quota; see [`Bucket::take`].
    ///
    /// # Errors
    /// How long until it would pass.
    pub(crate) fn take(&self, now: u64, bytes: usize, records: usize) -> Result<(), Duration> {
        let quota = &self.account.allowance.quota;
        if quota.is_unlimited() {
            return Ok(());
        }
        self.account.bucket.lock().take(quota, now, bytes, records)
    }
}

/// All accounts: those that are configured, and strangers' that are known only by what they have used.
pub(crate) struct Accounts {
    known: BTreeMap<Arc<str>, Arc<Account>>,
    others: Arc<Allowance>,
    strangers: Mutex<BTreeMap<Arc<str>, Arc<Mutex<Bucket>>>>,
    /// What strangers share once there are too many to tell apart.
    crowd: Arc<Mutex<Bucket>>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Accounts {
    pub(crate) fn new(
        known: impl IntoIterator<Item = (Arc<str>, Allowance)>,
        others: Allowance,
    ) -> Self {
        let account = |(name, allowance): (Arc<str>, Allowance)| {
            let bucket = Arc::default();
            (name.clone(), Arc::new(Account { name, allowance: Arc::new(allowance), bucket }))
        };
        Self {
            known: known.into_iter().map(account).collect(),
            others: Arc::new(others),
            strangers: Mutex::default(),
            crowd: Arc::default(),
        }
    }

    /// Whoever has this name. What a name has used stays with it from one request to the next.
    pub(crate) fn principal(&self, name: &str, proven_by: ProvenBy, now: u64) -> Principal {
        if let Some(account) = self.known.get(name) {
            return Principal { account: account.clone(), proven_by, only: None };
        }
        let name: Arc<str> = name.into();
        let bucket = if self.others.quota.is_unlimited() {
            self.crowd.clone()
        } else {
            self.stranger(&name, now)
        };
        let account = Account { name, allowance: self.others.clone(), bucket };
        Principal { account: Arc::new(account), proven_by, only: None }
    }

    fn stranger(&self, name: &Arc<str>, now: u64) -> Arc<Mutex<Bucket>> {
        let mut strangers = self.strangers.lock();
        if let Some(bucket) = strangers.get(name) {
            return bucket.clone();
        }
        if strangers.len() >= STRANGERS_MAX {
            // An idle bucket that nobody holds is as good as none.
            let needed = |bucket: &Arc<Mutex<Bucket>>| {
                Arc::strong_count(bucket) > 1 || !bucket.lock().is_idle(now)
            };
            strangers.retain(|_, bucket| needed(bucket));
        }
        if strangers.len() >= STRANGERS_MAX {
            return self.crowd.clone();
        }
        strangers.entry(name.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Accounts, Allowance, ProvenBy, STRANGERS_MAX};
    use crate::guard::{Quota, Topics};
    use std::num::NonZeroU64;

    fn slow() -> Allowance {
        let quota = Quota { requests: NonZeroU64::new(1), ..Quota::default() };
        Allowance { quota, ..Allowance::default() }
    }

    #[test]
    fn who_is_configured_has_what_is_configured_and_others_the_rest() {
        let app = Allowance { produce: Topics::parse(&["a"]).unwrap(), ..Allowance::default() };
        let others = Allowance { produce: Topics::none(), ..Allowance::default() };
        let accounts = Accounts::new([("app".into(), app)], others);
        let app = accounts.principal("app", ProvenBy::Key, 0);
        assert!(app.may_produce("a") && !app.may_produce("b") && app.may_read("b"));
        let other = accounts.principal("other", ProvenBy::Token, 0);
        assert!(!other.may_produce("a") && other.may_read("a"));
        assert_eq!((&**other.name(), other.proven_by()), ("other", ProvenBy::Token));
    }

    #[test]
    fn a_proof_can_be_good_for_less_than_its_account() {
        let topics = |names: &[&str]| Topics::parse(names).unwrap();
        let app = Allowance { produce: topics(&["a", "b"]), ..Allowance::default() };
        let accounts = Accounts::new([("app".into(), app)], Allowance::default());
        let app = accounts.principal("app", ProvenBy::Token, 0).only(topics(&["b", "c"]));
        let produce = ["a", "b", "c"].map(|topic| app.may_produce(topic));
        let read = ["a", "b", "c"].map(|topic| app.may_read(topic));
        assert_eq!((produce, read), ([false, true, false], [false, true, true]));
    }

    #[test]
    fn a_name_has_one_quota_however_often_it_comes() {
        let accounts = Accounts::new([("app".into(), slow())], slow());
        for name in ["app", "stranger", "third"] {
            assert!(accounts.principal(name, ProvenBy::Key, 0).take(0, 1, 1).is_ok());
            assert!(accounts.principal(name, ProvenBy::Token, 0).take(0, 1, 1).is_err(), "{name}");
        }
    }

    #[test]
    fn strangers_are_told_apart_up_to_a_limit_and_idle_ones_make_room() {
        let accounts = Accounts::new([], slow());
        let come = |name: &str, now| accounts.principal(name, ProvenBy::Token, now).take(now, 1, 1);
        for stranger in 0..STRANGERS_MAX {
            assert!(come(&stranger.to_string(), 0).is_ok());
        }
        assert!(come("one too many", 0).is_ok());
        assert!(come("another", 0).is_err(), "they share what is left");
        assert!(come("7", 0).is_err(), "nobody gets new quota by crowding");
        let later = 10_000_000_000;
        assert!(come("one too many", later).is_ok() && come("another", later).is_ok());
        assert!(accounts.strangers.lock().len() <= 3);
    }
}
