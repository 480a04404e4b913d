//! Zstandard frames.

use super::output::Output;
use super::{Codec, CodecError};
use bytes::Bytes;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use structured_zstd::decoding::{
    FrameContentSize, FrameDecoder, StreamingDecoder, read_frame_header_info,
};
use structured_zstd::encoding::{CompressionLevel, FrameCompressor};

/// Largest window a frame may ask for: that of zstd's own default limit, 2^27.
const WINDOW_MAX_BYTES: u64 = 128 * 1024 * 1024;
/// What is made ready when the header does not say how much comes out: a usual ratio.
const RATIO_GUESS: usize = 4;
/// An encoder that has grown beyond this is not kept: a thread may compress one large batch in its life.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

thread_local! {
    /// The tables of the last level that the thread used, reused by its next batches.
    static ENCODER: RefCell<Option<(i32, FrameCompressor)>> = const { RefCell::new(None) };
}

pub(super) fn compress(parts: &[Bytes], level: i32, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let joined;
    let input: &[u8] = match parts {
        [one] => one,
        many => {
            joined = many.concat();
            &joined
        }
    };
    let kept = ENCODER.take().filter(|(l, _)| *l == level).map(|(_, encoder)| encoder);
    let mut encoder =
        kept.unwrap_or_else(|| FrameCompressor::new(CompressionLevel::from_level(level)));
    // The encoder panics where others return an error; a panic must not take the batch with it, and
    // an encoder that has panicked is not used again.
    let compressed = catch_unwind(AssertUnwindSafe(|| {
        let frame = encoder.compress_independent_frame(input);
        (encoder, frame)
    }));
    let (encoder, frame) = compressed.map_err(|_| CodecError::Encoder {
        codec: Codec::Zstd,
        reason: "the encoder panicked".to_owned(),
    })?;
    if encoder.heap_size() <= KEPT_BYTES {
        ENCODER.set(Some((level, encoder)));
    }
    if out.is_empty() {
        *out = frame
    } else {
        out.extend_from_slice(&frame)
    }
    Ok(())
}

pub(super) fn decompress(input: &[u8], out: &mut Output) -> Result<(), CodecError> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(WINDOW_MAX_BYTES).map_err(|e| corrupt(&e))?;
    out.expect(announced_size(input).unwrap_or(input.len().saturating_mul(RATIO_GUESS)));
    out.fill(StreamingDecoder::new_with_decoder(input, decoder), |e| corrupt(&e))
}

/// The size in the frame's header, if there is one.
fn announced_size(input: &[u8]) -> Option<usize> {
    match read_frame_header_info(input, false).ok()?.content_size {
        FrameContentSize::Known(size) => usize::try_from(size).ok(),
        FrameContentSize::Unknown => None,
    }
}

fn corrupt(reason: &dyn std::fmt::Display) -> CodecError {
    CodecError::Corrupt { codec: Codec::Zstd, reason: reason.to_string() }
}
