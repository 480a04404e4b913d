//! Where decompression has its memory from, and where that goes when nobody reads it any more.

use bytes::Bytes;

/// Memory for what is decompressed.
///
/// Whoever decompresses one batch after the other gives memory back just before it needs some again; kept ready, it does
/// not have to come from the system anew, page by page, which costs more than the decompression.
pub trait Buffers {
    /// An empty buffer with room for at least `bytes`.
    fn take(&self, bytes: usize) -> Vec<u8>;

    /// Makes a buffer that was filled readable.
    fn filled(&self, buffer: Vec<u8>) -> Bytes;
}

/// Memory of the allocator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fresh;

impl Buffers for Fresh {
    fn take(&self, bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    fn filled(&self, buffer: Vec<u8>) -> Bytes {
        buffer.into()
    }
}
