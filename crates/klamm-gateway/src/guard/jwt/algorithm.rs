//! Pure: algorithms that tokens may be signed with. All have a private key that the issuer alone has: `none` and those of a
//! shared secret are no algorithms here, so that none can be mistaken for another.

use crate::cryptography::verifier;
use rustls::pki_types::{AlgorithmIdentifier, alg_id};

/// An algorithm of RFC 7518 or RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names are those of the standard")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// What kind of key an algorithm has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The one of this name; `Ed25519` is the newer name of `EdDSA`.
    pub fn of(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Es256 => Kind::P256,
            Self::Es384 => Kind::P384,
            Self::EdDsa => Kind::Ed25519,
            _ => Kind::Rsa,
        }
    }

    fn identifiers(self) -> (AlgorithmIdentifier, AlgorithmIdentifier) {
        let signature = match self {
            Self::Rs256 => alg_id::RSA_PKCS1_SHA256,
            Self::Rs384 => alg_id::RSA_PKCS1_SHA384,
            Self::Rs512 => alg_id::RSA_PKCS1_SHA512,
            Self::Ps256 => alg_id::RSA_PSS_SHA256,
            Self::Ps384 => alg_id::RSA_PSS_SHA384,
            Self::Ps512 => alg_id::RSA_PSS_SHA512,
            Self::Es256 => alg_id::ECDSA_SHA256,
            Self::Es384 => alg_id::ECDSA_SHA384,
            Self::EdDsa => alg_id::ED25519,
        };
        let key = match self.kind() {
            Kind::Rsa => alg_id::RSA_ENCRYPTION,
            Kind::P256 => alg_id::ECDSA_P256,
            Kind::P384 => alg_id::ECDSA_P384,
            Kind::Ed25519 => alg_id::ED25519,
        };
        (key, signature)
    }

    /// Whether `signature`, as tokens carry it, is one of `message` by the owner of `key`, as certificates carry it.
    pub(super) fn signed(self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let (key_kind, signature_kind) = self.identifiers();
        let Ok(verifier) = verifier(key_kind, signature_kind) else { return false };
        let half = match self.kind() {
            Kind::P256 => 32,
            Kind::P384 => 48,
            Kind::Rsa | Kind::Ed25519 => {
                return verifier.verify_signature(key, message, signature).is_ok();
            }
        };
        if signature.len() != 2 * half {
            return false;
        }
        let (r, s) = signature.split_at(half);
        let der = sequence(&[integer(r), integer(s)].concat());
        verifier.verify_signature(key, message, &der).is_ok()
    }
}

/// A DER sequence of these elements.
pub(super) fn sequence(elements: &[u8]) -> Vec<u8> {
    element(0x30, elements)
}

/// A DER integer of these digits, which has no sign.
pub(super) fn integer(digits: &[u8]) -> Vec<u8> {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = digits.get(zeros..).filter(|digits| !digits.is_empty()).unwrap_or(&[0]);
    // A first bit would be a sign.
    let sign: &[u8] = if digits.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    element(0x02, &[sign, digits].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count().min(length.len() - 1);
    let digits = &length[zeros..];
    match digits {
        [short] if *short < 0x80 => [&[tag, *short], content].concat(),
        // No more than eight digits of a length.
        _ => [&[tag, 0x80 | digits.len() as u8], digits, content].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, integer, sequence};

    #[test]
    fn names_come_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::of(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::of("Ed25519"), Some(Algorithm::EdDsa));
        for wrong in ["none", "None", "HS256", "rs256", "ES512", "RSA-OAEP", "", "dir"] {
            assert_eq!(Algorithm::of(wrong), None);
        }
    }

    #[test]
    fn der_is_as_short_as_it_can_be() {
        assert_eq!(integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(integer(&[]), [2, 1, 0]);
        for (length, head) in [
            (0, &[0x30, 0][..]),
            (127, &[0x30, 127]),
            (128, &[0x30, 0x81, 128]),
            (256, &[0x30, 0x82, 1, 0]),
        ] {
            let der = sequence(&vec![7; length]);
            assert!(der.starts_with(head), "{length}");
            assert_eq!(der.len(), head.len() + length);
        }
    }
}
