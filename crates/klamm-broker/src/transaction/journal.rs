//! Pure: the journal's entries. Of each key, the last one counts.

use super::state::Transaction;
use serde::{Deserialize, Serialize};

/// Written into every entry; one that has a higher number is refused.
const VERSION: u32 = 1;
const PRODUCER_IDS: &str = "producer-ids";
const COORDINATOR: &str = "coordinator";
const TRANSACTION: &str = "transaction/";

/// An entry of the journal that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// No entry has such a key.
    #[error("the transaction journal has an unknown key {0:?}")]
    Key(String),
    /// Not what this program writes.
    #[error("the entry {key:?} of the transaction journal is damaged: {error}")]
    Damaged {
        /// Which one.
        key: String,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// Numbers that no coordinator writes.
    #[error("the entry {0:?} of the transaction journal contradicts itself")]
    Contradiction(String),
    /// Written by a later version.
    #[error(
        "the transaction journal has version {0}, this program reads up to {VERSION}; use the newer one"
    )]
    Newer(u32),
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// Producer ids below this may be in use.
    ProducerIds(i64),
    /// How often a coordinator has started.
    Epoch(i32),
    /// The state of a transactional id; `None` when it has expired.
    Transaction(String, Option<Transaction>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    entry: T,
}

#[derive(Debug, Deserialize)]
struct OnlyVersion {
    version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProducerIdsEntry {
    end: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct EpochEntry {
    epoch: i32,
}

impl Entry {
    /// Key and value; no value deletes the key.
    pub(super) fn encode(&self) -> (String, Option<Vec<u8>>) {
        match self {
            Self::ProducerIds(end) => {
                (PRODUCER_IDS.to_owned(), Some(encode(ProducerIdsEntry { end: *end })))
            }
            Self::Epoch(epoch) => {
                (COORDINATOR.to_owned(), Some(encode(EpochEntry { epoch: *epoch })))
            }
            Self::Transaction(id, state) => {
                (format!("{TRANSACTION}{id}"), state.as_ref().map(encode))
            }
        }
    }

    /// Reads what [`Entry::encode`] wrote.
    pub(super) fn decode(key: &str, value: Option<&[u8]>) -> Result<Self, RestoreError> {
        if let Some(id) = key.strip_prefix(TRANSACTION) {
            let state = value.map(|value| decode(key, value)).transpose()?;
            return match state.as_ref().is_none_or(is_plausible) {
                true => Ok(Self::Transaction(id.to_owned(), state)),
                false => Err(RestoreError::Contradiction(key.to_owned())),
            };
        }
        let entry = match (key, value) {
            (PRODUCER_IDS, Some(value)) => {
                Self::ProducerIds(decode::<ProducerIdsEntry>(key, value)?.end)
            }
            (COORDINATOR, Some(value)) => Self::Epoch(decode::<EpochEntry>(key, value)?.epoch),
            _ => return Err(RestoreError::Key(key.to_owned())),
        };
        match entry {
            Self::ProducerIds(0..) | Self::Epoch(0..) => Ok(entry),
            _ => Err(RestoreError::Contradiction(key.to_owned())),
        }
    }
}

fn is_plausible(state: &Transaction) -> bool {
    state.producer_id >= 0 && state.producer_epoch >= 0 && state.timeout_ms > 0
}

fn encode<T: Serialize>(entry: T) -> Vec<u8> {
    let versioned = Versioned { version: VERSION, entry };
    // Numbers, strings and maps with text as keys can always be JSON.
    serde_json::to_vec(&versioned).unwrap_or_default()
}

fn decode<T: for<'de> Deserialize<'de>>(key: &str, value: &[u8]) -> Result<T, RestoreError> {
    let damaged = |error| RestoreError::Damaged { key: key.to_owned(), error };
    let OnlyVersion { version } = serde_json::from_slice(value).map_err(damaged)?;
    if version > VERSION {
        return Err(RestoreError::Newer(version));
    }
    let read: Versioned<T> = serde_json::from_slice(value).map_err(damaged)?;
    Ok(read.entry)
}

#[cfg(test)]
mod tests {
    use super::{Entry, RestoreError};
    use crate::transaction::state::Transaction;

    fn round_trip(entry: &Entry) {
        let (key, value) = entry.encode();
        assert_eq!(Entry::decode(&key, value.as_deref()).unwrap(), *entry);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut state = Transaction::new(7);
        (state.producer_epoch, state.timeout_ms) = (3, 10);
        state.partitions.entry("t".to_owned()).or_default().extend([0, 5]);
        state.groups.insert("g".to_owned());
        round_trip(&Entry::Transaction("a/b".to_owned(), Some(state)));
        round_trip(&Entry::Transaction(String::new(), None));
        round_trip(&Entry::ProducerIds(5000));
        round_trip(&Entry::Epoch(3));
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        let read = |key, value: &str| Entry::decode(key, Some(value.as_bytes())).unwrap_err();
        assert!(matches!(read("other", "{}"), RestoreError::Key(_)));
        assert!(matches!(read("coordinator", "{}"), RestoreError::Damaged { .. }));
        assert!(matches!(
            read("producer-ids", r#"{"version":1,"end":-1}"#),
            RestoreError::Contradiction(_)
        ));
        assert!(matches!(read("transaction/t", r#"{"version":2}"#), RestoreError::Newer(2)));
        assert!(matches!(read("transaction/t", r#"{"version":1}"#), RestoreError::Damaged { .. }));
        assert!(matches!(Entry::decode("coordinator", None), Err(RestoreError::Key(_))));
        let (key, value) = Entry::Transaction("t".to_owned(), Some(Transaction::new(-5))).encode();
        let error = Entry::decode(&key, value.as_deref()).unwrap_err();
        assert!(matches!(error, RestoreError::Contradiction(_)));
    }
}
