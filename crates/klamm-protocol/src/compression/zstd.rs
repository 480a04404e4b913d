//! Zstandard frames.

use super::{Codec, CodecError};
use bytes::Bytes;
use std::io::Read;
use structured_zstd::decoding::{FrameDecoder, StreamingDecoder};
use structured_zstd::encoding::{CompressionLevel, compress_to_vec};

pub(super) fn compress(parts: &[Bytes], level: i32, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let joined;
    let input: &[u8] = match parts {
        [one] => one,
        many => {
            joined = many.concat();
            &joined
        }
    };
    // The encoder panics where others return an error; a panic must not take the batch with it.
    let compressed =
        std::panic::catch_unwind(|| compress_to_vec(input, CompressionLevel::Level(level)));
    match compressed {
        Ok(bytes) => {
            out.extend_from_slice(&bytes);
            Ok(())
        }
        Err(_) => {
            Err(CodecError::Encoder { codec: Codec::Zstd, reason: "the encoder panicked".into() })
        }
    }
}

/// Largest window a frame may ask for: that of zstd's own default limit.
const WINDOW_MAX_BYTES: u64 = 128 * 1024 * 1024;

pub(super) fn reader<'a>(input: &'a [u8]) -> Result<impl Read + 'a, CodecError> {
    let mut decoder = FrameDecoder::new();
    decoder
        .set_max_window_size(WINDOW_MAX_BYTES)
        .map_err(|e| CodecError::Corrupt { codec: Codec::Zstd, reason: e.to_string() })?;
    Ok(StreamingDecoder::new_with_decoder(input, decoder))
}
