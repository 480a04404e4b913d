//! Bytes that are read when they are written: the message says how many there are, and they come from where they lie.

use bytes::Bytes;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Where bytes are that are not in memory, in a file say.
#[allow(clippy::len_without_is_empty, reason = "nobody asks: none are no source")]
pub trait Source: Debug + Send + Sync {
    /// How many there are. It never changes: the frame has promised them when they are read.
    fn len(&self) -> usize;

    /// Fills `buffer` with the bytes from position `at` on.
    ///
    /// # Errors
    /// Those of reading; `UnexpectedEof` when there are not as many.
    fn read(&self, at: usize, buffer: &mut [u8]) -> io::Result<()>;
}

/// What is left to be read of a [`Source`].
#[derive(Debug, Clone)]
pub struct Later {
    source: Arc<dyn Source>,
    at: usize,
    end: usize,
}

impl Later {
    /// All of a source.
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self { at: 0, end: source.len(), source }
    }

    /// Bytes that are left.
    pub fn len(&self) -> usize {
        self.end - self.at
    }

    /// Whether all were read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` with the next bytes, which are as many at least; after an error none of them were read.
    ///
    /// # Errors
    /// Those of the source; `UnexpectedEof` when fewer are left.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        if buffer.len() > self.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.source.read(self.at, buffer)?;
        self.at += buffer.len();
        Ok(())
    }

    /// Leaves no more than so many bytes.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.at.saturating_add(len));
    }
}

/// Equal when they are the same bytes of the same source: others are not read to compare them.
impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && (self.at, self.end) == (other.at, other.end)
    }
}
impl Eq for Later {}

/// A piece of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes in memory.
    Here(Bytes),
    /// Bytes that are read when their turn comes.
    Later(Later),
}

impl Piece {
    /// Bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::Later(later) => later.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves no more than so many bytes.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Self::Here(bytes) => bytes.truncate(len),
            Self::Later(later) => later.truncate(len),
        }
    }
}
