//! Reading from a partition, and asking where things are in it.

use super::{Partition, State};
use klamm_log::{AbortedTransaction, ReadError, Slices};
use klamm_protocol::error_code::ErrorCode;

/// What a reader wants to see of open and aborted transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    Uncommitted,
    /// Nothing of an open transaction; what was aborted is named beside the records.
    Committed,
}

impl Isolation {
    pub(crate) fn from_wire(level: i8) -> Self {
        if level == 1 { Self::Committed } else { Self::Uncommitted }
    }
}

/// One read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadRequest {
    pub(crate) offset: i64,
    pub(crate) max_bytes: usize,
    /// Return the first batch even when it is larger than `max_bytes`.
    pub(crate) at_least_one: bool,
    pub(crate) isolation: Isolation,
    /// The leader epoch the reader knows; -1 when it does not say.
    pub(crate) current_epoch: i32,
    /// The epoch of the last record it has; -1 when it does not say.
    pub(crate) last_epoch: i32,
}

/// What a read found.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    /// Where the records are; loaded outside of the partition's lock.
    pub(crate) slices: Slices,
    pub(crate) aborted: Vec<AbortedTransaction>,
    /// The reader's log has ended elsewhere: the largest epoch both may share, and where it ends (KIP-595).
    pub(crate) diverging: Option<(i32, i64)>,
}

/// Why nothing can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadRefused {
    pub(crate) code: ErrorCode,
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
}

impl Partition {
    /// Finds the batches from an offset on, up to what the reader may see.
    pub(crate) fn read(&self, node: i32, request: ReadRequest) -> Result<Read, ReadRefused> {
        let state = self.state.lock();
        let refused = |code| ReadRefused {
            code,
            high_watermark: state.high_watermark,
            log_start_offset: state.log.start_offset(),
        };
        state.check_leader(node, request.current_epoch).map_err(refused)?;
        let diverging = state.diverging(&request);
        if diverging.is_some() {
            return Ok(state.found(Slices::default(), Vec::new(), diverging));
        }
        let (start, end) = (state.log.start_offset(), state.log.end_offset());
        if request.offset < start || request.offset > end {
            return Err(refused(ErrorCode::OFFSET_OUT_OF_RANGE));
        }
        let upto = match request.isolation {
            Isolation::Uncommitted => state.high_watermark,
            Isolation::Committed => state.last_stable_offset(),
        };
        let located =
            state.log.locate(request.offset, upto, request.max_bytes, request.at_least_one);
        let slices = located.map_err(|error| refused(read_code(&error)))?;
        let aborted = match request.isolation {
            Isolation::Committed if !slices.is_empty() => {
                state.log.aborted_transactions(request.offset, slices.end_offset())
            }
            _ => Vec::new(),
        };
        Ok(state.found(slices, aborted, None))
    }

    /// First offset, last stable offset, high watermark.
    pub(crate) fn bounds(&self, node: i32, current_epoch: i32) -> Result<Bounds, ErrorCode> {
        let state = self.state.lock();
        state.check_leader(node, current_epoch)?;
        Ok(Bounds {
            start: state.log.start_offset(),
            last_stable: state.last_stable_offset(),
            high_watermark: state.high_watermark,
            epoch: state.epoch,
        })
    }

    /// The first record at or after a time: offset, timestamp, leader epoch.
    pub(crate) fn offset_for_time(
        &self,
        node: i32,
        current_epoch: i32,
        timestamp: i64,
    ) -> Result<Option<(i64, i64)>, ErrorCode> {
        let state = self.state.lock();
        state.check_leader(node, current_epoch)?;
        let found = state.log.offset_for_timestamp(timestamp);
        found.map_err(|error| read_code(&error))
    }

    /// The record with the largest timestamp: offset, timestamp.
    pub(crate) fn latest_time(
        &self,
        node: i32,
        current_epoch: i32,
    ) -> Result<Option<(i64, i64)>, ErrorCode> {
        let state = self.state.lock();
        state.check_leader(node, current_epoch)?;
        let found = state.log.offset_of_max_timestamp();
        found.map_err(|error| read_code(&error))
    }

    /// The largest epoch not above `epoch`, and where it ends.
    pub(crate) fn epoch_end(
        &self,
        node: i32,
        current_epoch: i32,
        epoch: i32,
    ) -> Result<(i32, i64), ErrorCode> {
        let state = self.state.lock();
        state.check_leader(node, current_epoch)?;
        Ok(state.log.epoch_end_offset(epoch))
    }
}

/// Where a partition begins and ends for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: i64,
    pub(crate) last_stable: i64,
    pub(crate) high_watermark: i64,
    pub(crate) epoch: i32,
}

fn read_code(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        _ => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

impl State {
    /// Everything below is decided: no transaction is open there.
    pub(super) fn last_stable_offset(&self) -> i64 {
        let open = self.log.first_unstable_offset();
        open.map_or(self.high_watermark, |open| open.min(self.high_watermark))
    }

    fn diverging(&self, request: &ReadRequest) -> Option<(i32, i64)> {
        if request.last_epoch < 0 {
            return None;
        }
        let (epoch, end) = self.log.epoch_end_offset(request.last_epoch);
        (epoch < request.last_epoch || end < request.offset).then_some((epoch, end))
    }

    fn found(
        &self,
        slices: Slices,
        aborted: Vec<AbortedTransaction>,
        diverging: Option<(i32, i64)>,
    ) -> Read {
        Read {
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset(),
            log_start_offset: self.log.start_offset(),
            slices,
            aborted,
            diverging,
        }
    }
}
