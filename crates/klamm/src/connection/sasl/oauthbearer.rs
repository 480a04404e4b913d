//! OAUTHBEARER (RFC 7628, KIP-255): a token from whoever issues them.

use crate::error::ErrorKind;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use thiserror::Error;

/// Gives out bearer tokens; asked again for every connection and every re-authentication.
///
/// Kafka's counterpart is the login callback handler of KIP-255.
pub trait TokenProvider: Debug + Send + Sync {
    /// Returns a token that is valid now; providers cache as they see fit.
    ///
    /// # Errors
    /// [`TokenError`]; whether it is worth another try is for the provider to say.
    ///
    /// # Cancel safety
    /// Must be safe: the future is dropped when the setup timeout of a connection passes.
    fn token(&self) -> Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send + '_>>;
}

/// A bearer token and the SASL extensions that go with it.
#[derive(Debug, Clone)]
pub struct Token {
    value: SecretString,
    extensions: Vec<(String, String)>,
}

impl Token {
    /// Wraps a token as its issuer gave it out.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into().into(), extensions: Vec::new() }
    }

    /// Adds a SASL extension (KIP-342), such as `logicalCluster`.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }
}

/// Why there is no token; the text must not contain one.
#[derive(Debug, Clone, Error)]
#[error("{reason}")]
pub struct TokenError {
    reason: String,
    kind: ErrorKind,
}

impl TokenError {
    /// The issuer cannot be asked now; connections try again.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: ErrorKind::Retriable }
    }

    /// The issuer refuses; what waits for a connection fails.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: ErrorKind::Unauthorized }
    }

    /// What to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// The client's only message; an error when a part could be read as more than it is (RFC 7628 §3.1).
pub(super) fn client_first(token: &Token) -> Result<Bytes, &'static str> {
    let value = token.value.expose_secret();
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a token is one word of visible ASCII characters");
    }
    let mut message = format!("n,,\x01auth=Bearer {value}");
    for (name, value) in &token.extensions {
        let name_is_fine = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic());
        let value_is_fine = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !name_is_fine || name == "auth" || !value_is_fine {
            return Err("a SASL extension is a name of letters and a value of visible characters");
        }
        message.push_str(&format!("\x01{name}={value}"));
    }
    message.push_str("\x01\x01");
    Ok(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_that_of_rfc_7628() {
        let token = Token::new("c4n4ry").extension("a", "b");
        let message = client_first(&token).unwrap();
        assert_eq!(&message[..], b"n,,\x01auth=Bearer c4n4ry\x01a=b\x01\x01");
        assert!(!format!("{token:?}").contains("c4n4ry"), "a token must not be shown");
    }

    #[test]
    fn parts_that_would_change_the_message_are_refused() {
        let refused = [
            Token::new(""),
            Token::new("a b"),
            Token::new("a\x01host=evil"),
            Token::new("a").extension("", "b"),
            Token::new("a").extension("auth", "Bearer b"),
            Token::new("a").extension("a=b", "c"),
            Token::new("a").extension("a", "b\x01auth=Bearer c"),
        ];
        for token in refused {
            assert!(client_first(&token).is_err(), "{token:?}");
        }
    }
}
