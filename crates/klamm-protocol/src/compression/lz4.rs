//! LZ4 frames: written as Java writes them, read as the frame format allows.
//!
//! The frame is read and written here, and the library does the blocks: that way a hash table serves
//! many batches, blocks are decompressed where their bytes are to stay, and memory follows the input
//! instead of the block size that a header claims.

use super::blocks::for_each_block;
use super::output::Output;
use super::{Codec, CodecError};
use bytes::{Buf, Bytes};
use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into,
    decompress_into_with_dict, get_maximum_output_size,
};
use std::cell::RefCell;
use std::convert::Infallible;
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184d_2204;
/// Magic; version 1, independent blocks, no checksums of content; blocks of at most 64 KiB; and the
/// second byte of xxHash-32 over the two descriptor bytes.
const FRAME_HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const BLOCK_BYTES: usize = 64 * 1024;
/// Set in a block's length when the block is stored as it is.
const STORED: u32 = 1 << 31;
/// How far back a match may reach, also into the block before when blocks are linked.
const WINDOW_BYTES: usize = 64 * 1024;
/// More than this does not come out of one byte: it extends a match by 255.
const RATIO_MAX: usize = 255;
/// Frames of no larger blocks are decompressed by way of a buffer that is kept: most batches are far smaller than the
/// block size their header names, and room of that size would be cleared for each of them.
const KEPT_BYTES: usize = 256 * 1024;

const VERSION_BITS: u8 = 0b1100_0000;
const VERSION_1: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUM: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
const DICTIONARY: u8 = 0b0000_0001;

thread_local! {
    /// The hash table and the buffer of one block, reused by all batches that a thread compresses.
    static SCRATCH: RefCell<(CompressTable, Vec<u8>)> =
        RefCell::new((CompressTable::large(), vec![0; get_maximum_output_size(BLOCK_BYTES)]));
    /// One decompressed block of up to `KEPT_BYTES`.
    static BLOCK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn compress(parts: &[Bytes], out: &mut Vec<u8>) {
    out.extend_from_slice(&FRAME_HEADER);
    SCRATCH.with_borrow_mut(|(table, scratch)| {
        let Ok(()) = for_each_block(parts, BLOCK_BYTES, |block| {
            put_block(block, table, scratch, out);
            Ok::<(), Infallible>(())
        });
    });
    out.extend_from_slice(&0u32.to_le_bytes());
}

fn put_block(block: &[u8], table: &mut CompressTable, scratch: &mut [u8], out: &mut Vec<u8>) {
    let (len, bytes) = match compress_into_with_table(block, scratch, table) {
        Ok(n) if n < block.len() => (n as u32, &scratch[..n]),
        _ => (block.len() as u32 | STORED, block),
    };
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Decompresses frames up to the end of the input.
///
/// `checks_header` is off for the message sets of format v0: Java wrote a wrong checksum of the frame
/// header into them (KAFKA-3160).
pub(super) fn decompress(
    mut input: &[u8],
    checks_header: bool,
    out: &mut Output<'_>,
) -> Result<(), CodecError> {
    loop {
        let frame = Frame::read(&mut input, checks_header)?;
        frame.announce(input, out);
        BLOCK.with_borrow_mut(|kept| frame.read_blocks(&mut input, kept, out))?;
        if input.is_empty() {
            return Ok(());
        }
    }
}

/// What a frame's header says about its blocks.
struct Frame {
    independent: bool,
    block_checksums: bool,
    content_checksum: bool,
    block_max: usize,
}

impl Frame {
    fn read(input: &mut &[u8], checks_header: bool) -> Result<Self, CodecError> {
        if u32_le(input)? != MAGIC {
            return Err(corrupt("no frame where one should start"));
        }
        let descriptor = *input;
        let &[flags, sizes] = descriptor.first_chunk().ok_or_else(cut_off)?;
        if flags & VERSION_BITS != VERSION_1 {
            return Err(corrupt("unknown version of the frame format"));
        }
        if flags & DICTIONARY != 0 {
            return Err(corrupt("frame needs a dictionary"));
        }
        let block_max = match sizes >> 4 & 7 {
            n @ 4..=7 => 1 << (8 + 2 * n),
            _ => return Err(corrupt("unknown block size")),
        };
        // The content size is a hint from the other side; what really comes out is counted.
        let len = if flags & CONTENT_SIZE == 0 { 2 } else { 10 };
        let (descriptor, rest) = descriptor.split_at_checked(len).ok_or_else(cut_off)?;
        let (&checksum, rest) = rest.split_first().ok_or_else(cut_off)?;
        if checks_header && checksum != (XxHash32::oneshot(0, descriptor) >> 8) as u8 {
            return Err(corrupt("checksum of the frame header"));
        }
        *input = rest;
        Ok(Self {
            independent: flags & INDEPENDENT != 0,
            block_checksums: flags & BLOCK_CHECKSUM != 0,
            content_checksum: flags & CONTENT_CHECKSUM != 0,
            block_max,
        })
    }

    /// Makes memory ready for what the blocks come to if all but the last are full: a walk over their lengths. A single
    /// block tells its size when it is decompressed.
    fn announce(&self, mut input: &[u8], out: &mut Output<'_>) {
        let mut blocks = 0usize;
        while let Ok(len @ 1..) = u32_le(&mut input) {
            blocks += 1;
            let checksum = if self.block_checksums { 4 } else { 0 };
            if take(&mut input, (len & !STORED) as usize + checksum).is_err() {
                break;
            }
        }
        if blocks > 1 {
            out.expect(blocks.saturating_mul(self.block_max));
        }
    }

    fn read_blocks(
        &self,
        input: &mut &[u8],
        kept: &mut Vec<u8>,
        out: &mut Output<'_>,
    ) -> Result<(), CodecError> {
        let start = out.written().len();
        loop {
            let len = u32_le(input)?;
            if len == 0 {
                break;
            }
            let bytes = take(input, (len & !STORED) as usize)?;
            if self.block_checksums && u32_le(input)? != XxHash32::oneshot(0, bytes) {
                return Err(corrupt("checksum of a block"));
            }
            if bytes.len() > self.block_max {
                return Err(corrupt("block larger than its frame allows"));
            }
            if len & STORED != 0 {
                out.append(bytes)?;
            } else if self.block_max <= KEPT_BYTES {
                self.expand_by_way_of(kept, bytes, start, out)?;
            } else {
                self.expand(bytes, start, out)?;
            }
        }
        let content = &out.written()[start..];
        if self.content_checksum && u32_le(input)? != XxHash32::oneshot(0, content) {
            return Err(corrupt("checksum of the content"));
        }
        Ok(())
    }

    /// Decompresses a block to where it stays, by way of a buffer that needs no clearing.
    fn expand_by_way_of(
        &self,
        kept: &mut Vec<u8>,
        block: &[u8],
        start: usize,
        out: &mut Output<'_>,
    ) -> Result<(), CodecError> {
        if kept.len() < self.block_max {
            kept.resize(self.block_max, 0);
        }
        let room = &mut kept[..self.block_max];
        let len = self.decompress(block, room, &out.written()[start..]).map_err(refused)?;
        out.append(&room[..len])
    }

    /// Decompresses a block where it stays.
    fn expand(&self, block: &[u8], start: usize, out: &mut Output<'_>) -> Result<(), CodecError> {
        let want = self.block_max.min(block.len().saturating_mul(RATIO_MAX));
        let capped = out.left() < want;
        let (written, room) = out.split(want);
        match self.decompress(block, room, &written[start..]) {
            Ok(n) => out.advance(n),
            Err(DecompressError::OutputTooSmall { .. }) if capped => return Err(out.too_large()),
            Err(e) => return Err(refused(e)),
        }
        Ok(())
    }

    /// `before` is what came out of the frame so far.
    fn decompress(
        &self,
        block: &[u8],
        room: &mut [u8],
        before: &[u8],
    ) -> Result<usize, DecompressError> {
        if self.independent {
            return decompress_into(block, room);
        }
        let window = &before[before.len().saturating_sub(WINDOW_BYTES)..];
        decompress_into_with_dict(block, room, window)
    }
}

#[cold]
fn refused(error: DecompressError) -> CodecError {
    corrupt(&error.to_string())
}

fn u32_le(input: &mut &[u8]) -> Result<u32, CodecError> {
    input.try_get_u32_le().map_err(|_| cut_off())
}

fn take<'a>(input: &mut &'a [u8], len: usize) -> Result<&'a [u8], CodecError> {
    let (taken, rest) = input.split_at_checked(len).ok_or_else(cut_off)?;
    *input = rest;
    Ok(taken)
}

fn cut_off() -> CodecError {
    corrupt("frame is cut off")
}

fn corrupt(reason: &str) -> CodecError {
    CodecError::Corrupt { codec: Codec::Lz4, reason: reason.to_owned() }
}
