//! Record batches as a message carries them: bytes in pieces, or still where they are kept.

use super::{Later, Source};
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// The `records` field of Produce and Fetch: one or more whole record batches.
///
/// A decoded field has one piece, a slice of the frame. A field to be sent may have many - the
/// buffers the records were encoded into - and they reach the socket without being copied together; or it
/// names a [`Source`], and its bytes are read while they are written.
#[derive(Debug, Clone)]
pub struct Records {
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Here(Vec<Bytes>),
    Later(Arc<dyn Source>),
}

impl Records {
    /// Joins pieces in order; empty ones are dropped.
    pub fn from_parts(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let parts = parts.into_iter().filter(|p| !p.is_empty()).collect();
        Self { content: Content::Here(parts) }
    }

    /// All that a source has, to be read when it is written: only a [`StreamedFrame`](super::StreamedFrame) can hold it.
    pub fn from_source(source: Arc<dyn Source>) -> Self {
        match source.len() {
            0 => Self::default(),
            _ => Self { content: Content::Later(source) },
        }
    }

    /// Bytes over all pieces.
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Here(parts) => parts.iter().map(Bytes::len).sum(),
            Content::Later(source) => source.len(),
        }
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces that are here, in order.
    pub(super) fn parts(&self) -> &[Bytes] {
        match &self.content {
            Content::Here(parts) => parts,
            Content::Later(_) => &[],
        }
    }

    /// What is still to be read: all of it, or none.
    pub(super) fn later(&self) -> Option<Later> {
        match &self.content {
            Content::Here(_) => None,
            Content::Later(source) => Some(Later::new(Arc::clone(source))),
        }
    }

    /// The bytes that are here in one buffer, which is all of a decoded field: free for one piece, a copy for more. None
    /// are here of a source; [`Records::load`] reads them.
    pub fn to_bytes(&self) -> Bytes {
        match self.parts() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    /// All bytes in one buffer, read if they are not here yet.
    ///
    /// # Errors
    /// Those of the source.
    pub fn load(&self) -> io::Result<Bytes> {
        match &self.content {
            Content::Here(_) => Ok(self.to_bytes()),
            Content::Later(source) => {
                let mut bytes = vec![0; source.len()];
                source.read(0, &mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self { content: Content::Here(Vec::new()) }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        // Not by way of `from_parts`, whose vector would have room for four.
        let parts = if bytes.is_empty() { Vec::new() } else { vec![bytes] };
        Self { content: Content::Here(parts) }
    }
}

/// Equal when the bytes are, however they are cut; those of a source are equal to themselves.
impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.later() == other.later()
            && self.parts().iter().flatten().eq(other.parts().iter().flatten())
    }
}
impl Eq for Records {}
