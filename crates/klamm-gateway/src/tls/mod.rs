//! TLS of the listener by rustls: HTTP/2 and 1.1 are offered, clients may show certificates, and the files are read again
//! when they change.

mod acceptor;
mod files;
#[cfg(test)]
mod tests;

pub use self::acceptor::Acceptor;
pub use self::files::{ClientCertificates, TlsConfig, TlsError};
pub use klamm_tls::CertificateName;
