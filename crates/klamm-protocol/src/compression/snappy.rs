//! Snappy in the framing of xerial's SnappyOutputStream, which is what Java writes.

use super::blocks::for_each_block;
use super::output::Output;
use super::{Codec, CodecError};
use bytes::Bytes;
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// Magic, version 1, compatible with version 1.
const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const XERIAL_MAGIC: &[u8] = XERIAL_HEADER.split_at(8).0;
/// Input bytes of a block: Java's default buffer.
const BLOCK_BYTES: usize = 32 * 1024;
/// A block states its size before it proves it: at best a copy of three bytes yields 64.
const RATIO_MAX: usize = 22;

pub(super) fn compress(parts: &[Bytes], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let failed =
        |e: snap::Error| CodecError::Encoder { codec: Codec::Snappy, reason: e.to_string() };
    out.extend_from_slice(&XERIAL_HEADER);
    let mut encoder = Encoder::new();
    let mut scratch = vec![0; max_compress_len(BLOCK_BYTES)];
    for_each_block(parts, BLOCK_BYTES, |block| {
        let n = encoder.compress(block, &mut scratch).map_err(failed)?;
        out.extend_from_slice(&(n as u32).to_be_bytes());
        out.extend_from_slice(&scratch[..n]);
        Ok(())
    })
}

/// Reads xerial's framing, or one raw block as librdkafka and others write it.
pub(super) fn decompress(input: &[u8], out: &mut Output<'_>) -> Result<(), CodecError> {
    if !input.starts_with(XERIAL_MAGIC) {
        return expand(input, out);
    }
    let lengths = Blocks(input).map(|b| b.ok().and_then(|b| decompress_len(b).ok()));
    out.expect(lengths.map_while(|len| len).fold(0, usize::saturating_add));
    Blocks(input).try_for_each(|block| expand(block?, out))
}

/// The blocks of a framed stream; ends after the first that is cut off.
struct Blocks<'a>(&'a [u8]);

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<&'a [u8], CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Streams written one after the other each bring their header.
        while let Some(rest) = self.0.strip_prefix(XERIAL_MAGIC) {
            let Some(rest) = rest.get(XERIAL_HEADER.len() - XERIAL_MAGIC.len()..) else {
                self.0 = &[];
                return Some(Err(corrupt("header is cut off")));
            };
            self.0 = rest;
        }
        if self.0.is_empty() {
            return None;
        }
        let block = self
            .0
            .split_first_chunk::<4>()
            .and_then(|(len, tail)| tail.split_at_checked(u32::from_be_bytes(*len) as usize));
        (_, self.0) = block.unwrap_or_default();
        Some(block.map(|(block, _)| block).ok_or_else(|| corrupt("stream is cut off")))
    }
}

fn expand(block: &[u8], out: &mut Output<'_>) -> Result<(), CodecError> {
    let len = decompress_len(block).map_err(|e| corrupt(&e.to_string()))?;
    if len > block.len().saturating_mul(RATIO_MAX) {
        return Err(corrupt("block claims more than its bytes can hold"));
    }
    if len > out.left() {
        return Err(out.too_large());
    }
    let (_, room) = out.split(len);
    let n = Decoder::new().decompress(block, room).map_err(|e| corrupt(&e.to_string()))?;
    out.advance(n);
    Ok(())
}

fn corrupt(reason: &str) -> CodecError {
    CodecError::Corrupt { codec: Codec::Snappy, reason: reason.to_owned() }
}
