//! Pure: SCRAM (RFC 5802, RFC 7677), the client's side.
//!
//! ```text
//!   ClientFirst ──message──► server-first ──handle──► ClientFinal ──message──► server-final ──handle──► done
//! ```

use crate::connection::error::quoted;
use crate::connection::settings::ScramMechanism;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use thiserror::Error;

/// Rounds below this make a stolen exchange cheap to crack: RFC 7677's minimum.
const ITERATIONS_MIN: u32 = 4_096;
/// Rounds above this are a way to keep us busy.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Why the server is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ScramError {
    #[error("malformed SCRAM message from the broker: {0}")]
    Malformed(&'static str),
    #[error("the broker's nonce does not continue ours")]
    Nonce,
    #[error(
        "the broker asks for {0} iterations; between {ITERATIONS_MIN} and {ITERATIONS_MAX} are accepted"
    )]
    Iterations(u32),
    #[error("the credentials are refused: {0}")]
    Refused(String),
    #[error("the broker could not prove that it knows the password")]
    ServerSignature,
}

/// The state after our first message.
#[derive(Debug)]
pub(super) struct ClientFirst {
    mechanism: ScramMechanism,
    nonce: String,
    bare: String,
}

/// The state after our second message.
#[derive(Debug)]
pub(super) struct ClientFinal {
    message: String,
    server_signature: Vec<u8>,
}

impl ClientFirst {
    pub(super) fn new(mechanism: ScramMechanism, username: &str, nonce: &str) -> Self {
        let username = username.replace('=', "=3D").replace(',', "=2C");
        Self { mechanism, nonce: nonce.to_owned(), bare: format!("n={username},r={nonce}") }
    }

    pub(super) fn message(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Answers salt and iterations with the proof; takes milliseconds of hashing.
    pub(super) fn handle_server_first(
        &self,
        message: &[u8],
        password: &str,
    ) -> Result<ClientFinal, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed("not UTF-8"))?;
        if text.starts_with("m=") {
            // RFC 5802: an extension we would have to understand, and do not.
            return Err(ScramError::Malformed("a mandatory extension"));
        }
        let nonce = attribute(text, 'r')?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salt = decode(attribute(text, 's')?)?;
        let iterations: u32 =
            attribute(text, 'i')?.parse().map_err(|_| ScramError::Malformed("iterations"))?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(ScramError::Iterations(iterations));
        }
        let without_proof = format!("c=biws,r={nonce}");
        let auth = format!("{},{text},{without_proof}", self.bare);
        let (proof, server_signature) = match self.mechanism {
            ScramMechanism::Sha256 => Sha256Keys::prove(password, &salt, iterations, &auth),
            ScramMechanism::Sha512 => Sha512Keys::prove(password, &salt, iterations, &auth),
        };
        let message = format!("{without_proof},p={}", BASE64_STANDARD.encode(proof));
        Ok(ClientFinal { message, server_signature })
    }
}

impl ClientFinal {
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Checks that the server knows the password, too.
    pub(super) fn handle_server_final(&self, message: &[u8]) -> Result<(), ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed("not UTF-8"))?;
        if let Ok(refused) = attribute(text, 'e') {
            return Err(ScramError::Refused(quoted(refused)));
        }
        let signature = decode(attribute(text, 'v')?)?;
        if same(&signature, &self.server_signature) {
            Ok(())
        } else {
            Err(ScramError::ServerSignature)
        }
    }
}

/// Compares without telling by its duration where the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

/// The two signatures of an exchange, for one hash.
macro_rules! keys {
    ($name:ident, $hash:ty) => {
        struct $name;

        impl $name {
            fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
                // HMAC takes keys of any length, so this cannot fail.
                match <Hmac<$hash> as KeyInit>::new_from_slice(key) {
                    Ok(mut mac) => {
                        mac.update(data);
                        mac.finalize().into_bytes().to_vec()
                    }
                    Err(_) => Vec::new(),
                }
            }

            /// The client's proof and the signature that the server must show.
            fn prove(password: &str, salt: &[u8], rounds: u32, auth: &str) -> (Vec<u8>, Vec<u8>) {
                let mut salted = vec![0; <$hash as Digest>::output_size()];
                let _ =
                    pbkdf2::pbkdf2::<Hmac<$hash>>(password.as_bytes(), salt, rounds, &mut salted);
                let client_key = Self::mac(&salted, b"Client Key");
                let stored_key = <$hash as Digest>::digest(&client_key);
                let signature = Self::mac(&stored_key, auth.as_bytes());
                let proof = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
                let server_key = Self::mac(&salted, b"Server Key");
                (proof, Self::mac(&server_key, auth.as_bytes()))
            }
        }
    };
}

keys!(Sha256Keys, Sha256);
keys!(Sha512Keys, Sha512);

fn attribute(message: &str, name: char) -> Result<&str, ScramError> {
    let found = message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.ok_or(ScramError::Malformed("an attribute is missing"))
}

fn decode(text: &str) -> Result<Vec<u8>, ScramError> {
    BASE64_STANDARD.decode(text).map_err(|_| ScramError::Malformed("not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn first() -> ClientFirst {
        ClientFirst::new(ScramMechanism::Sha256, "user", NONCE)
    }

    #[test]
    fn exchange_is_that_of_rfc_7677() {
        assert_eq!(first().message(), format!("n,,n=user,r={NONCE}"));
        let last = first().handle_server_first(SERVER_FIRST.as_bytes(), "pencil").unwrap();
        assert_eq!(
            last.message(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        last.handle_server_final(SERVER_FINAL.as_bytes()).unwrap();
    }

    #[test]
    fn rogue_server_is_not_believed() {
        let cases: [(&str, ScramError); 9] = [
            ("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ScramError::Nonce),
            ("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ScramError::Nonce),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", ScramError::Iterations(1)),
            (
                "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
                ScramError::Iterations(4095),
            ),
            (
                "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001",
                ScramError::Iterations(1_000_001),
            ),
            (
                "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
                ScramError::Malformed("iterations"),
            ),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096", ScramError::Malformed("not base64")),
            ("r=rOprNGfwEbeRWgbNEkqOx,i=4096", ScramError::Malformed("an attribute is missing")),
            (
                "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096",
                ScramError::Malformed("a mandatory extension"),
            ),
        ];
        for (message, expected) in cases {
            let got = first().handle_server_first(message.as_bytes(), "pencil").unwrap_err();
            assert_eq!(got, expected, "{message}");
        }
        let last = first().handle_server_first(SERVER_FIRST.as_bytes(), "pencil").unwrap();
        for (message, expected) in [
            ("v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ScramError::ServerSignature),
            ("v=", ScramError::ServerSignature),
            ("", ScramError::Malformed("an attribute is missing")),
            ("e=invalid-proof", ScramError::Refused("invalid-proof".into())),
        ] {
            assert_eq!(last.handle_server_final(message.as_bytes()), Err(expected), "{message}");
        }
    }

    #[test]
    fn names_are_escaped() {
        let first = ClientFirst::new(ScramMechanism::Sha512, "a=b,c", "x");
        assert_eq!(first.message(), "n,,n=a=3Db=2Cc,r=x");
    }
}
