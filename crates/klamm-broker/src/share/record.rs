//! Pure: a partition as it is written down.

use super::partition::SharePartition;
use super::runs::{Run, Runs, State};
use serde::{Deserialize, Serialize};

/// Form of the values; a reader of another form refuses them.
const FORM: u8 = 1;

/// States as they are written down.
const AVAILABLE: u8 = 0;
const ACKNOWLEDGED: u8 = 2;
const ARCHIVED: u8 = 4;

#[derive(Serialize, Deserialize)]
struct Stored {
    form: u8,
    start: i64,
    /// Last offset, state, deliveries, of neighbours without gaps.
    runs: Vec<(i64, u8, i16)>,
}

/// What was written down is not readable.
#[derive(Debug, thiserror::Error)]
#[error("a partition of a share group is not readable: {0}")]
pub(crate) struct Unreadable(String);

impl SharePartition {
    /// The partition as bytes. Who has a record is not kept, nor that it went out and was not heard of again: after a
    /// restart whoever had it is a stranger, and it goes out as if it had not.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut runs: Vec<(i64, u8, i16)> = self.runs.iter().map(|(_, run)| stored(run)).collect();
        while runs
            .last()
            .is_some_and(|&(_, state, deliveries)| (state, deliveries) == (AVAILABLE, 0))
        {
            runs.pop();
        }
        let stored = Stored { form: FORM, start: self.start, runs };
        // Integers always have a form in JSON.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// What [`SharePartition::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Unreadable`]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let wrong = |why: String| Unreadable(why);
        let stored: Stored = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
        if stored.form != FORM {
            return Err(wrong(format!(
                "it has form {}; this program reads form {FORM}",
                stored.form
            )));
        }
        let (mut end, mut runs) = (stored.start, Runs::default());
        for (last, state, deliveries) in stored.runs {
            let state = match state {
                AVAILABLE => State::Available,
                ACKNOWLEDGED => State::Acknowledged,
                ARCHIVED => State::Archived,
                other => return Err(wrong(format!("there is no state {other}"))),
            };
            if last < end || last == i64::MAX {
                return Err(wrong("offsets are not in order".to_owned()));
            }
            runs.push(end, Run { last, state, deliveries });
            end = last + 1;
        }
        let mut partition = Self { start: stored.start, end, runs };
        partition.settle();
        Ok(partition)
    }
}

fn stored(run: &Run) -> (i64, u8, i16) {
    match run.state {
        State::Available => (run.last, AVAILABLE, run.deliveries),
        State::Acquired { .. } => (run.last, AVAILABLE, run.deliveries.saturating_sub(1)),
        State::Acknowledged => (run.last, ACKNOWLEDGED, run.deliveries),
        State::Archived => (run.last, ARCHIVED, run.deliveries),
    }
}
