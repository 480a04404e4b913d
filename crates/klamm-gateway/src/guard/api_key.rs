//! API keys: `klamm_`, twelve digits that name the key, `_`, and 256 random bits.
//!
//! What is kept of a key is its name and its SHA-256. A fast hash is enough, because nobody can guess 256 bits.

use super::constant_time::same;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;
use thiserror::Error;

const PREFIX: &str = "klamm_";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
/// Base64 without padding.
const SECRET_CHARACTERS: usize = SECRET_BYTES.div_ceil(3) * 4 - 1;

/// The name of a key, which is no secret: twelve hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_BYTES]);

/// Why a text names no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a key is named by twelve digits of 0-9 and a-f")]
pub struct NoKeyId;

impl KeyId {
    /// From its digits.
    ///
    /// # Errors
    /// There are not twelve, or they are no small hexadecimal digits.
    pub fn parse(digits: &str) -> Result<Self, NoKeyId> {
        let mut id = [0; ID_BYTES];
        hex(digits.as_bytes(), &mut id).map(|()| Self(id)).ok_or(NoKeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The SHA-256 of a whole key.
#[derive(Debug, Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Of a key as the client shows it.
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Whether both are hashes of one key; takes the same time either way.
    pub(crate) fn is(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }

    /// From 64 digits.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        let mut hash = [0; 32];
        hex(digits.as_bytes(), &mut hash).map(|()| Self(hash))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A new key. Its text is shown once and kept nowhere.
#[derive(Debug)]
pub struct ApiKey {
    /// What names it.
    pub id: KeyId,
    /// What is kept of it.
    pub hash: KeyHash,
    text: SecretString,
}

impl ApiKey {
    /// All of it: what is shown once, to whom it is for.
    pub fn reveal(&self) -> &str {
        self.text.expose_secret()
    }

    /// A key that nobody has.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0; ID_BYTES + SECRET_BYTES];
        getrandom::fill(&mut random)?;
        Ok(Self::from_random(&random))
    }

    /// From 38 random bytes; whoever knows them has the key.
    pub(crate) fn from_random(random: &[u8; ID_BYTES + SECRET_BYTES]) -> Self {
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&random[..ID_BYTES]);
        let id = KeyId(id);
        let secret = BASE64_URL_SAFE_NO_PAD.encode(&random[ID_BYTES..]);
        let text = SecretString::from(format!("{PREFIX}{id}_{secret}"));
        Self { id, hash: KeyHash::of(text.expose_secret()), text }
    }
}

/// The name in a key that somebody shows; none if it has not the form of a key.
pub(crate) fn id_of(key: &str) -> Option<KeyId> {
    let (id, secret) = key.strip_prefix(PREFIX)?.split_at_checked(2 * ID_BYTES)?;
    let secret = secret.strip_prefix('_')?;
    let id = KeyId::parse(id).ok()?;
    (secret.len() == SECRET_CHARACTERS).then_some(id)
}

/// Whether a bearer token is meant to be a key and no JWT.
pub(crate) fn looks_like_key(token: &str) -> bool {
    token.starts_with(PREFIX)
}

fn hex(digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_has_its_form_and_hides_itself() {
        let mut random = [0xff; 38];
        random[..6].copy_from_slice(&[0, 1, 0xab, 2, 3, 4]);
        let key = ApiKey::from_random(&random);
        let text = key.reveal();
        let expected = format!("klamm_0001ab020304_{}8", "_".repeat(42));
        assert_eq!(text, expected);
        assert_eq!(id_of(text), Some(key.id));
        assert!(KeyHash::of(text).is(&key.hash));
        assert!(KeyHash::parse(&key.hash.to_string()).unwrap().is(&key.hash));
        assert!(!format!("{key:?}").contains(&"_".repeat(42)));
    }

    #[test]
    fn what_has_not_the_form_names_no_key() {
        let good = format!("klamm_0123456789ab_{}", "x".repeat(43));
        assert!(id_of(&good).is_some());
        for wrong in [
            "",
            "klamm_",
            "klamm_0123456789ab",
            "klamm_0123456789AB_",
            &good[..good.len() - 1],
            &good[1..],
            &format!("{good}x"),
            &good.replace('0', "g"),
            &good.replace("ab_", "ab-"),
            "klamm_01234567890\u{e9}_",
        ] {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(klamm_)?.{0,80}") {
            let _ = id_of(&text);
            let _ = KeyId::parse(&text);
            let _ = KeyHash::parse(&text);
        }

        #[test]
        fn other_bytes_are_another_key(random: [u8; 32], other: [u8; 32], at in 0_usize..38) {
            let mut one = [0; 38];
            one[..32].copy_from_slice(&random);
            one[32..].copy_from_slice(&other[..6]);
            let mut two = one;
            two[at] ^= 1;
            prop_assert!(!ApiKey::from_random(&one).hash.is(&ApiKey::from_random(&two).hash));
        }
    }
}
