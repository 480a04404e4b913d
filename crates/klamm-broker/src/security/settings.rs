//! What a program says of security: TLS, SASL, ACLs, and whether to do without.

use super::mapping::PrincipalMapping;
use super::sasl::Mechanism;
use super::tls::TlsError;
use super::users::{UserList, UsersError};
use crate::server::ConnectionLimits;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Why the security asked for cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The TLS settings cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The users cannot be read.
    #[error("{0}")]
    Users(#[from] UsersError),
    /// A mechanism that is not offered.
    #[error("{0:?} is no mechanism offered here; PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are")]
    Mechanism(String),
    /// `ssl.principal.mapping.rules` that cannot be read.
    #[error("ssl.principal.mapping.rules: {0}")]
    Mapping(String),
    /// A super user without a type.
    #[error("{0:?} is no principal; a super user is User:name")]
    SuperUser(String),
    /// The system has no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// Anybody on the network could do everything.
    #[error(
        "{0} can be reached from other machines, and whoever reaches it may do everything. Either listen on \
         127.0.0.1, or ask clients who they are - by SASL users, or by TLS with required client certificates - or, on \
         a network you trust, say so: --allow-insecure-public, or allow_insecure_public() of the builder"
    )]
    Public(SocketAddr),
}

/// Whether clients show a certificate (`ssl.client.auth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked, and may decline; who does is ANONYMOUS.
    Requested,
    /// Who shows none is turned away.
    Required,
}

/// TLS of a listener, from PEM texts.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    pub(crate) chain: String,
    pub(crate) key: SecretString,
    pub(crate) client_ca: Option<String>,
    pub(crate) client_auth: ClientAuth,
    pub(crate) mapping: PrincipalMapping,
    /// Whether TLS 1.2 and TLS 1.3 are spoken.
    pub(crate) versions: (bool, bool),
}

impl TlsSettings {
    /// The broker's certificate with what leads to its root, and its private key (PKCS #8, PKCS #1 or SEC 1).
    pub fn new(certificate_chain: impl Into<String>, private_key: impl Into<SecretString>) -> Self {
        Self {
            chain: certificate_chain.into(),
            key: private_key.into(),
            client_ca: None,
            client_auth: ClientAuth::None,
            mapping: PrincipalMapping::default(),
            versions: (true, true),
        }
    }

    /// The same from files.
    ///
    /// # Errors
    /// [`SecurityError::File`]
    pub fn from_files(chain: &Path, key: &Path) -> Result<Self, SecurityError> {
        Ok(Self::new(read(chain)?, read(key)?))
    }

    /// The certificates that those of clients must lead to, and whether clients must have one. The principal is the
    /// certificate's subject: `User:CN=…,O=…`, unless the client logs in by SASL as well.
    pub fn client_certificates(mut self, ca: impl Into<String>, auth: ClientAuth) -> Self {
        (self.client_ca, self.client_auth) = (Some(ca.into()), auth);
        self
    }

    /// `ssl.principal.mapping.rules`: which user the subject of a client's certificate stands for. Default: the whole
    /// subject.
    ///
    /// # Errors
    /// [`SecurityError::Mapping`]
    pub fn principal_mapping_rules(mut self, rules: &str) -> Result<Self, SecurityError> {
        self.mapping = PrincipalMapping::parse(rules).map_err(SecurityError::Mapping)?;
        Ok(self)
    }

    /// `ssl.enabled.protocols`: whether TLS 1.2 and TLS 1.3 are spoken; at least one has to be. Default both.
    pub fn versions(mut self, tls_1_2: bool, tls_1_3: bool) -> Self {
        self.versions = (tls_1_2, tls_1_3);
        self
    }

    /// The same as [`TlsSettings::client_certificates`] from a file.
    ///
    /// # Errors
    /// [`SecurityError::File`]
    pub fn client_certificates_file(
        self,
        ca: &Path,
        auth: ClientAuth,
    ) -> Result<Self, SecurityError> {
        Ok(self.client_certificates(read(ca)?, auth))
    }
}

/// SASL of a listener: who may log in, and how.
///
/// Users that clients administer (AlterUserScramCredentials) may log in at every listener with SASL.
#[derive(Debug, Clone)]
pub struct SaslSettings {
    pub(crate) users: Arc<UserList>,
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(crate) max_reauth: Option<Duration>,
}

impl Default for SaslSettings {
    fn default() -> Self {
        Self { users: Arc::default(), mechanisms: Mechanism::ALL.to_vec(), max_reauth: None }
    }
}

impl SaslSettings {
    /// No users yet; PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are offered, and sessions have no end.
    pub fn new() -> Self {
        Self::default()
    }

    /// A user of all mechanisms. The password is hashed when the broker starts, and not kept.
    pub fn user(mut self, name: &str, password: impl Into<SecretString>) -> Self {
        Arc::make_mut(&mut self.users).add(name, password.into());
        self
    }

    /// Users from lines of `name:password` or
    /// `name:SCRAM-SHA-256=[salt=…,stored_key=…,server_key=…,iterations=…]`, Kafka's form of a stored credential.
    /// A later line of the same user and mechanism replaces an earlier one; `#` begins a comment.
    ///
    /// # Errors
    /// [`SecurityError::Users`] with the number of the line, and nothing of what it says.
    pub fn users_text(mut self, text: &str) -> Result<Self, SecurityError> {
        Arc::make_mut(&mut self.users).add_text(text)?;
        Ok(self)
    }

    /// The same from a file.
    ///
    /// # Errors
    /// [`SecurityError`]
    pub fn users_file(self, path: &Path) -> Result<Self, SecurityError> {
        let text = read(path)?;
        self.users_text(&text)
    }

    /// `sasl.enabled.mechanisms`: what is offered.
    ///
    /// # Errors
    /// [`SecurityError::Mechanism`]
    pub fn mechanisms(mut self, names: &[&str]) -> Result<Self, SecurityError> {
        let mechanisms = names
            .iter()
            .map(|name| name.parse().map_err(|()| SecurityError::Mechanism((*name).to_owned())));
        self.mechanisms = mechanisms.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// `connections.max.reauth.ms`: after so long a connection has to log in again, or ends (KIP-368). Default never.
    pub fn max_reauth(mut self, lifetime: Duration) -> Self {
        self.max_reauth = Some(lifetime).filter(|lifetime| !lifetime.is_zero());
        self
    }
}

/// ACLs: who may do what. Without them, everybody who comes in may do everything.
#[derive(Debug, Clone, Default)]
pub struct AclSettings {
    pub(crate) super_users: Vec<String>,
    pub(crate) open: bool,
}

impl AclSettings {
    /// Nobody may do anything until an ACL allows it.
    pub fn new() -> Self {
        Self::default()
    }

    /// `super.users`: a principal, as in `User:alice`, that may do everything.
    pub fn super_user(mut self, principal: &str) -> Self {
        self.super_users.push(principal.to_owned());
        self
    }

    /// `allow.everyone.if.no.acl.found`: what no ACL is about is everybody's. Default false.
    pub fn allow_everyone_if_no_acl_found(mut self, open: bool) -> Self {
        self.open = open;
        self
    }

    pub(crate) fn check(&self) -> Result<(), SecurityError> {
        let good = |user: &&String| user.strip_prefix("User:").is_some_and(|name| !name.is_empty());
        match self.super_users.iter().find(|user| !good(user)) {
            Some(user) => Err(SecurityError::SuperUser(user.clone())),
            None => Ok(()),
        }
    }
}

/// What a listener speaks and asks (`security.protocol` of clients).
#[derive(Debug, Clone, Default)]
pub(crate) struct SecurityProtocol {
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) sasl: Option<SaslSettings>,
}

impl SecurityProtocol {
    pub(crate) fn name(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// Whether every client has to say who it is.
    fn authenticates(&self) -> bool {
        let certificates =
            self.tls.as_ref().is_some_and(|tls| tls.client_auth == ClientAuth::Required);
        self.sasl.is_some() || certificates
    }
}

/// What all listeners have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecuritySettings {
    pub(crate) acls: Option<AclSettings>,
    pub(crate) insecure_public: bool,
    pub(crate) limits: ConnectionLimits,
}

impl SecuritySettings {
    /// Refuses to be open to everybody by accident.
    ///
    /// # Errors
    /// [`SecurityError::Public`]
    pub(crate) fn check_public(
        &self,
        address: SocketAddr,
        protocol: &SecurityProtocol,
    ) -> Result<(), SecurityError> {
        if address.ip().to_canonical().is_loopback() || protocol.authenticates() {
            return Ok(());
        }
        if !self.insecure_public {
            return Err(SecurityError::Public(address));
        }
        tracing::warn!(%address, "anybody who reaches this address may do everything");
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, SecurityError> {
    let error = |source| SecurityError::File { path: path.to_owned(), source };
    std::fs::read_to_string(path).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: &SecuritySettings, protocol: &SecurityProtocol, address: &str) -> bool {
        settings.check_public(address.parse().unwrap(), protocol).is_err()
    }

    #[test]
    fn an_open_listener_stays_at_home() {
        let mut settings = SecuritySettings::default();
        let plain = SecurityProtocol::default();
        for home in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            assert!(!refused(&settings, &plain, home), "{home}");
        }
        for public in ["0.0.0.0:9092", "10.0.0.1:0", "[::]:9092", "[::ffff:10.0.0.1]:0"] {
            assert!(refused(&settings, &plain, public), "{public}");
        }
        let error = settings.check_public("0.0.0.0:9092".parse().unwrap(), &plain).unwrap_err();
        for way_out in
            ["127.0.0.1", "SASL", "TLS", "allow_insecure_public()", "--allow-insecure-public"]
        {
            assert!(error.to_string().contains(way_out), "{way_out}");
        }
        settings.insecure_public = true;
        assert!(!refused(&settings, &plain, "0.0.0.0:9092"));
    }

    #[test]
    fn authentication_opens_the_door_and_encryption_alone_does_not() {
        let settings = SecuritySettings::default();
        let tls = |auth| SecurityProtocol {
            tls: Some(TlsSettings::new("", "").client_certificates("", auth)),
            sasl: None,
        };
        assert!(refused(&settings, &tls(ClientAuth::None), "0.0.0.0:1"));
        assert!(refused(&settings, &tls(ClientAuth::Requested), "0.0.0.0:1"));
        assert!(!refused(&settings, &tls(ClientAuth::Required), "0.0.0.0:1"));
        let sasl = SecurityProtocol { tls: None, sasl: Some(SaslSettings::new()) };
        assert!(!refused(&settings, &sasl, "0.0.0.0:1"));
    }

    #[test]
    fn names_that_are_none() {
        assert!(SaslSettings::new().mechanisms(&["PLAIN", "SCRAM-SHA-512"]).is_ok());
        assert!(SaslSettings::new().mechanisms(&["GSSAPI"]).is_err());
        assert!(AclSettings::new().super_user("User:a").check().is_ok());
        assert!(AclSettings::new().super_user("alice").check().is_err());
    }

    #[test]
    fn no_setting_shows_a_secret() {
        let tls = TlsSettings::new("chain", "s3cret-key");
        let sasl = SaslSettings::new().user("a", "s3cret-password");
        assert!(!format!("{tls:?} {sasl:?}").contains("s3cret"));
    }
}
