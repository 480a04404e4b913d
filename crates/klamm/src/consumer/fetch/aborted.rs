//! Pure: which batches belong to transactions that were aborted.

use klamm_protocol::record_batch::{BatchError, ControlType, RecordBatch};
use std::collections::BTreeSet;

/// The aborted transactions of one answer, as its batches pass by in the order of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct AbortedTransactions {
    /// First offset and producer of those still to come, the nearest last.
    to_come: Vec<(i64, i64)>,
    /// Producers in the middle of one.
    open: BTreeSet<i64>,
}

impl AbortedTransactions {
    /// Takes the broker's list of producer ids and first offsets, in any order.
    pub(super) fn new(list: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut to_come: Vec<_> = list.into_iter().map(|(id, first)| (first, id)).collect();
        to_come.sort_unstable_by(|a, b| b.cmp(a));
        Self { to_come, open: BTreeSet::new() }
    }

    /// Whether the batch holds records of an aborted transaction. Every batch of the answer has to pass,
    /// markers and those before the wanted offset included.
    ///
    /// # Errors
    /// A control batch whose record says nothing.
    pub(super) fn hide(&mut self, batch: &RecordBatch) -> Result<bool, BatchError> {
        let header = batch.header();
        while self.to_come.last().is_some_and(|(first, _)| *first < batch.next_offset()) {
            self.open.extend(self.to_come.pop().map(|(_, id)| id));
        }
        if header.attributes.is_control() {
            if ends_transaction(batch)? {
                self.open.remove(&header.producer_id);
            }
            return Ok(false);
        }
        Ok(header.attributes.is_transactional() && self.open.contains(&header.producer_id))
    }
}

/// Whether a control batch is the end of its producer's transaction. One whose marker compaction has
/// removed is: what follows it is of another transaction.
fn ends_transaction(batch: &RecordBatch) -> Result<bool, BatchError> {
    if batch.header().records_count == 0 {
        return Ok(true);
    }
    let kind = batch.control_type()?;
    Ok(matches!(kind, Some(ControlType::Abort | ControlType::Commit)))
}
