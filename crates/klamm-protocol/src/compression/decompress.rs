//! Decompression with a cap on what comes out.

use super::{Codec, CodecError, snappy, zstd};
use bytes::Bytes;
use std::io::Read;

/// Output grows in steps of at most this, so that memory follows what was really decompressed.
const STEP_BYTES: usize = 64 * 1024;

/// Decompresses one batch's records to at most `cap` bytes.
///
/// # Errors
/// [`CodecError::TooLarge`] as soon as the cap is passed, [`CodecError::Corrupt`] for anything the
/// codec does not write.
pub fn decompress(codec: Codec, input: &Bytes, cap: usize) -> Result<Bytes, CodecError> {
    let out = match codec {
        Codec::None => return Ok(input.clone()),
        Codec::Snappy => snappy::decompress(input, cap)?,
        Codec::Gzip => read_all(flate2::read::MultiGzDecoder::new(&input[..]), codec, cap)?,
        Codec::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(&input[..]), codec, cap)?,
        Codec::Zstd => read_all(zstd::reader(input)?, codec, cap)?,
    };
    Ok(out.into())
}

fn read_all(mut reader: impl Read, codec: Codec, cap: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    loop {
        let from = out.len();
        out.resize(from + STEP_BYTES, 0);
        let n = reader
            .read(&mut out[from..])
            .map_err(|e| CodecError::Corrupt { codec, reason: e.to_string() })?;
        out.truncate(from + n);
        if out.len() > cap {
            return Err(CodecError::TooLarge(cap));
        }
        if n == 0 {
            return Ok(out);
        }
    }
}

pub(crate) fn decompress_message_set(
    codec: Codec,
    input: &Bytes,
    cap: usize,
    _magic: i8,
) -> Result<Bytes, CodecError> {
    decompress(codec, input, cap)
}
