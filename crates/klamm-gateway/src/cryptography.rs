//! The cryptography of TLS and of public-key signatures: graviola.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm};
use thiserror::Error;

/// The processor lacks what the cryptography needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("TLS and public-key signatures need processor features that are missing here: {0}")]
pub(crate) struct MissingFeatures(String);

/// All of it. graviola panics on processors that lack what it needs, so they are asked first.
///
/// # Errors
/// What the processor lacks.
pub(crate) fn provider() -> Result<CryptoProvider, MissingFeatures> {
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
    let missing: Vec<&str> =
        features.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        Ok(rustls_graviola::default_provider())
    } else {
        Err(MissingFeatures(missing.join(", ")))
    }
}

/// What checks signatures of this kind by keys of that kind.
///
/// # Errors
/// What the processor lacks, or that there is none.
pub(crate) fn verifier(
    public_key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
) -> Result<&'static dyn SignatureVerificationAlgorithm, MissingFeatures> {
    let all = provider()?.signature_verification_algorithms.all;
    all.iter()
        .copied()
        .find(|one| one.public_key_alg_id() == public_key && one.signature_alg_id() == signature)
        .ok_or_else(|| MissingFeatures("a kind of signature".to_owned()))
}
