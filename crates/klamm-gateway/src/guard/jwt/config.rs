//! What is asked of tokens, and where their keys come from.

use super::algorithm::Algorithm;
use http::Uri;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// What is asked of a token. It says who shows it, until when it is good, who made it and for whom.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// Who made it: `iss`, to the letter.
    pub issuer: String,
    /// For whom: one of these has to be in `aud`.
    pub audiences: Vec<String>,
    /// Where the issuer's public keys are.
    pub keys: KeySource,
    /// Which algorithms count.
    pub algorithms: Vec<Algorithm>,
    /// How far the clocks may differ.
    pub leeway: Duration,
    /// The claim with the principal's name.
    pub name_claim: String,
    /// The claim that lists topics, as a list or with blanks between them: a token is good for no others. Default none: it
    /// is good for all that its principal may use.
    pub topics_claim: Option<String>,
}

/// Where public keys are.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A JWK set in a file, read again when it changes.
    File(PathBuf),
    /// A JWK set at a URL, read again every five minutes, and sooner when a token names a key that is not in it.
    Url {
        /// HTTPS, or HTTP on this machine.
        url: Uri,
        /// Whose certificates are trusted there, as PEM. None: whom the system trusts.
        ca: Option<PathBuf>,
    },
    /// Where the issuer's OpenID configuration says, which is looked up at `issuer/.well-known/openid-configuration`.
    OpenId {
        /// As for [`KeySource::Url`].
        ca: Option<PathBuf>,
    },
}

impl TokenConfig {
    /// Of this issuer for this audience, with all algorithms, a minute of leeway, and the name in `sub`.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: KeySource) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            keys,
            algorithms: Algorithm::ALL.to_vec(),
            leeway: Duration::from_secs(60),
            name_claim: "sub".to_owned(),
            topics_claim: None,
        }
    }
}

/// Why keys cannot be read from where they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WrongSource {
    /// Keys that come over an open line could be anybody's.
    #[error("{0}: keys are read by https://, or by http:// from this machine")]
    Url(String),
    /// It cannot be reached, or does not answer as it should.
    #[error("{at}: {reason}")]
    Fetch {
        /// What.
        at: String,
        /// Why not.
        reason: String,
    },
    /// A file is wrong.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
