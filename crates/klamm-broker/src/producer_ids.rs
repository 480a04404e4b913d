//! Ids for producers, each given out once.

use crate::journal::Journal;
use klamm_protocol::error_code::ErrorCode;
use parking_lot::Mutex;
use std::ops::Range;

/// Ids that are set aside at a time; those left of a block are lost with the process.
const BLOCK: i64 = 1000;
/// The journal's key: where the next block begins.
const KEY: &str = "producer-ids";

/// Hands out producer ids.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    left: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// An id that was never given out, not even before a crash: a block is written down before its first id is used.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR.
    pub(crate) fn next(&self, journal: &Journal, now_ms: i64) -> Result<i64, ErrorCode> {
        let mut left = self.left.lock();
        if let Some(id) = left.next() {
            return Ok(id);
        }
        let begin = journal
            .entries(KEY)
            .first()
            .map_or(Some(0), |(_, begin)| i64::from_be_bytes(*begin.first_chunk()?).into());
        let begin = begin.ok_or(ErrorCode::KAFKA_STORAGE_ERROR)?;
        let end = begin + BLOCK;
        journal.write(vec![(KEY.to_owned(), Some(end.to_be_bytes().to_vec()))], now_ms)?;
        journal.partition().flush_now()?;
        *left = begin + 1..end;
        Ok(begin)
    }
}
