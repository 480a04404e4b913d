//! Pure: SASL PLAIN (RFC 4616): authorization id, user and password in one message.

use secrecy::SecretString;

/// The message is shorter.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// Who says to be whom.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) user: String,
    pub(crate) password: SecretString,
}

/// Why the message is not taken; nothing in it comes from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlainError {
    #[error("malformed PLAIN message")]
    Malformed,
    #[error("acting for another user is not supported")]
    AuthorizationId,
}

impl Plain {
    /// Reads the message.
    ///
    /// # Errors
    /// [`PlainError`]
    pub(crate) fn parse(message: &[u8]) -> Result<Self, PlainError> {
        let text = std::str::from_utf8(message).map_err(|_| PlainError::Malformed)?;
        let mut fields = text.split('\0');
        let next = (fields.next(), fields.next(), fields.next(), fields.next());
        let (Some(identity), Some(user), Some(password), None) = next else {
            return Err(PlainError::Malformed);
        };
        if message.len() > MAX_MESSAGE_BYTES || user.is_empty() || password.is_empty() {
            return Err(PlainError::Malformed);
        }
        if !(identity.is_empty() || identity == user) {
            return Err(PlainError::AuthorizationId);
        }
        Ok(Self { user: user.to_owned(), password: password.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Plain, PlainError};
    use secrecy::ExposeSecret;

    #[test]
    fn messages() {
        for good in ["\0user\0p\u{e4}ss", "user\0user\0p\u{e4}ss"] {
            let plain = Plain::parse(good.as_bytes()).unwrap();
            assert_eq!((&*plain.user, plain.password.expose_secret()), ("user", "p\u{e4}ss"));
            assert!(!format!("{plain:?}").contains("p\u{e4}ss"));
        }
        for bad in ["", "\0", "\0user", "\0\0pass", "\0user\0", "\0user\0pass\0", "user\0pass"] {
            assert_eq!(Plain::parse(bad.as_bytes()).unwrap_err(), PlainError::Malformed, "{bad:?}");
        }
        assert_eq!(Plain::parse(b"\0\xff\0p").unwrap_err(), PlainError::Malformed);
        let long = format!("\0user\0{}", "x".repeat(9_000));
        assert_eq!(Plain::parse(long.as_bytes()).unwrap_err(), PlainError::Malformed);
        assert_eq!(Plain::parse(b"root\0user\0p").unwrap_err(), PlainError::AuthorizationId);
    }
}
