//! Strings that share the frame they came in.

use super::DecodeError;
use bytes::Bytes;
use std::{borrow::Borrow, fmt, ops::Deref};

/// An immutable UTF-8 string that shares the buffer it was decoded from.
///
/// Cloning costs one reference count. A string cut out of a large frame keeps the frame alive; call
/// [`Str::detach`] before keeping one for long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Str(Bytes);

impl Str {
    /// A string without an allocation.
    pub const fn from_static(s: &'static str) -> Self {
        Self(Bytes::from_static(s.as_bytes()))
    }

    /// Wraps bytes after checking that they are UTF-8.
    ///
    /// # Errors
    /// [`DecodeError::Utf8`] if they are not.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, DecodeError> {
        std::str::from_utf8(&bytes).map_err(|_| DecodeError::Utf8)?;
        Ok(Self(bytes))
    }

    /// The string slice.
    pub fn as_str(&self) -> &str {
        // Checked once at construction; the empty string stands for the impossible case so that
        // no input can make this panic.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Copies into a buffer of its own, letting go of the frame it came from.
    pub fn detach(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl Deref for Str {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self
    }
}

// Sound for map look-ups: `Bytes` hashes like `[u8]`, not like `str`, so only ordered maps may
// borrow as bytes; the hash of a `Str` key is never compared with that of a `str`.
impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<String> for Str {
    fn from(s: String) -> Self {
        Self(Bytes::from(s.into_bytes()))
    }
}

impl From<&str> for Str {
    fn from(s: &str) -> Self {
        Self(Bytes::copy_from_slice(s.as_bytes()))
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}
