//! Pure: sound batches of one answer put together, and cut to what one poll may hand out.

use super::batch::{Batch, Chunk, Extent, Place};
use super::budget::Charge;
use klamm_protocol::record_batch::{BatchError, RecordBatch};
use std::sync::Arc;

/// Collects what is to be handed out.
#[derive(Debug)]
pub(super) struct ChunkBuilder {
    max_records: usize,
    parts: Vec<RecordBatch>,
    extents: Vec<Extent>,
    /// For what was decompressed.
    charge: Option<Charge>,
    /// Whether a part lies in the answer itself.
    borrows: bool,
}

impl ChunkBuilder {
    pub(super) fn new(max_records: usize) -> Self {
        let (parts, extents) = (Vec::new(), Vec::new());
        Self { max_records: max_records.max(1), parts, extents, charge: None, borrows: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    /// Checks every record of a plain batch and takes it in; `charge` is that of its bytes, if they are
    /// its own; records before `from` are left out. After an error nothing of the batch is in the chunk.
    pub(super) fn push(
        &mut self,
        batch: RecordBatch,
        charge: Option<Charge>,
        from: i64,
    ) -> Result<(), BatchError> {
        let before = (self.extents.len(), self.extents.last().copied());
        if let Err(error) = self.walk(&batch, from) {
            self.extents.truncate(before.0);
            if let (Some(last), Some(saved)) = (self.extents.last_mut(), before.1) {
                *last = saved;
            }
            return Err(error);
        }
        match (&mut self.charge, charge) {
            (_, None) => self.borrows = true,
            (Some(all), Some(charge)) => all.absorb(charge),
            (none, charge) => *none = charge,
        }
        self.parts.push(batch);
        Ok(())
    }

    fn walk(&mut self, batch: &RecordBatch, from: i64) -> Result<(), BatchError> {
        let mut records = batch.records();
        // An extent is read from its start on: one that goes on behind what is left out is another.
        let (mut previous, mut left_out) = (i64::MIN, false);
        loop {
            let at = records.position();
            let Some(record) = records.next().transpose()? else { return Ok(()) };
            if record.offset <= previous {
                let base_offset = batch.header().base_offset;
                let what = "offsets of its records out of order";
                return Err(BatchError::Malformed { base_offset, what });
            }
            previous = record.offset;
            if record.offset < from {
                left_out = true;
            } else {
                let bytes = records.position().bytes_before() - at.bytes_before();
                let place = Place { part: self.parts.len(), at };
                let epoch = batch.header().partition_leader_epoch;
                self.count(record.offset, bytes, place, epoch, std::mem::take(&mut left_out));
            }
        }
    }

    #[inline]
    fn count(&mut self, offset: i64, bytes: usize, place: Place, epoch: i32, anew: bool) {
        let (next_offset, next_epoch) = (offset.saturating_add(1), epoch);
        match self.extents.last_mut() {
            Some(last) if last.len < self.max_records && !anew => {
                last.len += 1;
                last.bytes += bytes;
                last.last_offset = offset;
                (last.next_offset, last.next_epoch) = (next_offset, next_epoch);
            }
            _ => self.extents.push(Extent {
                start: place,
                len: 1,
                bytes,
                first_offset: offset,
                last_offset: offset,
                next_offset,
                next_epoch,
            }),
        }
    }

    /// Says that nothing else is before `next_offset`.
    pub(super) fn advance(&mut self, next_offset: i64, epoch: i32) {
        if let Some(last) = self.extents.last_mut() {
            (last.next_offset, last.next_epoch) = (next_offset, epoch);
        }
    }

    /// The batches, of at least one record each.
    pub(super) fn finish(
        self,
        (topic, partition): (Arc<str>, i32),
        (high_watermark, last_stable_offset): (i64, i64),
        answer: &Arc<Charge>,
    ) -> Vec<Batch> {
        let mut charges: Vec<Arc<Charge>> = self.charge.into_iter().map(Arc::new).collect();
        charges.extend(self.borrows.then(|| Arc::clone(answer)));
        let parts = self.parts;
        let chunk = Chunk { topic, partition, high_watermark, last_stable_offset, parts, charges };
        let chunk = Arc::new(chunk);
        self.extents.into_iter().map(|extent| Batch::new(Arc::clone(&chunk), extent)).collect()
    }
}
