//! Appending to a partition.

use super::{Checked, Partition};
use klamm_log::{
    AppendError, AppendInfo, Durability, Flush, Origin, ReadError, Retained, SequenceError, Slices,
    Usage,
};
use klamm_protocol::error_code::ErrorCode;
use std::io;
use std::sync::Arc;
use tokio::sync::Notify;

/// Where records went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) log_start_offset: i64,
    /// Set where the topic keeps the time of the append.
    pub(crate) append_time_ms: i64,
}

/// Why nothing was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppendRefused {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl From<ErrorCode> for AppendRefused {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: code.meaning().to_owned() }
    }
}

impl Partition {
    /// Appends a checked batch; a batch that is there already is answered with the offset it has.
    ///
    /// When this returns the records are as safe as the operating system's memory; see [`Partition::durable`].
    pub(crate) fn append(
        &self,
        node: i32,
        batch: Checked,
        origin: Origin,
    ) -> Result<Appended, AppendRefused> {
        let mut state = self.state.lock();
        state.check_leader(node, -1)?;
        let append_time = batch.header.attributes.is_log_append_time();
        let append_time_ms = if append_time { batch.header.max_timestamp } else { -1 };
        let info = AppendInfo { leader_epoch: state.epoch, origin };
        let bytes = batch.bytes.len();
        let appended = match state.log.append(batch.bytes, info) {
            Ok(appended) => {
                self.note_success(&mut state);
                let records = appended.last_offset + 1 - appended.base_offset;
                self.traffic.wrote(records.unsigned_abs(), bytes);
                appended
            }
            // A retry whose first answer was lost.
            Err(error) => error.duplicate().ok_or_else(|| {
                self.note_failure(&mut state, &error);
                refusal(&error)
            })?,
        };
        let always = self.durability == Durability::Always;
        if !always {
            state.high_watermark = state.log.end_offset();
        }
        let log_start_offset = state.log.start_offset();
        drop(state);
        if always {
            self.written.notify_one();
        } else {
            self.watchers.wake();
        }
        let klamm_log::Appended { base_offset, last_offset } = appended;
        Ok(Appended { base_offset, last_offset, log_start_offset, append_time_ms })
    }
}

impl Partition {
    /// Waits until the record at `offset` is as safe as the broker promises: at once, unless every append is to be on
    /// the disk.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR when the disk failed: the record may be lost.
    pub(crate) async fn durable(&self, offset: i64) -> Result<(), ErrorCode> {
        if self.durability != Durability::Always {
            return Ok(());
        }
        let notify = Arc::new(Notify::new());
        loop {
            self.watchers.add(&notify);
            {
                let state = self.state.lock();
                if state.high_watermark > offset {
                    self.watchers.remove(&notify);
                    return Ok(());
                }
                if state.deleted || state.log.poisoned().is_some() {
                    return Err(ErrorCode::KAFKA_STORAGE_ERROR);
                }
            }
            notify.notified().await;
        }
    }

    /// Begins to sync what was appended; none when all of it is on the disk.
    pub(crate) fn begin_flush(&self) -> Option<Flush> {
        self.state.lock().log.begin_flush()
    }

    /// Takes the result of a sync, and shows readers what is safe now.
    pub(crate) fn end_flush(&self, flush: &Flush, result: io::Result<()>) {
        let mut state = self.state.lock();
        if let Err(error) = state.log.end_flush(flush, result) {
            tracing::error!(topic = self.topic.as_str(), partition = self.index, %error, "nothing is written to this partition any more");
        } else if self.durability == Durability::Always {
            state.high_watermark = state.high_watermark.max(flush.upto());
        }
        drop(state);
        self.watchers.wake();
    }
}

fn refusal(error: &AppendError) -> AppendRefused {
    let code = match error {
        AppendError::Sequence(SequenceError::OutOfOrder { .. }) => {
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
        }
        AppendError::Sequence(SequenceError::StaleEpoch { .. }) => {
            ErrorCode::INVALID_PRODUCER_EPOCH
        }
        AppendError::Sequence(SequenceError::NotTransactional) => ErrorCode::INVALID_TXN_STATE,
        AppendError::Sequence(SequenceError::StaleCoordinator) => {
            ErrorCode::TRANSACTION_COORDINATOR_FENCED
        }
        AppendError::Malformed(_) => ErrorCode::INVALID_RECORD,
        _ => ErrorCode::KAFKA_STORAGE_ERROR,
    };
    AppendRefused { code, message: error.to_string() }
}

/// What the broker itself does with a log.
impl Partition {
    /// The first offset there is.
    pub(crate) fn start_offset(&self) -> i64 {
        self.state.lock().log.start_offset()
    }

    /// What it takes, for a cap on all logs.
    pub(crate) fn usage(&self) -> Usage {
        self.state.lock().log.usage()
    }

    /// Removes the oldest segment, whatever it holds.
    pub(crate) fn give_up_oldest(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.deleted {
            return Ok(());
        }
        state.log.give_up_oldest_segment().map(drop)
    }

    /// Begins a new segment, and returns its first offset.
    pub(crate) fn roll(&self) -> Result<i64, ErrorCode> {
        let mut state = self.state.lock();
        state.log.roll().map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
        Ok(state.log.end_offset())
    }

    /// Bytes of all segments.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.state.lock().log.size_bytes()
    }

    /// Finds records from an offset to the end.
    pub(crate) fn locate(&self, from: i64, max_bytes: usize) -> Result<Slices, ReadError> {
        let state = self.state.lock();
        state.log.locate(from, state.log.end_offset(), max_bytes, true)
    }

    /// Syncs at once, under the lock: for what is rare and has to be certain before it goes on.
    pub(crate) fn flush_now(&self) -> Result<(), ErrorCode> {
        let mut state = self.state.lock();
        state.log.flush().map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
        state.high_watermark = state.log.end_offset();
        drop(state);
        self.watchers.wake();
        Ok(())
    }

    /// Makes `offset` the first there is.
    ///
    /// # Errors
    /// OFFSET_OUT_OF_RANGE behind the high watermark, KAFKA_STORAGE_ERROR.
    pub(crate) fn delete_before(&self, offset: i64) -> Result<(), ErrorCode> {
        let mut state = self.state.lock();
        if offset > state.high_watermark.max(state.log.flushed_offset()) {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        state.log.delete_before(offset).map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)
    }

    /// Removes what is too old or too much.
    pub(crate) fn clean(&self, now_ms: i64) -> io::Result<Retained> {
        let mut state = self.state.lock();
        if state.deleted {
            return Ok(Retained::default());
        }
        state.log.expire_producers(now_ms);
        state.log.retain(now_ms)
    }

    /// Writes everything out; nothing is appended any more.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.end(|state| if state.deleted { Ok(()) } else { state.log.close() })
    }
}
