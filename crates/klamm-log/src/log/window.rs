//! A file as it is read from its beginning to its end: in large parts, however small what is asked for.

use crate::storage::StorageFile;
use bytes::Bytes;
use std::io;

/// Bytes that are read at a time; more when more is asked for.
const WINDOW_BYTES: usize = 1024 * 1024;

/// A part of a file that is in memory.
#[derive(Debug)]
pub(super) struct Window<'a> {
    file: &'a dyn StorageFile,
    size: u64,
    start: u64,
    bytes: Bytes,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn StorageFile, size: u64) -> Self {
        Self { file, size, start: 0, bytes: Bytes::new() }
    }

    /// Bytes of the file, without a copy where they are in memory.
    ///
    /// # Errors
    /// Those of the storage; `UnexpectedEof` behind the end.
    pub(super) fn get(&mut self, position: u64, len: usize) -> io::Result<Bytes> {
        if let Some(bytes) = self.held(position, len) {
            return Ok(bytes);
        }
        let left = usize::try_from(self.size.saturating_sub(position)).unwrap_or(usize::MAX);
        let parts = self.file.read_at(position, len.max(WINDOW_BYTES.min(left)))?;
        self.start = position;
        self.bytes = match parts.len() {
            1 => parts.into_iter().next().unwrap_or_default(),
            _ => parts.concat().into(),
        };
        self.held(position, len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn held(&self, position: u64, len: usize) -> Option<Bytes> {
        let from = usize::try_from(position.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(len).filter(|to| *to <= self.bytes.len())?;
        Some(self.bytes.slice(from..to))
    }
}
