//! What checks public-key signatures, of tokens and webhooks.

use klamm_tls::MissingFeatures;
use rustls::pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm};

/// What checks signatures of this kind by keys of that kind.
///
/// # Errors
/// What the processor lacks, or that there is none.
pub(crate) fn verifier(
    public_key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
) -> Result<&'static dyn SignatureVerificationAlgorithm, MissingFeatures> {
    let all = klamm_tls::provider()?.signature_verification_algorithms.all;
    all.iter()
        .copied()
        .find(|one| one.public_key_alg_id() == public_key && one.signature_alg_id() == signature)
        .ok_or_else(|| MissingFeatures(vec!["a kind of signature"]))
}
