//! TLS by rustls: the chain and the name of a broker are always checked.

use super::connector::Transport;
use super::error::SetupError;
use crate::config::{TlsConfig, TlsRoots};
use crate::error::ErrorKind;
use klamm_tls::MissingFeatures;
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

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
    /// The cryptography that is built in needs more of the processor.
    #[error(
        "TLS needs processor features that are missing here ({0}); build klamm with the feature tls-ring"
    )]
    #[cfg(not(feature = "tls-ring"))]
    Processor(String),
    /// rustls refuses the combination.
    #[error("{0}")]
    Rejected(String),
}

/// The cryptography: graviola where the processor has what it takes, else ring if that is built in.
fn provider() -> Result<CryptoProvider, TlsConfigError> {
    klamm_tls::provider().or_else(|MissingFeatures(missing)| fallback(&missing))
}

#[cfg(feature = "tls-ring")]
fn fallback(missing: &[&'static str]) -> Result<CryptoProvider, TlsConfigError> {
    tracing::debug!(?missing, "TLS by ring: the processor lacks what graviola needs");
    Ok(rustls::crypto::ring::default_provider())
}

#[cfg(not(feature = "tls-ring"))]
fn fallback(missing: &[&'static str]) -> Result<CryptoProvider, TlsConfigError> {
    Err(TlsConfigError::Processor(missing.join(", ")))
}

/// Builds what all TLS connections of a client share.
pub(crate) fn client_config(tls: &TlsConfig) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let provider = Arc::new(provider()?);
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

pub(super) async fn handshake(
    stream: Transport,
    host: &str,
    config: &Arc<ClientConfig>,
) -> Result<Transport, SetupError> {
    match connect(stream, host, config).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(e) => Err(explain(&e, host)),
    }
}

/// Opens TLS to whoever claims to be `host`.
pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<S>> {
    // A trailing dot is part of a DNS name but never of a certificate's.
    let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
        .map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidInput, e))?;
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

pub(super) fn explain(error: &std::io::Error, host: &str) -> SetupError {
    if let Some(objection) = objection(error) {
        return objection;
    }
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    let (kind, reason) = match tls {
        Some(rustls::Error::InvalidCertificate(why)) => {
            (ErrorKind::Unauthorized, certificate_reason(why, host))
        }
        Some(rustls::Error::InvalidMessage(_)) => (ErrorKind::Misuse, NO_TLS.to_owned()),
        Some(other) => (ErrorKind::Fatal, other.to_string()),
        None if error.kind() == std::io::ErrorKind::InvalidInput => {
            (ErrorKind::Misuse, format!("{host:?} is no name a certificate could be for"))
        }
        // Not certain: a broker that is being stopped does the same.
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            (ErrorKind::Retriable, CLOSED.to_owned())
        }
        None => (ErrorKind::Retriable, error.to_string()),
    };
    SetupError::new(kind, reason)
}

const NO_TLS: &str =
    "the broker does not speak TLS on this port (security.protocol=PLAINTEXT or SASL_PLAINTEXT?)";
const CLOSED: &str =
    "the broker closed the connection; does this port speak TLS (security.protocol)?";

/// What the broker has against us, if it said so in a TLS alert.
pub(super) fn objection(error: &std::io::Error) -> Option<SetupError> {
    match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => {
            let (kind, reason) = alert_reason(*alert);
            Some(SetupError::new(kind, reason))
        }
        _ => None,
    }
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

fn alert_reason(alert: AlertDescription) -> (ErrorKind, String) {
    use AlertDescription as Alert;
    let reason = match alert {
        Alert::CertificateRequired => {
            "the broker wants a client certificate: set ssl.keystore.location".to_owned()
        }
        Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnsupportedCertificate => {
            "the broker wants a client certificate (ssl.keystore.location), or does not accept this one".to_owned()
        }
        Alert::UnknownCA => {
            "the broker does not trust the authority of our client certificate".to_owned()
        }
        Alert::CertificateExpired | Alert::CertificateRevoked => {
            "our client certificate has expired or was revoked".to_owned()
        }
        Alert::AccessDenied | Alert::HandshakeFailure | Alert::ProtocolVersion => {
            format!("the broker refuses the TLS handshake: {alert:?}")
        }
        // Of the others a restart may be the cause.
        other => return (ErrorKind::Retriable, format!("the broker ends TLS: {other:?}")),
    };
    (ErrorKind::Unauthorized, reason)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "tls-ring"))]
    fn processor_that_lacks_something_is_an_error_that_names_the_way_out() {
        let error = fallback(&["adx", "avx2"]).unwrap_err().to_string();
        assert!(error.contains("adx, avx2") && error.contains("tls-ring"), "{error}");
    }

    #[test]
    #[cfg(feature = "tls-ring")]
    fn processor_that_lacks_something_gets_ring() {
        assert!(!fallback(&["adx"]).unwrap().cipher_suites.is_empty());
    }

    #[test]
    fn pem_that_is_none_names_its_setting_and_shows_nothing() {
        let canary = "c4n4ry";
        let broken = format!("-----BEGIN CERTIFICATE-----\n{canary}!\n-----END CERTIFICATE-----\n");
        for text in ["", "no PEM at all", &broken] {
            let tls = TlsConfig::default().roots(TlsRoots::Pem(text.to_owned()));
            let error = client_config(&tls).unwrap_err().to_string();
            assert!(error.contains("ssl.truststore.certificates"), "{error}");
            assert!(!error.contains(canary), "{error}");
            let identity = crate::config::Identity::from_pem(text, canary);
            let tls = TlsConfig::default().roots(TlsRoots::Bundled).identity(identity);
            assert!(!format!("{tls:?}").contains(&format!("{canary}\"")), "{tls:?}");
            assert!(client_config(&tls).is_err(), "{text}");
        }
    }
}
