//! The four codecs of Kafka, in pure Rust.
//!
//! Decompression is streamed into a buffer with a cap, so that a small batch cannot claim a large
//! memory.

mod blocks;
mod buffers;
mod decompress;
mod lz4;
mod output;
mod snappy;
mod zstd;

pub use self::buffers::{Buffers, Fresh};
pub(crate) use self::decompress::decompress_message_set;
pub use self::decompress::{DECOMPRESSED_MAX_BYTES, decompress, decompress_to};

use bytes::Bytes;
use flate2::write::GzEncoder;
use std::io::Write;
use std::str::FromStr;
use thiserror::Error;

/// How the records of a batch are compressed, as the batch says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i16)]
pub enum Codec {
    /// Not at all.
    #[default]
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// Snappy blocks, in the framing of Java's SnappyOutputStream.
    Snappy = 2,
    /// LZ4 frames.
    Lz4 = 3,
    /// Zstandard frames, RFC 8878.
    Zstd = 4,
}

impl Codec {
    /// The codec with this id in the attributes of a batch.
    pub fn from_id(id: i16) -> Option<Self> {
        Some(match id {
            0 => Codec::None,
            1 => Codec::Gzip,
            2 => Codec::Snappy,
            3 => Codec::Lz4,
            4 => Codec::Zstd,
            _ => return None,
        })
    }

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

impl FromStr for Codec {
    type Err = CodecError;

    fn from_str(name: &str) -> Result<Self, CodecError> {
        let all = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
        all.into_iter().find(|c| c.name() == name).ok_or(CodecError::Unknown)
    }
}

/// A codec and how hard it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compression {
    codec: Codec,
    level: Option<i32>,
}

/// Why bytes could not be compressed or decompressed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// No codec of Kafka's.
    #[error("unknown compression codec")]
    Unknown,
    /// A level the codec does not have.
    #[error("{} has no level {level}: its levels are {min} to {max}", codec.name())]
    Level {
        /// The codec.
        codec: Codec,
        /// The level asked for.
        level: i32,
        /// Lowest level.
        min: i32,
        /// Highest level.
        max: i32,
    },
    /// More bytes come out than the cap allows.
    #[error("decompresses to more than the cap of {0} bytes")]
    TooLarge(usize),
    /// The bytes are not what the codec writes.
    #[error("{} data is corrupt: {reason}", codec.name())]
    Corrupt {
        /// The codec.
        codec: Codec,
        /// What the codec says.
        reason: String,
    },
    /// The encoder failed.
    #[error("{} failed to compress: {reason}", codec.name())]
    Encoder {
        /// The codec.
        codec: Codec,
        /// What the encoder says.
        reason: String,
    },
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        Self { codec, level: None }
    }
}

impl Compression {
    /// A codec at a level of its own range, which is Java's: gzip 1 to 9 (default 6), lz4 1 to 17 (all
    /// the same here: the fast one), zstd -131072 to 22 (default 3).
    ///
    /// # Errors
    /// [`CodecError::Level`] outside the range; snappy and none have no levels.
    pub fn with_level(codec: Codec, level: i32) -> Result<Self, CodecError> {
        let (min, max) = match codec {
            Codec::Gzip => (1, 9),
            Codec::Lz4 => (1, 17),
            Codec::Zstd => (-131_072, 22),
            Codec::None | Codec::Snappy => (0, 0),
        };
        if (min..=max).contains(&level) && (min, max) != (0, 0) {
            return Ok(Self { codec, level: Some(level) });
        }
        Err(CodecError::Level { codec, level, min, max })
    }

    /// The codec.
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// Appends the compressed form of `parts`, read as one run of bytes, to `out`.
    ///
    /// # Errors
    /// [`CodecError::Encoder`] when the codec fails.
    pub fn compress(self, parts: &[Bytes], out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self.codec {
            Codec::None => parts.iter().for_each(|p| out.extend_from_slice(p)),
            Codec::Gzip => gzip(parts, self.level.unwrap_or(6), out)?,
            Codec::Snappy => snappy::compress(parts, out)?,
            Codec::Lz4 => lz4::compress(parts, out),
            Codec::Zstd => zstd::compress(parts, self.level.unwrap_or(3), out)?,
        }
        Ok(())
    }
}

fn gzip(parts: &[Bytes], level: i32, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let level = flate2::Compression::new(level.clamp(0, 9) as u32);
    let failed =
        |e: std::io::Error| CodecError::Encoder { codec: Codec::Gzip, reason: e.to_string() };
    let mut encoder = GzEncoder::new(out, level);
    for part in parts {
        encoder.write_all(part).map_err(failed)?;
    }
    encoder.finish().map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests;
