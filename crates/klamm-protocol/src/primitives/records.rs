//! Record batches as a message carries them: bytes in pieces.

use bytes::Bytes;

/// The `records` field of Produce and Fetch: one or more whole record batches, in pieces.
///
/// A decoded field has one piece, a slice of the frame. A field to be sent may have many - the
/// buffers the records were encoded into - and they reach the socket without being copied together.
#[derive(Debug, Clone, Default)]
pub struct Records {
    parts: Vec<Bytes>,
}

impl Records {
    /// Joins pieces in order; empty ones are dropped.
    pub fn from_parts(parts: impl IntoIterator<Item = Bytes>) -> Self {
        Self { parts: parts.into_iter().filter(|p| !p.is_empty()).collect() }
    }

    /// Bytes over all pieces.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The pieces, in order.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// All bytes in one buffer: free for one piece, a copy for more.
    pub fn to_bytes(&self) -> Bytes {
        match self.parts.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        // Not by way of `from_parts`, whose vector would have room for four.
        let parts = if bytes.is_empty() { Vec::new() } else { vec![bytes] };
        Self { parts }
    }
}

/// Equal when the bytes are, however they are cut.
impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.parts.iter().flatten().eq(other.parts.iter().flatten())
    }
}
impl Eq for Records {}
