//! What is kept of a password: PBKDF2 with HMAC-SHA-256, its rounds and its salt.

use super::constant_time::same;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use sha2::Sha256;
use std::fmt;

/// What new passwords get, as OWASP advises.
const ROUNDS: u32 = 600_000;
/// Fewer make a stolen file cheap to search.
const ROUNDS_MIN: u32 = 10_000;
/// More are a way to keep the gateway busy.
const ROUNDS_MAX: u32 = 10_000_000;
const SALT_MIN: usize = 8;
const SALT_MAX: usize = 64;
const HASH_BYTES: usize = 32;
/// The longest that a password may be, in bytes.
pub const PASSWORD_MAX: usize = 1_024;

/// What is kept of a password.
#[derive(Clone)]
pub struct PasswordHash {
    rounds: u32,
    salt: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

/// The rounds alone: from the rest a password could be guessed.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

impl PasswordHash {
    /// Of a password, with 600,000 rounds and a random salt; takes some tenths of a second.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn of(password: &[u8]) -> Result<Self, getrandom::Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        let hash = derive(password, &salt, ROUNDS);
        Ok(Self { rounds: ROUNDS, salt: salt.to_vec(), hash })
    }

    /// What an unknown user has: it takes as long as with a known one to find out that it is wrong.
    pub(crate) fn of_nobody(salt: [u8; 16]) -> Self {
        Self { rounds: ROUNDS, salt: salt.to_vec(), hash: [0; HASH_BYTES] }
    }

    /// Whether it is of this password; takes as long as its rounds do.
    pub(crate) fn is_of(&self, password: &[u8]) -> bool {
        same(&self.hash, &derive(password, &self.salt, self.rounds))
    }

    /// `pbkdf2-sha256:rounds:salt:hash`, the last two in Base64 without padding.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let form = "a password's hash is pbkdf2-sha256:rounds:salt:hash";
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or(form);
        if next()? != "pbkdf2-sha256" {
            return Err(form);
        }
        let rounds = next()?.parse().map_err(|_| form)?;
        if !(ROUNDS_MIN..=ROUNDS_MAX).contains(&rounds) {
            return Err("a password's hash has 10,000 to 10,000,000 rounds");
        }
        let bytes = |text: &str| BASE64_STANDARD_NO_PAD.decode(text).map_err(|_| form);
        let (salt, hash) = (bytes(next()?)?, bytes(next()?)?);
        if !(SALT_MIN..=SALT_MAX).contains(&salt.len()) {
            return Err("a password's salt has 8 to 64 bytes");
        }
        let hash = hash.try_into().map_err(|_| "a password's hash has 32 bytes")?;
        if parts.next().is_some() {
            return Err(form);
        }
        Ok(Self { rounds, salt, hash })
    }

    /// As [`PasswordHash::parse`] reads it.
    pub fn to_text(&self) -> String {
        let encode = |bytes: &[u8]| BASE64_STANDARD_NO_PAD.encode(bytes);
        format!("pbkdf2-sha256:{}:{}:{}", self.rounds, encode(&self.salt), encode(&self.hash))
    }
}

fn derive(password: &[u8], salt: &[u8], rounds: u32) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut hash);
    hash
}

#[cfg(test)]
mod tests {
    use super::PasswordHash;

    /// Python: `hashlib.pbkdf2_hmac("sha256", b"wonderland", b"0123456789abcdef", 10000)`.
    const ALICE: &str =
        "pbkdf2-sha256:10000:MDEyMzQ1Njc4OWFiY2RlZg:cuOITDVXQXwg4RQ5Bx0ExcR1VT/x58FAc0rjB1K/QwM";

    #[test]
    fn the_hash_is_the_one_of_python() {
        let hash = PasswordHash::parse(ALICE).unwrap();
        assert!(hash.is_of(b"wonderland"));
        assert!(!hash.is_of(b"wonderlanD"));
        assert!(!hash.is_of(b""));
        assert_eq!(hash.to_text(), ALICE);
        assert!(!format!("{hash:?}").contains("MDEy"));
        assert!(!PasswordHash::of_nobody([0; 16]).is_of(b""));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for (from, to) in [
            ("pbkdf2-sha256", "pbkdf2-sha1"),
            ("10000", "9999"),
            ("10000", "10000001"),
            ("10000", "-1"),
            ("10000", "99999999999999"),
            ("MDEyMzQ1Njc4OWFiY2RlZg", "MDEy"),
            ("MDEyMzQ1Njc4OWFiY2RlZg", "!"),
            (":MDEyMzQ1Njc4OWFiY2RlZg", ""),
        ] {
            let text = ALICE.replace(from, to);
            assert_ne!(text, ALICE);
            assert!(PasswordHash::parse(&text).is_err(), "{text}");
        }
        assert!(PasswordHash::parse(&format!("{ALICE}:")).is_err());
        assert!(PasswordHash::parse(&ALICE[..ALICE.len() - 2]).is_err());
    }
}
