//! Why settings that are known one by one do not come to a broker together.

use crate::config::SettingError;
use crate::security::SecurityError;
use std::io;
use std::path::PathBuf;

/// Why a broker cannot be what its properties say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PropertiesError {
    /// A setting that is not known, or a value it does not take.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Certificates, users or principals that cannot be used.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// A listener is not written as Kafka writes it.
    #[error("{setting}: {value:?} {why}")]
    Listener {
        /// Where it was said.
        setting: &'static str,
        /// What was said.
        value: String,
        /// What is wrong.
        why: String,
    },
    /// Users or a certificate were given, and no listener has a use for them.
    #[error(
        "no listener asks for {what}: {listeners} is all there is; listen on {wanted}://HOST:PORT, or leave out what \
         listeners speak, and the one there is asks for it"
    )]
    NoUse {
        /// What was given.
        what: &'static str,
        /// Names of the listeners.
        listeners: String,
        /// A protocol that would use it.
        wanted: &'static str,
    },
    /// The listener speaks TLS and there is no certificate.
    #[error(
        "the listener {0} speaks TLS and has no certificate: set ssl.keystore.location to a PEM file with certificate \
         and key, or ssl.keystore.certificate.chain and ssl.keystore.key to their texts"
    )]
    NoCertificate(String),
    /// The listener asks for a login and nobody can log in.
    #[error(
        "the listener {listener} asks for a login and has no users: set listener.name.{}.plain.sasl.jaas.config, or \
         offer SCRAM in sasl.enabled.mechanisms and give users by a file",
        .listener.to_lowercase()
    )]
    NoUsers {
        /// Which listener.
        listener: String,
    },
    /// A key store or trust store that is not PEM.
    #[error("{setting} is {kind}, which is not read here; convert it with: {command}")]
    Store {
        /// Which store.
        setting: &'static str,
        /// What it is.
        kind: &'static str,
        /// What makes PEM of it.
        command: String,
    },
    /// The key is encrypted.
    #[error("{setting}: the key is encrypted, which is not read here; decrypt it with: {command}")]
    EncryptedKey {
        /// Where the key is.
        setting: &'static str,
        /// What decrypts it.
        command: String,
    },
    /// A file cannot be read.
    #[error("{setting}: {path}: {source}")]
    File {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A login module that is not understood.
    #[error("{setting}: {why}")]
    Jaas {
        /// Where it was said.
        setting: String,
        /// What is wrong, without the secrets in it.
        why: String,
    },
    /// A combination that makes no sense.
    #[error("{0}")]
    Unusable(String),
}
