//! The cryptography: graviola.

use rustls::crypto::CryptoProvider;
use thiserror::Error;

/// What the cryptography needs and this processor lacks, by the names that the processor's maker gave it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("TLS and public-key signatures need processor features that are missing here: {}", .0.join(", "))]
pub struct MissingFeatures(pub Vec<&'static str>);

/// Key exchanges, ciphers and signatures. graviola panics on processors that lack what it needs, so they are asked first.
///
/// # Errors
/// What the processor lacks.
pub fn provider() -> Result<CryptoProvider, MissingFeatures> {
    let missing = missing();
    if missing.is_empty() {
        Ok(rustls_graviola::default_provider())
    } else {
        Err(MissingFeatures(missing))
    }
}

fn missing() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("aes", is_x86_feature_detected!("aes")),
        ("ssse3", is_x86_feature_detected!("ssse3")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("bmi1", is_x86_feature_detected!("bmi1")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("adx", is_x86_feature_detected!("adx")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
    ];
    #[cfg(target_arch = "aarch64")]
    let features = [
        ("aes", std::arch::is_aarch64_feature_detected!("aes")),
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("pmull", std::arch::is_aarch64_feature_detected!("pmull")),
        ("sha2", std::arch::is_aarch64_feature_detected!("sha2")),
    ];
    features.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect()
}
