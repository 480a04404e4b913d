//! What has been proven not long ago, so that the same proof need not be worked through again.

use super::principal::Principal;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;

/// How many proofs each of the two generations holds.
const GENERATION_MAX: usize = 4_096;

/// Proofs that were found good, by their hash. Bounded: the older half is forgotten when it is full. The proofs themselves
/// are not kept.
pub(crate) struct Proven {
    /// Goes into every hash, so that hashes of one process are of no use in another.
    salt: [u8; 32],
    generations: Mutex<[HashMap<[u8; 32], Good>; 2]>,
}

#[derive(Clone)]
struct Good {
    principal: Principal,
    /// Seconds since 1970.
    until: Option<i64>,
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proven")
    }
}

impl Proven {
    /// Nothing is proven yet. The salt is random.
    pub(crate) fn new(salt: [u8; 32]) -> Self {
        Self { salt, generations: Mutex::default() }
    }

    /// What a proof is known by.
    pub(crate) fn digest(&self, proof: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.salt).chain_update(proof).finalize().into()
    }

    /// Who showed it before, if that is still good at `now`, in seconds since 1970.
    pub(crate) fn find(&self, digest: &[u8; 32], now: i64) -> Option<Principal> {
        let mut generations = self.generations.lock();
        let [young, old] = &mut *generations;
        let good = match young.get(digest) {
            Some(good) => good.clone(),
            None => old.get(digest)?.clone(),
        };
        if good.until.is_some_and(|until| until <= now) {
            young.remove(digest);
            old.remove(digest);
            return None;
        }
        if !young.contains_key(digest) {
            insert(&mut generations, *digest, good.clone());
        }
        Some(good.principal)
    }

    /// It is good, until that many seconds since 1970 or as long as there is room.
    pub(crate) fn keep(&self, digest: [u8; 32], principal: Principal, until: Option<i64>) {
        insert(&mut self.generations.lock(), digest, Good { principal, until });
    }
}

fn insert(generations: &mut [HashMap<[u8; 32], Good>; 2], digest: [u8; 32], good: Good) {
    if generations[0].len() >= GENERATION_MAX {
        generations.swap(0, 1);
        generations[0].clear();
    }
    generations[0].insert(digest, good);
}

#[cfg(test)]
mod tests {
    use super::{GENERATION_MAX, Proven};
    use crate::guard::principal::{Accounts, Allowance, Principal, ProvenBy};

    fn principal(name: &str) -> Principal {
        Accounts::new([], Allowance::default()).principal(name, ProvenBy::Password, 0)
    }

    #[test]
    fn what_is_kept_is_found_until_its_time() {
        let proven = Proven::new([1; 32]);
        let (one, two) = (proven.digest("one"), proven.digest("two"));
        assert_ne!(one, two);
        assert_ne!(one, Proven::new([2; 32]).digest("one"));
        proven.keep(one, principal("a"), Some(100));
        proven.keep(two, principal("b"), None);
        assert_eq!(&**proven.find(&one, 99).unwrap().name(), "a");
        assert!(proven.find(&one, 100).is_none());
        assert!(proven.find(&one, 99).is_none(), "forgotten, not just hidden");
        assert_eq!(&**proven.find(&two, i64::MAX).unwrap().name(), "b");
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let proven = Proven::new([1; 32]);
        let used = proven.digest("used");
        proven.keep(used, principal("a"), None);
        for other in 0..5 * GENERATION_MAX {
            proven.keep(proven.digest(&other.to_string()), principal("b"), None);
            assert!(proven.find(&used, 0).is_some());
        }
        assert!(proven.find(&proven.digest("0"), 0).is_none());
        let held: usize =
            proven.generations.lock().iter().map(std::collections::HashMap::len).sum();
        assert!(held <= 2 * GENERATION_MAX);
    }
}
