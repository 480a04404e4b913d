//! Why bytes are no value, and why a value has no bytes.

use thiserror::Error;

/// Why bytes could not be read as the value they were said to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends before the value does.
    #[error("{needed} more bytes needed, {remaining} left")]
    Truncated {
        /// Bytes the next value takes.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A length or count is negative where null is not allowed, or larger than the input.
    #[error("length {0} is out of range")]
    Length(i64),
    /// A varint runs past its longest form or past the integer it stands for.
    #[error("varint does not fit {0} bits")]
    Varint(u32),
    /// A string is not UTF-8.
    #[error("string is not UTF-8")]
    Utf8,
    /// Null where the version does not allow it.
    #[error("null in field {0}, which is not nullable")]
    Null(&'static str),
    /// A message version outside the range this build knows.
    #[error("version {version} of {message} is not known")]
    Version {
        /// Message name in Kafka's schema.
        message: &'static str,
        /// Version asked for.
        version: i16,
    },
    /// Decoding would allocate more than the budget granted to an input of this size.
    #[error("a value of {0} bytes would exceed the memory budget of its input")]
    OverBudget(usize),
    /// Bytes are left after the last field.
    #[error("{0} bytes left after the last field")]
    Trailing(usize),
    /// A value that no version of the protocol allows here.
    #[error("invalid {0}")]
    Invalid(&'static str),
}

/// Why a value has no wire form in the version asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The version has no such field, the field is set, and ignoring it would change the meaning.
    #[error("field {field} is set but version {version} does not have it")]
    Unsupported {
        /// Field name.
        field: &'static str,
        /// Version asked for.
        version: i16,
    },
    /// Null where the version does not allow it.
    #[error("null in field {0}, which is not nullable")]
    Null(&'static str),
    /// A message version outside the range this build knows.
    #[error("version {version} of {message} is not known")]
    Version {
        /// Message name in Kafka's schema.
        message: &'static str,
        /// Version asked for.
        version: i16,
    },
    /// A string, array or frame is longer than its length prefix can say.
    #[error("length {0} does not fit its prefix")]
    TooLong(usize),
    /// Records that are still to be read, where all bytes have to be in memory.
    #[error("{0} bytes of records are still to be read; encode them as a streamed frame")]
    NotHere(usize),
}
