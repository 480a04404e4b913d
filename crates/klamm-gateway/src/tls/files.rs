//! What TLS is told, and the files it comes from.

use crate::watched_file::WatchedFile;
use klamm_tls::{CertificateName, provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use secrecy::{ExposeSecret, SecretSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Certificate and key of a listener.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// The chain as PEM, the listener's own certificate first.
    pub certificate: PathBuf,
    /// Its private key as PEM.
    pub key: PathBuf,
    /// Asks clients for certificates.
    pub clients: Option<ClientCertificates>,
}

/// What is asked of clients.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// Who may have signed them, as PEM.
    pub ca: PathBuf,
    /// Whether a client without one is turned away.
    pub required: bool,
    /// Which name in it says who the client is. A certificate without it is turned away.
    pub name: CertificateName,
}

/// Why TLS cannot be had with these files. Shows nothing of a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The files do not fit together: the key is of another certificate, for example.
    #[error("certificate and key do not fit together: {0}")]
    Rejected(String),
    /// The processor lacks something.
    #[error("{0}")]
    Processor(String),
}

/// The files and what they held last.
#[derive(Debug)]
pub(super) struct Files {
    config: TlsConfig,
    certificate: Watched,
    key: Watched,
    ca: Option<Watched>,
}

#[derive(Debug)]
struct Watched {
    file: WatchedFile,
    path: PathBuf,
    /// A key is a secret, the others do not mind.
    held: SecretSlice<u8>,
}

impl Watched {
    fn new(path: &Path) -> Self {
        let file = WatchedFile::new(path.to_owned());
        Self { file, path: path.to_owned(), held: Vec::new().into() }
    }

    fn look(&mut self) -> Result<bool, TlsError> {
        let changed = self.file.changed().map_err(|error| self.wrong(error))?;
        let news = changed.is_some();
        if let Some(bytes) = changed {
            self.held = bytes.into();
        }
        Ok(news)
    }

    fn wrong(&self, reason: impl ToString) -> TlsError {
        TlsError::File { path: self.path.clone(), reason: reason.to_string() }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let all: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(self.held.expose_secret()).collect();
        let all = all.map_err(|error| self.wrong(error))?;
        if all.is_empty() { Err(self.wrong("there is no certificate in it")) } else { Ok(all) }
    }
}

impl Files {
    pub(super) fn new(config: TlsConfig) -> Self {
        let (certificate, key) = (Watched::new(&config.certificate), Watched::new(&config.key));
        let ca = config.clients.as_ref().map(|clients| Watched::new(&clients.ca));
        Self { config, certificate, key, ca }
    }

    /// What the files come to, if any of them changed. Blocks.
    ///
    /// # Errors
    /// One of them is wrong, or they do not fit together; after the next change they may.
    pub(super) fn changed(&mut self) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        // All are looked at, even if the first cannot be read.
        let all = [Some(&mut self.certificate), Some(&mut self.key), self.ca.as_mut()];
        let looked: Vec<_> = all.into_iter().flatten().map(Watched::look).collect();
        let mut news = false;
        for changed in looked {
            news |= changed?;
        }
        if news { self.build().map(Arc::new).map(Some) } else { Ok(None) }
    }

    fn build(&self) -> Result<ServerConfig, TlsError> {
        let rejected = |error: rustls::Error| TlsError::Rejected(error.to_string());
        let provider = provider().map_err(|missing| TlsError::Processor(missing.to_string()))?;
        let provider = Arc::new(provider);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(rejected)?;
        let builder = match (&self.ca, &self.config.clients) {
            (Some(ca), Some(clients)) => {
                let mut roots = RootCertStore::empty();
                for certificate in ca.certificates()? {
                    roots.add(certificate).map_err(|error| ca.wrong(error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier =
                    if clients.required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build().map_err(|e| ca.wrong(e))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::from_pem_slice(self.key.held.expose_secret());
        let key = key.map_err(|error| self.key.wrong(error))?;
        let chain = self.certificate.certificates()?;
        let mut config = builder.with_single_cert(chain, key).map_err(rejected)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Which name says who a client is.
    pub(super) fn name(&self) -> CertificateName {
        self.config.clients.as_ref().map(|clients| clients.name).unwrap_or_default()
    }
}
