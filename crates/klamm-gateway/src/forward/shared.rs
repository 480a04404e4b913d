//! What the forwarder's handle and its task have in common.

use super::config::{ForwardState, UnloggedRefused};
use super::outcomes::Outcomes;
use super::unlogged::Unlogged;
use crate::accepted::Accepted;
use parking_lot::Mutex;
use std::time::SystemTime;
use tokio::sync::{Notify, watch};

/// Failures that are remembered.
const ERRORS_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) outcomes: Outcomes,
    pub(super) state: Mutex<ForwardState>,
    pub(super) unlogged: Mutex<Unlogged>,
    pub(super) unlogged_came: Notify,
    /// Everything below is done.
    pub(super) released: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(unlogged_bytes: usize) -> Self {
        Self {
            outcomes: Outcomes::new(),
            state: Mutex::default(),
            unlogged: Mutex::new(Unlogged::new(unlogged_bytes)),
            unlogged_came: Notify::new(),
            released: watch::Sender::new(0),
        }
    }

    pub(super) fn send_unlogged(
        &self,
        records: Vec<Accepted>,
        now_ms: u64,
    ) -> Result<(), UnloggedRefused> {
        self.unlogged.lock().push(records, now_ms)?;
        self.unlogged_came.notify_one();
        Ok(())
    }

    /// Remembers a failure, once for every time it comes in a row.
    pub(super) fn failed(&self, error: String) {
        let mut state = self.state.lock();
        let errors = &mut state.last_errors;
        if errors.last().is_some_and(|(_, last)| *last == error) {
            errors.pop();
        } else {
            tracing::warn!(%error, "forwarding");
        }
        if errors.len() >= ERRORS_MAX {
            errors.remove(0);
        }
        errors.push((SystemTime::now(), error));
    }
}
