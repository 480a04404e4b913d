//! OAUTHBEARER (RFC 7628, KIP-255): a token from whoever issues them.

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use thiserror::Error;

/// Gives out bearer tokens; asked again for every connection and every re-authentication.
pub trait TokenProvider: Debug + Send + Sync {
    /// Returns a token that is valid now; providers cache as they see fit.
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
#[error("{0}")]
pub struct TokenError(pub String);

/// The client's only message.
pub(super) fn client_first(token: &Token) -> Bytes {
    let mut message = format!("n,,\x01auth=Bearer {}", token.value.expose_secret());
    for (name, value) in &token.extensions {
        message.push_str(&format!("\x01{name}={value}"));
    }
    message.push_str("\x01\x01");
    message.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_that_of_rfc_7628() {
        let token = Token::new("secret").extension("a", "b");
        assert_eq!(&client_first(&token)[..], b"n,,\x01auth=Bearer secret\x01a=b\x01\x01");
        assert!(!format!("{token:?}").contains("secret\""), "a token must not be shown");
    }
}
