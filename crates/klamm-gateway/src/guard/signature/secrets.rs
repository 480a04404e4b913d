//! Pure: secrets that signatures are made with, and checking one signature by all of them.

use super::scheme::{Encoding, Hash, Scheme, SignatureConfig};
use crate::cryptography::verifier;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::{SignatureVerificationAlgorithm, alg_id};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Sha256, Sha512};
use thiserror::Error;

/// A route has no more secrets.
const SECRETS_MAX: usize = 16;
/// No signature has more bytes.
const TAG_MAX: usize = 64;

/// Why a route's secrets cannot be used. Says which, not what it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WrongSecret {
    /// No secret at all, or too many.
    #[error("a signed route has 1 to {SECRETS_MAX} secrets")]
    Count,
    /// Nothing is in it.
    #[error("secret {0} is empty")]
    Empty(usize),
    /// It has not the form that the scheme asks for.
    #[error("secret {0} is neither whsec_ nor whpk_ with Base64 after it")]
    Form(usize),
    /// Public keys need cryptography that cannot be had here.
    #[error("{0}")]
    Cryptography(String),
}

/// All secrets of a route.
#[derive(Debug)]
pub(super) struct Secrets {
    shared: Vec<SecretSlice<u8>>,
    public: Vec<[u8; 32]>,
    ed25519: Option<&'static dyn SignatureVerificationAlgorithm>,
}

impl Secrets {
    pub(super) fn new(config: &SignatureConfig) -> Result<Self, WrongSecret> {
        if !(1..=SECRETS_MAX).contains(&config.secrets.len()) {
            return Err(WrongSecret::Count);
        }
        let mut secrets = Self { shared: Vec::new(), public: Vec::new(), ed25519: None };
        for (number, secret) in (1..).zip(&config.secrets) {
            secrets.add(&config.scheme, number, secret)?;
        }
        if !secrets.public.is_empty() {
            let found = verifier(alg_id::ED25519, alg_id::ED25519);
            let found = found.map_err(|e| WrongSecret::Cryptography(e.to_string()))?;
            secrets.ed25519 = Some(found);
        }
        Ok(secrets)
    }

    fn add(
        &mut self,
        scheme: &Scheme,
        number: usize,
        secret: &SecretString,
    ) -> Result<(), WrongSecret> {
        let text = secret.expose_secret();
        if let (Scheme::StandardWebhooks, Some(key)) = (scheme, text.strip_prefix("whpk_")) {
            let key = base64(key).and_then(|key| key.try_into().ok());
            self.public.push(key.ok_or(WrongSecret::Form(number))?);
            return Ok(());
        }
        let bytes = match scheme {
            Scheme::StandardWebhooks => {
                let encoded = text.strip_prefix("whsec_").unwrap_or(text);
                base64(encoded).ok_or(WrongSecret::Form(number))?
            }
            _ => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() {
            return Err(WrongSecret::Empty(number));
        }
        self.shared.push(bytes.into());
        Ok(())
    }

    /// Whether `tag` is the HMAC of the parts, one after the other, by any of the secrets. Compares in constant time.
    pub(super) fn have_made(&self, hash: Hash, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.shared.iter().any(|secret| {
            let key = secret.expose_secret();
            match hash {
                Hash::Sha256 => is_mac::<Hmac<Sha256>>(key, parts, tag),
                Hash::Sha512 => is_mac::<Hmac<Sha512>>(key, parts, tag),
            }
        })
    }

    /// Whether `signature` is one of the parts, one after the other, by the owner of any of the public keys.
    pub(super) fn have_signed(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        let Some(ed25519) = self.ed25519 else { return false };
        let message = parts.concat();
        let by = |key: &[u8; 32]| ed25519.verify_signature(key, &message, signature).is_ok();
        self.public.iter().any(by)
    }
}

fn is_mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    // HMAC takes keys of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(tag).is_ok()
}

/// The bytes that a header means; none if it is not written so, or longer than any signature.
pub(super) fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    if text.len() > 2 * TAG_MAX {
        return None;
    }
    match encoding {
        Encoding::Hex => hex(text),
        Encoding::Base64 => base64(text),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| bytes.collect())?
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&STANDARD, lenient).decode(text).ok()
}
