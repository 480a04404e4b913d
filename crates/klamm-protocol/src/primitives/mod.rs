//! The building blocks of every message: integers, varints, strings, arrays and tagged fields.

mod decoder;
mod encoder;
mod error;
mod frame;
mod records;
mod source;
mod str;
mod uuid;

pub use self::decoder::Decoder;
pub use self::encoder::{Encoder, uvarint_len, varint_len, varlong_len};
pub use self::error::{DecodeError, EncodeError};
pub use self::frame::{Frame, StreamedFrame};
pub use self::records::Records;
pub use self::source::{Later, Piece, Source};
pub use self::str::Str;
pub use self::uuid::Uuid;

/// A value with a versioned wire form, in both directions.
pub trait Message: Sized {
    /// Lowest and highest version this type can be encoded in and decoded from.
    const VERSIONS: std::ops::RangeInclusive<i16>;

    /// Appends the wire form of `version`.
    ///
    /// # Errors
    /// [`EncodeError`] when a field that the version does not know is set and must not be ignored,
    /// when a required value is null, or when a length does not fit its prefix.
    fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError>;

    /// Reads the wire form of `version`; unknown tagged fields are skipped.
    ///
    /// # Errors
    /// [`DecodeError`] on anything malformed; never panics.
    fn decode(d: &mut Decoder, version: i16) -> Result<Self, DecodeError>;
}

#[cfg(test)]
mod stream_tests;
