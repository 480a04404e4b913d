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
        let (start, end) = (state.log.start_offset(), state.log.end_offset());
        let diverging = state.diverging(&request).map_err(refused)?;
        if diverging.is_some() && request.offset >= start {
            return Ok(state.found(Slices::default(), Vec::new(), diverging));
        }
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
            start_epoch: state.log.epoch_of(state.log.start_offset()).unwrap_or(-1),
        })
    }

    /// The first record at or after a time.
    pub(crate) fn offset_for_time(
        &self,
        node: i32,
        current_epoch: i32,
        timestamp: i64,
    ) -> Result<Option<Timed>, ErrorCode> {
        let state = self.state.lock();
        state.check_leader(node, current_epoch)?;
        let found = state.log.offset_for_timestamp(timestamp);
        found.map(|found| found.map(|at| state.timed(at))).map_err(|error| read_code(&error))
    }

    /// The record with the largest timestamp.
    pub(crate) fn latest_time(
        &self,
        node: i32,
        current_epoch: i32,
    ) -> Result<Option<Timed>, ErrorCode> {
        let state = self.state.lock();
        state.check_leader(node, current_epoch)?;
        let found = state.log.offset_of_max_timestamp();
        found.map(|found| found.map(|at| state.timed(at))).map_err(|error| read_code(&error))
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
        Ok(state.log.epoch_end_offset(epoch, state.epoch))
    }
}

/// Where a partition begins and ends for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: i64,
    pub(crate) last_stable: i64,
    pub(crate) high_watermark: i64,
    /// The leader epoch.
    pub(crate) epoch: i32,
    /// The leader epoch of the first record; -1 when there is none.
    pub(crate) start_epoch: i32,
}

/// A record that was looked for by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    /// The leader epoch it was written in; -1 when that is not known.
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

    fn timed(&self, (offset, timestamp): (i64, i64)) -> Timed {
        Timed { offset, timestamp, epoch: self.log.epoch_of(offset).unwrap_or(-1) }
    }

    fn diverging(&self, request: &ReadRequest) -> Result<Option<(i32, i64)>, ErrorCode> {
        if request.last_epoch < 0 {
            return Ok(None);
        }
        let (epoch, end) = self.log.epoch_end_offset(request.last_epoch, self.epoch);
        if epoch < 0 {
            // Read in an epoch there has not been yet.
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let diverges = epoch < request.last_epoch || end < request.offset;
        Ok(diverges.then_some((epoch, end)))
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
