//! Decompression with a cap on what comes out.

use super::output::Output;
use super::{Buffers, Codec, CodecError, Fresh, lz4, snappy, zstd};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

/// What a batch may decompress to unless the caller says otherwise: 256 MiB.
pub const DECOMPRESSED_MAX_BYTES: usize = 256 * 1024 * 1024;

/// Decompresses one batch's records to at most `cap` bytes.
///
/// Memory goes with what really comes out or with what the input can come to, whatever it claims; on
/// top are a codec's own tables, below 512 KiB, but nothing for the window that a zstd header asks for.
///
/// # Errors
/// [`CodecError::TooLarge`] as soon as the cap is passed, [`CodecError::Corrupt`] for anything the
/// codec does not write.
pub fn decompress(codec: Codec, input: &Bytes, cap: usize) -> Result<Bytes, CodecError> {
    expand(codec, input, cap, true, &Fresh)
}

/// The same with the memory of `buffers`.
///
/// # Errors
/// Those of [`decompress`].
pub fn decompress_to(
    buffers: &dyn Buffers,
    codec: Codec,
    input: &Bytes,
    cap: usize,
) -> Result<Bytes, CodecError> {
    expand(codec, input, cap, true, buffers)
}

/// The same for what is within a compressed message of format v0 or v1 (`magic`).
pub(crate) fn decompress_message_set(
    codec: Codec,
    input: &Bytes,
    cap: usize,
    magic: i8,
) -> Result<Bytes, CodecError> {
    expand(codec, input, cap, magic != 0, &Fresh)
}

fn expand(
    codec: Codec,
    input: &Bytes,
    cap: usize,
    lz4_checks_header: bool,
    buffers: &dyn Buffers,
) -> Result<Bytes, CodecError> {
    if codec == Codec::None {
        return if input.len() > cap { Err(CodecError::TooLarge(cap)) } else { Ok(input.clone()) };
    }
    let mut out = Output::new(input, cap, buffers);
    match codec {
        Codec::None => {}
        Codec::Snappy => snappy::decompress(input, &mut out)?,
        Codec::Lz4 => lz4::decompress(input, lz4_checks_header, &mut out)?,
        Codec::Zstd => zstd::decompress(input, &mut out)?,
        Codec::Gzip => gunzip(input, &mut out)?,
    }
    Ok(out.finish())
}

/// Reads all members; each ends with the low 32 bits of its size, the last of which is a good guess.
fn gunzip(input: &[u8], out: &mut Output<'_>) -> Result<(), CodecError> {
    if let Some(size) = input.last_chunk() {
        out.expect(u32::from_le_bytes(*size) as usize);
    }
    out.fill(MultiGzDecoder::new(input), |e| CodecError::Corrupt {
        codec: Codec::Gzip,
        reason: e.to_string(),
    })
}
