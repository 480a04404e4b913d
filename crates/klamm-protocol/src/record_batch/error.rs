//! Why bytes are no record batch.

use crate::compression::CodecError;
use thiserror::Error;

/// Why bytes are no record batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The checksum does not match: a bit flipped on the way or on a disk.
    #[error("batch at offset {base_offset}: checksum {computed:#010x} instead of {stored:#010x}")]
    Checksum {
        /// Base offset of the batch.
        base_offset: i64,
        /// What the header says.
        stored: u32,
        /// What the bytes say.
        computed: u32,
    },
    /// A format this build cannot read.
    #[error("record format v{0} is not known")]
    Magic(i8),
    /// Lengths or counts contradict each other.
    #[error("malformed batch at offset {base_offset}: {what}")]
    Malformed {
        /// Base offset of the batch; -1 when it is too short to have one.
        base_offset: i64,
        /// What is wrong.
        what: &'static str,
    },
    /// The records could not be decompressed.
    #[error("batch at offset {base_offset}: {error}")]
    Codec {
        /// Base offset of the batch.
        base_offset: i64,
        /// Why.
        error: CodecError,
    },
    /// A record is malformed; those before it are sound.
    #[error("record {index} of the batch at offset {base_offset}: {error}")]
    Record {
        /// Base offset of the batch.
        base_offset: i64,
        /// Position of the record in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        error: RecordError,
    },
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A field runs past the end of the record, or the record past that of the batch.
    #[error("cut off")]
    Truncated,
    /// A varint runs past its longest form or past the integer it stands for.
    #[error("malformed varint")]
    Varint,
    /// A length or count is negative where null is not allowed, or below null.
    #[error("length {0} is out of range")]
    Length(i32),
    /// Bytes are left between the last field and the end that the record's length gives.
    #[error("bytes left behind the last field")]
    Trailing,
    /// The offset is before or behind those that the batch covers.
    #[error("offset delta {0} is outside the batch")]
    OffsetDelta(i32),
}
