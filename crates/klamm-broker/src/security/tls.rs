//! TLS of a listener, by rustls.

use super::mapping::PrincipalMapping;
use super::principal::Principal;
use super::settings::{ClientAuth, TlsSettings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use secrecy::ExposeSecret;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Why the TLS settings cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A PEM text has no certificate or key, or a malformed one.
    #[error("{what}: {reason}")]
    Pem {
        /// Which of them.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The cryptography that is built in needs more of the processor.
    #[error(transparent)]
    Processor(#[from] klamm_tls::MissingFeatures),
    /// rustls refuses the combination.
    #[error("the TLS settings do not fit together: {0}")]
    Rejected(String),
}

/// Opens TLS over accepted connections.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    mapping: PrincipalMapping,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// # Errors
    /// [`TlsError`]
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        let provider = Arc::new(klamm_tls::provider()?);
        let chain = certificates("the certificate chain", &settings.chain)?;
        let key = PrivateKeyDer::from_pem_slice(settings.key.expose_secret().as_bytes())
            .map_err(|e| TlsError::Pem { what: "the private key", reason: e.to_string() })?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions(settings.versions))
            .map_err(rejected)?;
        let builder = match (&settings.client_ca, settings.client_auth) {
            (_, ClientAuth::None) | (None, _) => builder.with_no_client_auth(),
            (Some(ca), auth) => {
                let roots = Arc::new(roots(ca)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = match auth {
                    ClientAuth::Required => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(verifier.build().map_err(rejected)?)
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(rejected)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, mapping: settings.mapping.clone() })
    }

    /// Shakes hands; the client is whoever its certificate says, or ANONYMOUS without one.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Principal)> {
        let stream = self.acceptor.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let principal = match shown {
            None => Principal::anonymous(),
            Some(certificate) => {
                let subject = klamm_tls::subject(certificate)
                    .ok_or_else(|| io::Error::other("the certificate's subject cannot be read"))?;
                let user = self.mapping.user(&subject);
                let unknown = || io::Error::other(format!("no rule applies to {subject:?}"));
                Principal::user(user.ok_or_else(unknown)?)
            }
        };
        Ok((stream, principal))
    }
}

fn versions((tls_1_2, tls_1_3): (bool, bool)) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(tls_1_2, &TLS12), (tls_1_3, &TLS13)];
    all.into_iter().filter(|(spoken, _)| *spoken).map(|(_, version)| version).collect()
}

fn rejected(error: impl std::fmt::Display) -> TlsError {
    TlsError::Rejected(error.to_string())
}

fn certificates(what: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(TlsError::Pem { what, reason: "no certificate in it".to_owned() }),
        Err(e) => Err(TlsError::Pem { what, reason: e.to_string() }),
    }
}

fn roots(text: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("the clients' CA", text)? {
        roots.add(certificate).map_err(rejected)?;
    }
    Ok(roots)
}
