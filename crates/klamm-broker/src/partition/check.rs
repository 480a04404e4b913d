//! Pure: what a batch from a client must be before it may enter a log.
//!
//! The rules are those of Kafka's ProduceRequest and LogValidator: one batch per partition, sound as a whole and record
//! by record, with no claim that only a broker may make.

use crate::config::{TimestampType, TopicConfig};
use bytes::Bytes;
use klamm_protocol::compression::Codec;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::produce_response::BatchIndexAndErrorMessage;
use klamm_protocol::primitives::{Records, Str};
use klamm_protocol::record_batch::{BATCH_HEADER_LEN, BatchError, BatchHeader, RecordBatch};

/// The most that a batch may hold when decompressed, in bytes.
const MAX_DECOMPRESSED_BYTES: usize = 256 * 1024 * 1024;

/// Records named in an answer as the reason for it.
const MAX_RECORD_ERRORS: usize = 100;

/// A batch that may be appended.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// The whole batch.
    pub(crate) bytes: Bytes,
    pub(crate) header: BatchHeader,
}

/// Why a batch may not be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
    /// The records at fault, where single ones are.
    pub(crate) records: Vec<BatchIndexAndErrorMessage>,
}

impl Rejected {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), records: Vec::new() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::INVALID_RECORD, message)
    }
}

impl From<BatchError> for Rejected {
    fn from(error: BatchError) -> Self {
        // Only what the way may have done is worth another try.
        let code = match &error {
            BatchError::Checksum { .. } => ErrorCode::CORRUPT_MESSAGE,
            _ => ErrorCode::INVALID_RECORD,
        };
        Self::new(code, error.to_string())
    }
}

/// Checks what a Produce request of `version` has for one partition.
pub(crate) fn check(
    records: Option<&Records>,
    version: i16,
    config: &TopicConfig,
    now_ms: i64,
) -> Result<Checked, Rejected> {
    let bytes = records.map(Records::to_bytes).unwrap_or_default();
    if bytes.is_empty() {
        return Err(Rejected::invalid("a request for a partition holds one batch, not none"));
    }
    let bytes = only_batch(bytes)?;
    if bytes.len() > config.max_message_bytes {
        let (len, limit) = (bytes.len(), config.max_message_bytes);
        return Err(Rejected::new(
            ErrorCode::MESSAGE_TOO_LARGE,
            format!("the batch has {len} bytes, max.message.bytes is {limit}"),
        ));
    }
    let batch = RecordBatch::parse(bytes.clone())?;
    check_header(batch.header(), version)?;
    let max_timestamp = check_records(&batch, config)?;
    check_time(max_timestamp, config, now_ms)?;
    Ok(stamped(bytes, &batch, max_timestamp, config, now_ms))
}

/// The one batch that `bytes` are.
fn only_batch(bytes: Bytes) -> Result<Bytes, Rejected> {
    let length = bytes.get(8..12).and_then(|length| length.first_chunk().copied());
    let end = length.and_then(|length| usize::try_from(i32::from_be_bytes(length)).ok());
    match end.map(|end| end.saturating_add(12)) {
        Some(end) if end < bytes.len() => {
            Err(Rejected::invalid("a request for a partition holds exactly one batch"))
        }
        _ => Ok(bytes),
    }
}

fn check_header(header: &BatchHeader, version: i16) -> Result<(), Rejected> {
    let attributes = header.attributes;
    if attributes.is_control() {
        return Err(Rejected::invalid("clients may not write control batches"));
    }
    if header.records_count < 1 || header.last_offset_delta != header.records_count - 1 {
        return Err(Rejected::invalid("the number of records is not that of the offsets"));
    }
    if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(Rejected::invalid("a producer id without a sequence number or an epoch"));
    }
    if header.producer_id < 0 && attributes.is_transactional() {
        return Err(Rejected::invalid("a transactional batch without a producer id"));
    }
    if attributes.codec() == Some(Codec::Zstd) && version < 7 {
        return Err(Rejected::new(
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            "zstd needs version 7 of Produce",
        ));
    }
    Ok(())
}

/// Walks over all records and returns the largest timestamp.
fn check_records(batch: &RecordBatch, config: &TopicConfig) -> Result<i64, Rejected> {
    let plain;
    let batch = match batch.attributes().codec() {
        Some(Codec::None) => batch,
        _ => {
            plain = batch.decompressed(MAX_DECOMPRESSED_BYTES)?;
            &plain
        }
    };
    let base = batch.header().base_offset;
    let (mut max_timestamp, mut keyless) = (-1, Vec::new());
    for (record, index) in batch.records().zip(0_i32..) {
        let record = record?;
        if record.offset - base != i64::from(index) {
            return Err(Rejected::invalid("records are not numbered in order"));
        }
        if config.compact && record.key.is_none() && keyless.len() < MAX_RECORD_ERRORS {
            keyless.push(without_key(index));
        }
        max_timestamp = max_timestamp.max(record.timestamp);
    }
    if keyless.is_empty() {
        return Ok(max_timestamp);
    }
    let message = "a compacted topic takes no record without a key";
    Err(Rejected { records: keyless, ..Rejected::invalid(message) })
}

fn without_key(index: i32) -> BatchIndexAndErrorMessage {
    let message = Some(Str::from_static("the record has no key, and the topic is compacted"));
    BatchIndexAndErrorMessage { batch_index: index, batch_index_error_message: message }
}

fn check_time(max_timestamp: i64, config: &TopicConfig, now_ms: i64) -> Result<(), Rejected> {
    if config.timestamp_type == TimestampType::LogAppendTime {
        return Ok(());
    }
    let ahead = max_timestamp.saturating_sub(now_ms);
    if -ahead > config.timestamp_before_max_ms {
        return Err(Rejected::new(
            ErrorCode::INVALID_TIMESTAMP,
            "a timestamp is further behind the broker than message.timestamp.before.max.ms allows",
        ));
    }
    if ahead > config.timestamp_after_max_ms {
        return Err(Rejected::new(
            ErrorCode::INVALID_TIMESTAMP,
            format!(
                "a timestamp is {ahead} ms ahead of the broker; message.timestamp.after.max.ms is {}",
                config.timestamp_after_max_ms
            ),
        ));
    }
    Ok(())
}

/// The batch with the timestamps it is stored under. Its bytes stay as they are unless the topic keeps the time of the
/// append, or the client's header does not have the largest timestamp of its records.
fn stamped(
    bytes: Bytes,
    batch: &RecordBatch,
    max_timestamp: i64,
    config: &TopicConfig,
    now_ms: i64,
) -> Checked {
    let mut header = *batch.header();
    let append_time = config.timestamp_type == TimestampType::LogAppendTime;
    let max_timestamp = if append_time { now_ms } else { max_timestamp };
    if header.max_timestamp == max_timestamp
        && header.attributes.is_log_append_time() == append_time
    {
        return Checked { bytes, header };
    }
    header.attributes = header.attributes.with_log_append_time(append_time);
    header.max_timestamp = max_timestamp;
    let body = bytes.slice(BATCH_HEADER_LEN..);
    let head = header.seal(std::slice::from_ref(&body));
    Checked { bytes: [&head[..], &body].concat().into(), header }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BrokerConfig, Overrides};
    use crate::testing::Batch;

    const NOW: i64 = 1_700_000_000_000;

    fn config() -> TopicConfig {
        TopicConfig::new(&Overrides::new(), &BrokerConfig::default()).unwrap()
    }

    fn check_bytes(bytes: Bytes, config: &TopicConfig) -> Result<Checked, Rejected> {
        check(Some(&Records::from_parts([bytes])), 9, config, NOW)
    }

    fn code(bytes: Bytes) -> ErrorCode {
        check_bytes(bytes, &config()).unwrap_err().code
    }

    #[test]
    fn a_sound_batch_is_stored_as_it_is() {
        let bytes = Batch::new(NOW, &["a", "b"]).bytes();
        assert_eq!(check_bytes(bytes.clone(), &config()).unwrap().bytes, bytes);
        let lz4 = Batch::new(NOW, &["a", "b"]).compressed(Codec::Lz4).bytes();
        assert_eq!(check_bytes(lz4.clone(), &config()).unwrap().bytes, lz4);
    }

    #[test]
    fn every_flipped_bit_behind_the_offset_is_found() {
        let bytes = Batch::new(NOW, &["abc"]).bytes();
        // Base offset and leader epoch are the broker's to set; the checksum does not cover them.
        for at in (8..12).chain(16..bytes.len()) {
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << bit;
                assert!(check_bytes(flipped.into(), &config()).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn claims_of_a_hostile_producer_are_refused() {
        let base = || Batch::new(NOW, &["a", "b"]);
        let cases = [
            ("control", base().header(|h| h.attributes = h.attributes.control())),
            (
                "transactional without a producer",
                base().header(|h| h.attributes = h.attributes.transactional()),
            ),
            ("no sequence", base().header(|h| h.producer_id = 7)),
            ("a record more", base().header(|h| h.records_count = 3)),
            ("a record less", base().header(|h| h.records_count = 1)),
            ("offsets with a gap", base().header(|h| h.last_offset_delta = 2)),
            ("none", base().header(|h| (h.records_count, h.last_offset_delta) = (0, 0))),
        ];
        for (what, batch) in cases {
            assert_eq!(code(batch.bytes()), ErrorCode::INVALID_RECORD, "{what}");
        }
        let compressed = base()
            .compressed(Codec::Gzip)
            .header(|h| (h.records_count, h.last_offset_delta) = (3, 2));
        assert!(check_bytes(compressed.bytes(), &config()).is_err(), "a count that is not there");
        let two = [base().bytes(), base().bytes()].concat();
        assert_eq!(code(two.into()), ErrorCode::INVALID_RECORD);
        assert_eq!(code(Bytes::new()), ErrorCode::INVALID_RECORD);
        assert_eq!(code(base().bytes().slice(..70)), ErrorCode::INVALID_RECORD);
    }

    #[test]
    fn limits_are_the_topics() {
        let bytes = Batch::new(NOW, &["abc"]).bytes();
        let small = TopicConfig { max_message_bytes: bytes.len() - 1, ..config() };
        assert_eq!(check_bytes(bytes, &small).unwrap_err().code, ErrorCode::MESSAGE_TOO_LARGE);
        let future = Batch::new(NOW + 3_600_001, &["a"]).bytes();
        assert_eq!(code(future), ErrorCode::INVALID_TIMESTAMP);
        let zstd = Batch::new(NOW, &["a"]).compressed(Codec::Zstd).bytes();
        let old = check(Some(&Records::from_parts([zstd])), 6, &config(), NOW);
        assert_eq!(old.unwrap_err().code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    }

    #[test]
    fn compacted_topics_name_the_records_without_a_key() {
        let compact = TopicConfig { compact: true, ..config() };
        let rejected = check_bytes(Batch::new(NOW, &["a", "b"]).bytes(), &compact).unwrap_err();
        assert_eq!(rejected.code, ErrorCode::INVALID_RECORD);
        assert_eq!(rejected.records.iter().map(|r| r.batch_index).collect::<Vec<_>>(), [0, 1]);
        assert!(check_bytes(Batch::new(NOW, &["a"]).keyed("k").bytes(), &compact).is_ok());
    }

    #[test]
    fn the_time_of_the_append_replaces_the_clients() {
        let append_time = TopicConfig { timestamp_type: TimestampType::LogAppendTime, ..config() };
        let checked = check_bytes(Batch::new(5, &["a", "b"]).bytes(), &append_time).unwrap();
        let batch = RecordBatch::parse(checked.bytes).unwrap();
        assert!(batch.attributes().is_log_append_time());
        assert!(batch.records().all(|record| record.unwrap().timestamp == NOW));
    }

    #[test]
    fn a_wrong_largest_timestamp_is_put_right() {
        let wrong = Batch::new(NOW, &["a"]).header(|h| h.max_timestamp = NOW + 5).bytes();
        assert_eq!(check_bytes(wrong, &config()).unwrap().header.max_timestamp, NOW);
    }
}
