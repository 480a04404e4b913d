//! Outcomes to whoever waits for them: the batch's deliveries, and the callback.

use super::super::batch::Batch;
use super::super::delivery::Outcome;
use super::super::error::{Cause, DeliveryError, Failure};
use super::super::idempotence::Resolution;
use crate::config::{BatchCallback, BatchReport};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// Gives batches their outcomes.
pub(crate) struct Completion {
    delivery_timeout: Duration,
    /// A batch without an acknowledgement breaks its partition off.
    gapless: bool,
    reports: Option<mpsc::Sender<Vec<Report>>>,
    /// Reports of one round of the sender, handed over together: each hand-over may wake a thread.
    /// Bounded by `buffer.memory`, like the queue.
    waiting: Vec<Report>,
}

/// A batch on its way to the callback. It keeps the batch's memory charged until the callback has
/// returned, so the queue is bounded by `buffer.memory`.
struct Report {
    batch: Arc<Batch>,
    outcome: Outcome,
}

impl Completion {
    /// Starts the callback's thread, if there is a callback.
    pub(crate) fn new(
        delivery_timeout: Duration,
        gapless: bool,
        callback: Option<BatchCallback>,
    ) -> std::io::Result<Self> {
        let waiting = Vec::new();
        let Some(callback) = callback else {
            return Ok(Self { delivery_timeout, gapless, reports: None, waiting });
        };
        let (sender, receiver) = mpsc::channel::<Vec<Report>>();
        std::thread::Builder::new().name("klamm-callbacks".to_owned()).spawn(move || {
            for report in receiver.into_iter().flatten() {
                report.deliver(&callback);
            }
        })?;
        Ok(Self { delivery_timeout, gapless, reports: Some(sender), waiting })
    }

    /// Another door to the same callback, for another thread.
    pub(crate) fn fork(&self) -> Self {
        let reports = self.reports.clone();
        let (delivery_timeout, gapless) = (self.delivery_timeout, self.gapless);
        Self { delivery_timeout, gapless, reports, waiting: Vec::new() }
    }

    /// Hands what has come together to the callback's thread.
    pub(crate) fn hand_over(&mut self) {
        if let Some(reports) = self.reports.as_ref().filter(|_| !self.waiting.is_empty()) {
            let _ = reports.send(std::mem::take(&mut self.waiting));
        }
    }

    /// Gives a batch the outcome that its sequence has come to. `delivered` is where it is in the log,
    /// known only for the batch that was just acknowledged.
    pub(crate) fn resolve(
        &mut self,
        resolution: Resolution<Arc<Batch>>,
        delivered: Option<(Option<i64>, Option<i64>)>,
    ) {
        match resolution {
            Resolution::Delivered(batch) => {
                let (base_offset, log_append_time_ms) = delivered.unwrap_or_default();
                self.complete(batch, Outcome::Delivered { base_offset, log_append_time_ms });
            }
            Resolution::NotDelivered(batch) => {
                let failure = self.failure(&batch);
                self.complete(batch, Outcome::NotDelivered(failure));
            }
            Resolution::Unknown(batch) => {
                let failure = self.failure(&batch);
                self.complete(batch, Outcome::Unknown(failure));
            }
        }
    }

    /// A batch that was never sent, and never will be.
    pub(crate) fn not_delivered(&mut self, batch: Arc<Batch>, cause: Cause) {
        let failure = failure(&batch, cause);
        self.complete(batch, Outcome::NotDelivered(failure));
    }

    /// A batch that ran out of time before it was ever sent.
    pub(crate) fn timed_out(&mut self, batch: Arc<Batch>) {
        let failure = self.failure(&batch);
        self.complete(batch, Outcome::NotDelivered(failure));
    }

    /// The last failed try says why, unless there was none: then it was the time.
    fn failure(&self, batch: &Arc<Batch>) -> Arc<Failure> {
        let last = batch.attempts().last;
        let overdue = batch.opened.elapsed() >= self.delivery_timeout;
        let cause = match last {
            Some(last) if !overdue => Cause::clone(&last),
            last => Cause::Timeout { timeout: self.delivery_timeout, last },
        };
        failure(batch, cause)
    }

    fn complete(&mut self, batch: Arc<Batch>, outcome: Outcome) {
        if self.gapless && !matches!(outcome, Outcome::Delivered { .. } | Outcome::Split(_)) {
            // Before anybody hears of it: nothing that comes later may pass.
            batch.state.partition.break_off();
        }
        batch.state.complete(outcome.clone());
        if self.reports.is_some() {
            self.waiting.push(Report { batch, outcome });
        }
    }
}

/// No report is lost, however the sender ends.
impl Drop for Completion {
    fn drop(&mut self) {
        self.hand_over();
    }
}

fn failure(batch: &Batch, cause: Cause) -> Arc<Failure> {
    let partition = &batch.state.partition;
    Arc::new(Failure {
        topic: Arc::clone(&partition.topic),
        partition: partition.index,
        records: usize::try_from(batch.count()).unwrap_or(0),
        cause,
    })
}

impl Report {
    fn deliver(&self, callback: &BatchCallback) {
        let error;
        let outcome = match &self.outcome {
            Outcome::Delivered { base_offset, .. } => Ok(*base_offset),
            Outcome::NotDelivered(failure) => {
                error = DeliveryError::NotDelivered(Arc::clone(failure));
                Err(&error)
            }
            Outcome::Unknown(failure) => {
                error = DeliveryError::Unknown(Arc::clone(failure));
                Err(&error)
            }
            Outcome::Split(_) => return,
        };
        let partition = &self.batch.state.partition;
        callback(&BatchReport {
            topic: &partition.topic,
            partition: partition.index,
            records: usize::try_from(self.batch.count()).unwrap_or(0),
            bytes: self.batch.len(),
            uncompressed_bytes: self.batch.uncompressed_len(),
            age: self.batch.opened.elapsed(),
            outcome,
        });
    }
}
