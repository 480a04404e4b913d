//! Whom to trust and how to prove who we are.

use crate::connection::TokenProvider;
use crate::connection::settings::{Sasl, ScramMechanism};
use secrecy::SecretString;
use std::sync::Arc;

/// TLS settings; the default trusts the system's certificate store and shows no certificate.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    pub(crate) roots: TlsRoots,
    pub(crate) identity: Option<Identity>,
    pub(crate) danger_accept_any_certificate: bool,
}

/// Whose signature on a broker's certificate counts.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum TlsRoots {
    /// The authorities this machine trusts.
    #[default]
    System,
    /// Mozilla's list, as it was when klamm was built.
    Bundled,
    /// One or more certificates in PEM form, and no others.
    Pem(String),
}

/// A client certificate and its key, in PEM form.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(crate) certificate_chain: String,
    pub(crate) private_key: SecretString,
}

impl Identity {
    /// Takes a certificate chain, leaf first, and the leaf's unencrypted private key.
    pub fn from_pem(chain: impl Into<String>, private_key: impl Into<String>) -> Self {
        Self { certificate_chain: chain.into(), private_key: private_key.into().into() }
    }
}

impl TlsConfig {
    /// Sets whose signature counts.
    pub fn roots(mut self, roots: TlsRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Shows this certificate to brokers that ask for one.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Accepts every certificate: no protection against anybody between here and the broker.
    pub fn danger_accept_any_certificate(mut self, accept: bool) -> Self {
        self.danger_accept_any_certificate = accept;
        self
    }
}

/// How to authenticate.
#[derive(Debug, Clone)]
pub struct SaslConfig(pub(crate) Sasl);

impl SaslConfig {
    /// SASL PLAIN: the password itself, so only over TLS.
    pub fn plain(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Sasl::Plain { username: username.into(), password: password.into().into() })
    }

    /// SCRAM-SHA-256.
    pub fn scram_sha_256(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::scram(ScramMechanism::Sha256, username.into(), password.into())
    }

    /// SCRAM-SHA-512.
    pub fn scram_sha_512(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::scram(ScramMechanism::Sha512, username.into(), password.into())
    }

    /// OAUTHBEARER with tokens from `provider`.
    pub fn oauthbearer(provider: Arc<dyn TokenProvider>) -> Self {
        Self(Sasl::OAuthBearer(provider))
    }

    fn scram(mechanism: ScramMechanism, username: String, password: String) -> Self {
        Self(Sasl::Scram { mechanism, username, password: password.into() })
    }
}

/// What the text settings have said so far about security.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecurityText {
    pub(crate) protocol: Option<String>,
    pub(crate) mechanism: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) certificate_chain: Option<String>,
    pub(crate) private_key: Option<SecretString>,
}
