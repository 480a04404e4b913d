//! Pure: a set of an issuer's public keys, as RFC 7517 has it.

use super::algorithm::{Algorithm, Kind, integer, sequence};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use thiserror::Error;

/// A set has no more keys.
const KEYS_MAX: usize = 1_000;

/// Keys that signatures can be checked with.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    kind: Kind,
    /// The only algorithm it is for.
    algorithm: Option<Algorithm>,
    /// As certificates carry it.
    public: Vec<u8>,
}

/// Why a text is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum WrongKeys {
    #[error("it is no JSON Web Key Set: {0}")]
    Form(String),
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
    #[error("it has no key that signatures could be checked with")]
    None,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. Keys of other kinds and for other purposes are passed over, as the standard asks; shared secrets too: what
    /// is published is none.
    pub(super) fn parse(json: &[u8]) -> Result<Self, WrongKeys> {
        let document: Document =
            serde_json::from_slice(json).map_err(|error| WrongKeys::Form(error.to_string()))?;
        if document.keys.len() > KEYS_MAX {
            return Err(WrongKeys::TooMany);
        }
        let keys: Vec<Key> = document.keys.into_iter().filter_map(Key::of).collect();
        if keys.is_empty() { Err(WrongKeys::None) } else { Ok(Self { keys }) }
    }

    /// Keys that a token with this algorithm and this key's name may be signed with.
    pub(super) fn of<'a>(
        &'a self,
        algorithm: Algorithm,
        id: Option<&'a str>,
    ) -> impl Iterator<Item = &'a [u8]> {
        let fits = move |key: &&Key| {
            key.kind == algorithm.kind()
                && key.algorithm.is_none_or(|only| only == algorithm)
                && id.is_none_or(|id| key.id.as_deref() == Some(id))
        };
        self.keys.iter().filter(fits).map(|key| &key.public[..])
    }

    /// Whether a key has this name, whatever it is for.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        if jwk.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: Option<&String>| BASE64_URL_SAFE_NO_PAD.decode(text?).ok();
        let point = |size: usize| {
            let (x, y) = (bytes(jwk.x.as_ref())?, bytes(jwk.y.as_ref())?);
            // Four says that both coordinates follow.
            (x.len() == size && y.len() == size).then(|| [&[4][..], &x, &y].concat())
        };
        let (kind, public) = match (&*jwk.kty, jwk.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (bytes(jwk.n.as_ref())?, bytes(jwk.e.as_ref())?);
                (Kind::Rsa, sequence(&[integer(&n), integer(&e)].concat()))
            }
            ("EC", Some("P-256")) => (Kind::P256, point(32)?),
            ("EC", Some("P-384")) => (Kind::P384, point(48)?),
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, bytes(jwk.x.as_ref())?),
            _ => return None,
        };
        let algorithm = match jwk.alg {
            None => None,
            Some(name) => Some(Algorithm::of(&name).filter(|only| only.kind() == kind)?),
        };
        Some(Self { id: jwk.kid, kind, algorithm, public })
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, KeySet, WrongKeys};
    use proptest::prelude::*;

    const KEYS: &[u8] = include_bytes!("../../../testdata/jwt/keys.json");

    #[test]
    fn keys_are_found_by_what_they_are_for() {
        let set = KeySet::parse(KEYS).unwrap();
        let count = |algorithm, id| set.of(algorithm, id).count();
        assert_eq!(count(Algorithm::Rs256, None), 1);
        assert_eq!(count(Algorithm::Ps256, None), 2);
        assert_eq!(count(Algorithm::Ps256, Some("rsa-ps")), 1);
        assert_eq!(count(Algorithm::Rs256, Some("rsa-ps")), 0);
        assert_eq!(count(Algorithm::Es256, Some("p256")), 1);
        assert_eq!(count(Algorithm::Es256, Some("p384")), 0);
        assert_eq!(count(Algorithm::EdDsa, Some("ed")), 1);
        assert!(set.knows("rsa"));
        for unknown in ["oct", "p521", "for-encryption", "", "new"] {
            assert!(!set.knows(unknown), "{unknown}");
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for wrong in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[1]}", "{\"keys\":[{}]}"] {
            assert!(matches!(KeySet::parse(wrong.as_bytes()), Err(WrongKeys::Form(_))), "{wrong}");
        }
        for useless in [
            "",
            r#"{"kty":"oct","k":"AAAA"}"#,
            r#"{"kty":"RSA","n":"AQ"}"#,
            r#"{"kty":"RSA","n":"!","e":"AQAB"}"#,
            r#"{"kty":"RSA","n":"AQ","e":"AQAB","use":"enc"}"#,
            r#"{"kty":"RSA","n":"AQ","e":"AQAB","alg":"HS256"}"#,
            r#"{"kty":"RSA","n":"AQ","e":"AQAB","alg":"ES256"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#,
        ] {
            let set = format!("{{\"keys\":[{useless}]}}");
            assert_eq!(KeySet::parse(set.as_bytes()).unwrap_err(), WrongKeys::None, "{useless}");
        }
        let many = vec![r#"{"kty":"oct"}"#; 1001].join(",");
        let many = format!("{{\"keys\":[{many}]}}");
        assert_eq!(KeySet::parse(many.as_bytes()).unwrap_err(), WrongKeys::TooMany);
    }

    proptest! {
        #[test]
        fn no_key_panics(n in "[A-Za-z0-9_-]{0,60}", e in "[A-Za-z0-9_-]{0,8}", signature: Vec<u8>) {
            let set = format!(r#"{{"keys":[{{"kty":"RSA","n":"{n}","e":"{e}"}},{{"kty":"OKP","crv":"Ed25519","x":"{n}"}}]}}"#);
            if let Ok(set) = KeySet::parse(set.as_bytes()) {
                for algorithm in Algorithm::ALL {
                    for key in set.of(algorithm, None) {
                        prop_assert!(!algorithm.signed(key, b"message", &signature));
                    }
                }
            }
        }
    }
}
