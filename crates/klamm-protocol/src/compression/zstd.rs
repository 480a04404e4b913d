//! Zstandard frames.

use super::output::Output;
use super::{Codec, CodecError};
use bytes::Bytes;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use structured_zstd::decoding::{
    FrameContentSize, FrameDecoder, find_frame_compressed_size, read_frame_header_info,
};
use structured_zstd::encoding::{CompressionLevel, FrameCompressor};

/// What a compressed block comes to at most.
const BLOCK_MAX_BYTES: usize = 128 * 1024;
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

/// Decompresses frames up to the end of the input, each straight to where its bytes are to stay. That
/// makes the window that a header asks for harmless: nothing is made ready for it.
pub(super) fn decompress(mut input: &[u8], out: &mut Output<'_>) -> Result<(), CodecError> {
    let mut decoder = FrameDecoder::new();
    loop {
        let size = find_frame_compressed_size(input)
            .map_err(|e| corrupt(&format_args!("frame is cut off or malformed: {e:?}")))?;
        let (frame, rest) = input.split_at_checked(size).ok_or_else(|| corrupt(&"cut off"))?;
        let bound = content_bound(frame);
        let capped = bound > out.left();
        let (_, room) = out.split(bound);
        match catch_unwind(AssertUnwindSafe(|| decoder.decode_all(frame, room))) {
            Ok(Ok(n)) => out.advance(n),
            Ok(Err(_)) if capped => return Err(out.too_large()),
            Ok(Err(e)) => return Err(corrupt(&e)),
            Err(_) => return Err(corrupt(&"the decoder panicked")),
        }
        if rest.is_empty() {
            return Ok(());
        }
        input = rest;
    }
}

/// The most that a frame can decompress to: what its header announces or its blocks can hold, whichever
/// is less; 0 for a frame to be skipped.
fn content_bound(frame: &[u8]) -> usize {
    let Ok(header) = read_frame_header_info(frame, false) else { return 0 };
    let announced = match header.content_size {
        FrameContentSize::Known(size) => usize::try_from(size).unwrap_or(usize::MAX),
        FrameContentSize::Unknown => usize::MAX,
    };
    let mut rest = frame.get(header.header_size..).unwrap_or_default();
    let mut held = 0usize;
    // Little-endian: bit 0 says whether the block is the last, bits 1 and 2 its type.
    while let Some((&[a, b, c], tail)) = rest.split_first_chunk() {
        let size = u32::from_le_bytes([a, b, c, 0]) as usize >> 3;
        let (stored, content) = match a >> 1 & 3 {
            0 => (size, size),
            1 => (1, size),
            _ => (size, BLOCK_MAX_BYTES),
        };
        held = held.saturating_add(content);
        rest = if a & 1 == 1 { &[] } else { tail.get(stored..).unwrap_or_default() };
    }
    announced.min(held)
}

fn corrupt(reason: &dyn std::fmt::Display) -> CodecError {
    CodecError::Corrupt { codec: Codec::Zstd, reason: reason.to_string() }
}
