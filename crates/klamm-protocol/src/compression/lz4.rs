//! LZ4 frames with independent blocks of 64 KiB, the form that Java writes.

use bytes::Bytes;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use std::cell::RefCell;

/// Magic; version 1, independent blocks, no checksums of content; blocks of at most 64 KiB; and the
/// second byte of xxHash-32 over the two descriptor bytes.
const FRAME_HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const BLOCK_BYTES: usize = 64 * 1024;
/// Set in a block's length when the block is stored as it is.
const STORED: u32 = 1 << 31;

thread_local! {
    /// The hash table is reused by all batches that a thread compresses.
    static TABLE: RefCell<(CompressTable, Vec<u8>, Vec<u8>)> = RefCell::new((
        CompressTable::default(),
        Vec::with_capacity(BLOCK_BYTES),
        vec![0; get_maximum_output_size(BLOCK_BYTES)],
    ));
}

pub(super) fn compress(parts: &[Bytes], out: &mut Vec<u8>) {
    out.extend_from_slice(&FRAME_HEADER);
    TABLE.with_borrow_mut(|(table, block, scratch)| {
        block.clear();
        for part in parts {
            let mut rest = &part[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES - block.len()));
                block.extend_from_slice(now);
                rest = later;
                if block.len() == BLOCK_BYTES {
                    put_block(block, table, scratch, out);
                    block.clear();
                }
            }
        }
        if !block.is_empty() {
            put_block(block, table, scratch, out);
        }
    });
    out.extend_from_slice(&0u32.to_le_bytes());
}

fn put_block(block: &[u8], table: &mut CompressTable, scratch: &mut [u8], out: &mut Vec<u8>) {
    match compress_into_with_table(block, scratch, table) {
        Ok(n) if n < block.len() => {
            out.extend_from_slice(&(n as u32).to_le_bytes());
            out.extend_from_slice(&scratch[..n]);
        }
        _ => {
            out.extend_from_slice(&(block.len() as u32 | STORED).to_le_bytes());
            out.extend_from_slice(block);
        }
    }
}
