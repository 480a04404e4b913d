//! Whether the storage takes what is written to a partition.

use super::{Partition, State};
use klamm_log::AppendError;
use std::time::Duration;
use tokio::time::Instant;

/// So long a failure counts that was followed by neither another nor a success: a disk that was full may have room
/// again, and whoever looks at this may keep writers away meanwhile.
const COUNTS_FOR: Duration = Duration::from_secs(30);

/// The last failure.
#[derive(Debug)]
pub(super) struct Trouble {
    at: Instant,
    why: String,
}

impl Partition {
    /// Why nothing can be written at present, as far as it is known.
    pub(crate) fn trouble(&self) -> Option<String> {
        let state = self.state.lock();
        if let Some(why) = state.log.poisoned() {
            return Some(why.to_owned());
        }
        let recent = state.trouble.as_ref().filter(|trouble| trouble.at.elapsed() < COUNTS_FOR);
        recent.map(|trouble| trouble.why.clone())
    }

    /// Notes that records were refused; says so once, however many follow.
    pub(super) fn note_failure(&self, state: &mut State, error: &AppendError) {
        if !matches!(error, AppendError::Storage(_) | AppendError::Poisoned(_)) {
            return;
        }
        if state.trouble.is_none() {
            let (topic, partition) = (self.topic.as_str(), self.index);
            tracing::error!(topic, partition, %error, "records are refused: the storage failed");
        }
        state.trouble = Some(Trouble { at: Instant::now(), why: error.to_string() });
    }

    /// Notes that records were taken.
    pub(super) fn note_success(&self, state: &mut State) {
        if state.trouble.take().is_some() {
            let (topic, partition) = (self.topic.as_str(), self.index);
            tracing::info!(topic, partition, "records are taken again");
        }
    }
}
