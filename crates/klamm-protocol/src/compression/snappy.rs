//! Snappy in the framing of xerial's SnappyOutputStream, which is what Java writes.

use super::{Codec, CodecError};
use bytes::Bytes;

/// Magic, version 1, compatible with version 1.
const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Input bytes of a block: Java's default buffer.
const BLOCK_BYTES: usize = 32 * 1024;

pub(super) fn compress(parts: &[Bytes], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let failed =
        |e: snap::Error| CodecError::Encoder { codec: Codec::Snappy, reason: e.to_string() };
    out.extend_from_slice(&XERIAL_HEADER);
    let mut encoder = snap::raw::Encoder::new();
    let mut scratch = vec![0; snap::raw::max_compress_len(BLOCK_BYTES)];
    let mut put = |block: &[u8]| -> Result<(), CodecError> {
        let n = encoder.compress(block, &mut scratch).map_err(failed)?;
        out.extend_from_slice(&(n as u32).to_be_bytes());
        out.extend_from_slice(&scratch[..n]);
        Ok(())
    };
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    for part in parts {
        let mut rest = &part[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES - block.len()));
            block.extend_from_slice(now);
            rest = later;
            if block.len() == BLOCK_BYTES {
                put(&block)?;
                block.clear();
            }
        }
    }
    if block.is_empty() { Ok(()) } else { put(&block) }
}

/// Reads xerial's framing, or one raw block as librdkafka and others write it.
pub(super) fn decompress(input: &[u8], cap: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    if !input.starts_with(&XERIAL_HEADER[..8]) {
        block(input, cap, &mut out)?;
        return Ok(out);
    }
    let mut rest = input.get(XERIAL_HEADER.len()..).ok_or_else(|| corrupt("header cut off"))?;
    while !rest.is_empty() {
        let (len, tail) = rest.split_first_chunk::<4>().ok_or_else(|| corrupt("block cut off"))?;
        let len = u32::from_be_bytes(*len) as usize;
        let (compressed, tail) =
            tail.split_at_checked(len).ok_or_else(|| corrupt("block cut off"))?;
        block(compressed, cap, &mut out)?;
        rest = tail;
    }
    Ok(out)
}

fn block(compressed: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let len = snap::raw::decompress_len(compressed).map_err(|e| corrupt(&e.to_string()))?;
    // A block states its size before it proves it: at best a copy of three bytes yields 64.
    if len > compressed.len().saturating_mul(32) {
        return Err(corrupt("claims more than its bytes can hold"));
    }
    let from = out.len();
    if len > cap.saturating_sub(from) {
        return Err(CodecError::TooLarge(cap));
    }
    out.resize(from + len, 0);
    let mut decoder = snap::raw::Decoder::new();
    decoder.decompress(compressed, &mut out[from..]).map_err(|e| corrupt(&e.to_string()))?;
    Ok(())
}

fn corrupt(reason: &str) -> CodecError {
    CodecError::Corrupt { codec: Codec::Snappy, reason: reason.to_owned() }
}
