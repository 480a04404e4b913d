//! Pure: what is kept of a password - salt, iterations, stored key and server key (RFC 5802) - never the password.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use std::fmt;

/// Rounds below this make a stolen credential cheap to crack: RFC 7677's minimum.
pub(crate) const MIN_ITERATIONS: u32 = 4_096;

/// Rounds above this are a way to keep client and broker busy.
pub(crate) const MAX_ITERATIONS: u32 = 1_000_000;

/// Salts are not longer, in bytes.
const MAX_SALT_BYTES: usize = 1_024;
/// Longer than any hash.
const MAX_SALTED_BYTES: usize = 1_024;

/// The hash of a SCRAM mechanism, under the protocol's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub(crate) enum Hash {
    Sha256 = 1,
    Sha512 = 2,
}

impl Hash {
    pub(crate) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The mechanism of a number; none for what the protocol does not know.
    pub(crate) fn from_i8(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|&hash| hash as i8 == number)
    }

    /// The mechanism's name.
    pub(crate) fn mechanism(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn output_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    pub(crate) fn mac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, data),
        }
    }

    /// PBKDF2; takes a millisecond for some thousand iterations.
    fn salted_password(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut salted = vec![0; self.output_bytes()];
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted),
        }
        salted
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// Compares without telling by its duration where the first difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

/// Why a credential is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("between {MIN_ITERATIONS} and {MAX_ITERATIONS} iterations are possible")]
    Iterations,
    #[error("a salt has 1 to {MAX_SALT_BYTES} bytes")]
    Salt,
    #[error("a salted password has 1 to {MAX_SALTED_BYTES} bytes")]
    Salted,
    #[error("a key has not the length of the mechanism's hash")]
    Key,
    #[error("a credential is salt=…,stored_key=…,server_key=…,iterations=…")]
    Form,
}

/// What is kept of one password for one mechanism.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// Shows the iterations alone: the keys are enough to pose as the broker, and to guess passwords.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl Credential {
    /// From a password; takes as long as its iterations do.
    pub(crate) fn from_password(hash: Hash, password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let salted = hash.salted_password(password, salt, iterations);
        Self::derive(hash, &salted, salt, iterations)
    }

    /// From the salted password, as AlterUserScramCredentials brings it. It is a key, which may have any length, as with
    /// Kafka; with another than that of the hash nobody can log in.
    ///
    /// # Errors
    /// [`CredentialError`]
    pub(crate) fn from_salted(
        hash: Hash,
        salted: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, CredentialError> {
        check(salt, iterations)?;
        if salted.is_empty() || salted.len() > MAX_SALTED_BYTES {
            return Err(CredentialError::Salted);
        }
        Ok(Self::derive(hash, salted, salt, iterations))
    }

    /// What an unknown user has: a salt that stays the same for the name, and keys that nothing proves.
    pub(crate) fn made_up(hash: Hash, secret: &[u8], user: &str) -> Self {
        let mut salt = hash.mac(secret, user.as_bytes());
        salt.truncate(SALT_BYTES);
        let key = hash.mac(secret, &salt);
        Self { salt, iterations: MIN_ITERATIONS, stored_key: key.clone(), server_key: key }
    }

    fn derive(hash: Hash, salted: &[u8], salt: &[u8], iterations: u32) -> Self {
        let client_key = hash.mac(salted, b"Client Key");
        Self {
            salt: salt.to_vec(),
            iterations,
            stored_key: hash.digest(&client_key),
            server_key: hash.mac(salted, b"Server Key"),
        }
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(crate) fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether it was made from this password; takes as long as its iterations do.
    pub(crate) fn is_of(&self, hash: Hash, password: &[u8]) -> bool {
        let other = Self::from_password(hash, password, &self.salt, self.iterations);
        same(&self.stored_key, &other.stored_key)
    }

    /// Whether `proof` comes from somebody who knows the password.
    pub(super) fn proves(&self, hash: Hash, signed: &[u8], proof: &[u8]) -> bool {
        let signature = hash.mac(&self.stored_key, signed);
        if proof.len() != signature.len() {
            return false;
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(p, s)| p ^ s).collect();
        same(&hash.digest(&client_key), &self.stored_key)
    }

    pub(super) fn sign(&self, hash: Hash, signed: &[u8]) -> Vec<u8> {
        hash.mac(&self.server_key, signed)
    }

    /// Kafka's form of a stored credential.
    pub(crate) fn to_text(&self) -> String {
        let encode = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        format!(
            "salt={},stored_key={},server_key={},iterations={}",
            encode(&self.salt),
            encode(&self.stored_key),
            encode(&self.server_key),
            self.iterations
        )
    }

    /// Reads [`Credential::to_text`]; the fields may come in any order.
    ///
    /// # Errors
    /// [`CredentialError`], which shows nothing of the text.
    pub(crate) fn from_text(hash: Hash, text: &str) -> Result<Self, CredentialError> {
        let field = |name: &str| {
            let mut fields = text.split(',').filter_map(|field| field.trim().split_once('='));
            fields
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .ok_or(CredentialError::Form)
        };
        let bytes = |name| BASE64_STANDARD.decode(field(name)?).map_err(|_| CredentialError::Form);
        let (salt, stored_key, server_key) =
            (bytes("salt")?, bytes("stored_key")?, bytes("server_key")?);
        let iterations = field("iterations")?.parse().map_err(|_| CredentialError::Form)?;
        check(&salt, iterations)?;
        if [&stored_key, &server_key].iter().any(|key| key.len() != hash.output_bytes()) {
            return Err(CredentialError::Key);
        }
        Ok(Self { salt, iterations, stored_key, server_key })
    }
}

/// The salt of credentials made here, in bytes.
pub(crate) const SALT_BYTES: usize = 24;

fn check(salt: &[u8], iterations: u32) -> Result<(), CredentialError> {
    if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
        return Err(CredentialError::Iterations);
    }
    if !(1..=MAX_SALT_BYTES).contains(&salt.len()) {
        return Err(CredentialError::Salt);
    }
    Ok(())
}
