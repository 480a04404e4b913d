//! Pure: what has to be written down so that groups and offsets survive a restart.

use super::assignor::Assignment;
use klamm_protocol::primitives::{Str, Uuid};
use serde::{Deserialize, Serialize};

/// Form of the values; a reader of another form refuses them.
const FORM: u8 = 1;

/// What a change is about. Its JSON is the key, so that no name can be taken for another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Key {
    /// A group: its members and what they were assigned.
    Group(String),
    /// Group, topic, partition: a committed offset.
    Offset(String, String, i32),
    /// Producer, group, topic, partition: an offset of a transaction that has not ended.
    Pending(i64, String, String, i32),
}

/// What is known of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Value {
    Classic(ClassicRecord),
    Consumer(ConsumerRecord),
    Share(ShareRecord),
    Offset(OffsetRecord),
}

/// A classic group at rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ClassicRecord {
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol_name: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) since_ms: i64,
    pub(super) members: Vec<ClassicMemberRecord>,
}

/// A member of a classic group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ClassicMemberRecord {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// Name and metadata, in hexadecimal digits.
    pub(super) protocols: Vec<(String, String)>,
    /// In hexadecimal digits.
    pub(super) assignment: String,
}

/// A group of KIP-848.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ConsumerRecord {
    pub(super) epoch: i32,
    pub(super) assignment_epoch: i32,
    pub(super) since_ms: i64,
    pub(super) members: Vec<ConsumerMemberRecord>,
}

/// Partitions by topic id, in hexadecimal digits.
pub(super) type PartitionRecord = Vec<(String, Vec<i32>)>;

/// A member of a group of KIP-848.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ConsumerMemberRecord {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) rack_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) topics: Vec<String>,
    pub(super) regex: Option<String>,
    pub(super) assignor: Option<String>,
    pub(super) assigned: PartitionRecord,
    pub(super) revoking: PartitionRecord,
    pub(super) target: PartitionRecord,
    /// Whether it waits for what others are to give up.
    pub(super) waits: bool,
}

/// A share group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ShareRecord {
    pub(super) epoch: i32,
    pub(super) assignment_epoch: i32,
    pub(super) members: Vec<ShareMemberRecord>,
}

/// A member of a share group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ShareMemberRecord {
    pub(super) id: String,
    pub(super) rack_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) topics: Vec<String>,
    pub(super) assigned: PartitionRecord,
    pub(super) target: PartitionRecord,
}

/// An offset that was committed, or is to be when its transaction is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct OffsetRecord {
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: String,
    pub(super) at_ms: i64,
    pub(super) expires_ms: Option<i64>,
    /// Place in the sequence of all commits: the later of two is in force.
    pub(super) order: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    form: u8,
    value: Value,
}

/// Why something written down cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// Not what this program writes.
    #[error("not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a program of another age.
    #[error("it has form {0}; this program reads form {FORM}")]
    Form(u8),
    /// A value under the key of something else, or digits that are none.
    #[error("the value does not fit its key")]
    Mismatch,
}

/// One change that has to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    key: Key,
    value: Option<Value>,
}

impl Change {
    pub(super) fn put(key: Key, value: Value) -> Self {
        Self { key, value: Some(value) }
    }

    pub(super) fn delete(key: Key) -> Self {
        Self { key, value: None }
    }

    /// Names what changed; a later change with the same key replaces an earlier one.
    pub(crate) fn key(&self) -> String {
        // Strings and integers always have a form in JSON.
        serde_json::to_string(&self.key).unwrap_or_default()
    }

    /// What it is now; `None` when it is gone.
    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        let stored = Stored { form: FORM, value: self.value.clone()? };
        serde_json::to_vec(&stored).ok()
    }
}

/// Reads back what [`Change::key`] and [`Change::value`] gave.
pub(super) fn read(key: &str, value: &[u8]) -> Result<(Key, Value), RestoreError> {
    let key = serde_json::from_str(key)?;
    let stored: Stored = serde_json::from_slice(value)?;
    if stored.form != FORM {
        return Err(RestoreError::Form(stored.form));
    }
    Ok((key, stored.value))
}

/// Bytes as hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Bytes from hexadecimal digits.
pub(super) fn from_hex(digits: &str) -> Result<Vec<u8>, RestoreError> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(RestoreError::Mismatch);
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let byte = |pair: &[u8]| Some(nibble(pair[0])? << 4 | nibble(pair[1])?);
    digits.chunks_exact(2).map(|pair| byte(pair).ok_or(RestoreError::Mismatch)).collect()
}

/// A string as the protocol has it.
pub(super) fn text(string: &Str) -> String {
    string.as_str().to_owned()
}

/// An optional string as the protocol has it.
pub(super) fn opt_text(string: Option<&Str>) -> Option<String> {
    string.map(text)
}

/// An assignment as it is written down.
pub(super) fn record_partitions(assignment: &Assignment) -> PartitionRecord {
    let topics = assignment.iter().filter(|(_, partitions)| !partitions.is_empty());
    topics.map(|(id, set)| (to_hex(&id.to_bytes()), set.iter().copied().collect())).collect()
}

/// An assignment from what was written down.
pub(super) fn restore_partitions(record: PartitionRecord) -> Result<Assignment, RestoreError> {
    let topic = |(id, partitions): (String, Vec<i32>)| {
        let id = from_hex(&id)?.try_into().map_err(|_| RestoreError::Mismatch)?;
        Ok((Uuid::from_bytes(id), partitions.into_iter().collect()))
    };
    record.into_iter().map(topic).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let key = Key::Offset("a\"b".into(), "t".into(), 3);
        let record = OffsetRecord { offset: 7, metadata: "ü".into(), ..OffsetRecord::default() };
        let change = Change::put(key.clone(), Value::Offset(record.clone()));
        let value = change.value().unwrap();
        assert_eq!(read(&change.key(), &value).unwrap(), (key, Value::Offset(record)));
        assert_eq!(Change::delete(Key::Group("g".into())).value(), None);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let key = Change::delete(Key::Group("g".into())).key();
        assert!(matches!(read("{", b"{}"), Err(RestoreError::Json(_))));
        let other = br#"{"form":9,"value":{"Classic":{"generation":1,"since_ms":0,"members":[]}}}"#;
        assert!(matches!(read(&key, other), Err(RestoreError::Form(9))));
        for bad in ["0", "zz", "é"] {
            assert!(matches!(from_hex(bad), Err(RestoreError::Mismatch)), "{bad}");
        }
        assert_eq!(from_hex(&to_hex(&[0, 255, 16])).unwrap(), [0, 255, 16]);
    }
}
