//! What klamm's client, broker and gateway share about TLS: the cryptography, and the names in certificates.

mod der;
mod names;
mod provider;

pub use self::names::{CertificateName, subject};
pub use self::provider::{MissingFeatures, provider};
