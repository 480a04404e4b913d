//! TLS by rustls: the chain and the name of a broker are always checked.

use super::transport::Transport;
use crate::config::{TlsConfig, TlsRoots};
use crate::error::ErrorKind;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};
use secrecy::ExposeSecret;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why the TLS settings cannot be used.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub(crate) enum TlsConfigError {
    /// A PEM text has no certificate or key, or a malformed one.
    #[error("{what}: {reason}")]
    Pem {
        /// Which setting.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No usable root certificate on this machine.
    #[error(
        "the system's certificate store has no usable root: {0}; set ssl.truststore.location or use the bundled roots"
    )]
    NoSystemRoots(String),
    /// rustls refuses the combination.
    #[error("{0}")]
    Rejected(String),
}

/// Builds what all TLS connections of a client share.
pub(crate) fn client_config(tls: &TlsConfig) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let provider = Arc::new(rustls_graviola::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsConfigError::Rejected(e.to_string()))?;
    let builder = if tls.danger_accept_any_certificate {
        tracing::warn!(
            "TLS certificates are not verified: anybody between here and the broker can read and change everything"
        );
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    } else {
        builder.with_root_certificates(roots(&tls.roots)?)
    };
    let config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain =
                certificates("ssl.keystore.certificate.chain", &identity.certificate_chain)?;
            let key =
                PrivateKeyDer::from_pem_slice(identity.private_key.expose_secret().as_bytes())
                    .map_err(|e| pem("ssl.keystore.key", &e))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| TlsConfigError::Rejected(format!("client certificate: {e}")))?
        }
    };
    Ok(Arc::new(config))
}

fn roots(roots: &TlsRoots) -> Result<RootCertStore, TlsConfigError> {
    let mut store = RootCertStore::empty();
    match roots {
        TlsRoots::Bundled => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        TlsRoots::System => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = store.add_parsable_certificates(found.certs);
            if added == 0 {
                let why =
                    found.errors.first().map_or("it is empty".to_owned(), ToString::to_string);
                return Err(TlsConfigError::NoSystemRoots(why));
            }
        }
        TlsRoots::Pem(text) => {
            for certificate in certificates("ssl.truststore.certificates", text)? {
                store.add(certificate).map_err(|e| TlsConfigError::Rejected(e.to_string()))?;
            }
        }
    }
    Ok(store)
}

fn certificates(
    what: &'static str,
    text: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if all.is_empty() => {
            Err(TlsConfigError::Pem { what, reason: "no certificate in it".to_owned() })
        }
        Ok(all) => Ok(all),
        Err(e) => Err(pem(what, &e)),
    }
}

fn pem(what: &'static str, error: &rustls::pki_types::pem::Error) -> TlsConfigError {
    TlsConfigError::Pem { what, reason: error.to_string() }
}

/// A failed handshake, in words that say what to change.
pub(crate) struct HandshakeError {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: String,
}

pub(crate) async fn handshake(
    tcp: TcpStream,
    host: &str,
    config: &Arc<ClientConfig>,
) -> Result<Transport, HandshakeError> {
    // A trailing dot is part of a DNS name but never of a certificate's.
    let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
        .map_err(|e| HandshakeError { kind: ErrorKind::Misuse, reason: e.to_string() })?;
    let connecting = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
    match connecting.await {
        Ok(stream) => Ok(Transport::Tls(Box::new(stream))),
        Err(e) => Err(explain(&e, host)),
    }
}

fn explain(error: &std::io::Error, host: &str) -> HandshakeError {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    let (kind, reason) = match tls {
        Some(rustls::Error::InvalidCertificate(why)) => (ErrorKind::Unauthorized, certificate_reason(why, host)),
        Some(rustls::Error::AlertReceived(alert)) => (ErrorKind::Unauthorized, alert_reason(*alert)),
        Some(rustls::Error::InvalidMessage(_)) => (
            ErrorKind::Misuse,
            "the broker does not speak TLS on this port (security.protocol=PLAINTEXT or SASL_PLAINTEXT?)".to_owned(),
        ),
        Some(other) => (ErrorKind::Fatal, other.to_string()),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => (
            ErrorKind::Retriable,
            "the broker closed the connection; does this port speak TLS?".to_owned(),
        ),
        None => (ErrorKind::Retriable, error.to_string()),
    };
    HandshakeError { kind, reason }
}

fn certificate_reason(why: &CertificateError, host: &str) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the broker's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the broker's certificate is not valid yet; is this machine's clock right?".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "the broker's certificate is signed by an authority that is not trusted here: set ssl.truststore.location to its CA".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the broker's certificate is not for {host}")
        }
        other => format!("the broker's certificate is not accepted: {other}"),
    }
}

fn alert_reason(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate => {
            "the broker wants a client certificate (ssl.keystore.location), or does not accept this one".to_owned()
        }
        AlertDescription::UnknownCA => "the broker does not trust the authority of our client certificate".to_owned(),
        other => format!("the broker refuses: {other:?}"),
    }
}

/// For `danger_accept_any_certificate` only: checks signatures, but neither chain nor name.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
