//! Pure: the records field of a fetch response, or a log segment, cut into batches.

use super::header::{LENGTH_FROM, MAGIC, MAGIC_AT};
use super::{BatchError, RecordBatch, legacy};
use bytes::{Buf, Bytes};

/// Iterates over the batches in a run of bytes, whatever format each of them is in.
///
/// A broker may send only the start of its last batch; that piece is left out, and
/// [`RecordBatches::truncated`] says so. A batch that is malformed, but whose length is not, is an
/// error in its place and the iteration goes on behind it: whether to skip it is the caller's to say.
/// After a format that is not known or a length that is out of range there is nothing more.
#[derive(Debug, Clone)]
pub struct RecordBatches {
    rest: Bytes,
    check_crcs: bool,
}

impl RecordBatches {
    /// Starts at the first batch; checksums will be checked.
    pub fn new(records: Bytes) -> Self {
        Self { rest: records, check_crcs: true }
    }

    /// Sets whether checksums are checked (`check.crcs`).
    #[must_use]
    pub fn check_crcs(mut self, on: bool) -> Self {
        self.check_crcs = on;
        self
    }

    /// Whether the bytes that are left are a batch that was cut off.
    pub fn truncated(&self) -> bool {
        !self.rest.is_empty()
    }

    fn parse(&self, bytes: Bytes, magic: i8) -> Result<RecordBatch, BatchError> {
        match (magic, self.check_crcs) {
            (MAGIC, true) => RecordBatch::parse(bytes),
            (MAGIC, false) => RecordBatch::parse_without_checksum(bytes),
            _ => legacy::parse(bytes, self.check_crcs),
        }
    }
}

impl Iterator for RecordBatches {
    type Item = Result<RecordBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut head: &[u8] = self.rest.first_chunk::<{ MAGIC_AT + 1 }>()?;
        let (base_offset, length) = (head.get_i64(), head.get_i32());
        let magic = self.rest[MAGIC_AT] as i8;
        let broken = match usize::try_from(length) {
            _ if !(0..=MAGIC).contains(&magic) => BatchError::Magic(magic),
            Ok(n) if n >= legacy::LENGTH_MIN => {
                let len = n.saturating_add(LENGTH_FROM);
                return (len <= self.rest.len()).then(|| {
                    let batch = self.rest.split_to(len);
                    self.parse(batch, magic)
                });
            }
            _ => BatchError::Malformed { base_offset, what: "length out of range" },
        };
        self.rest.clear();
        Some(Err(broken))
    }
}
