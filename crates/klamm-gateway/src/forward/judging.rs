//! What comes of outcomes: done, again, or a dead letter.

use super::lane::Failed;
use super::outcomes::Outcome;
use super::taken::Taken;
use super::task::{Event, Task};
use super::tracks::Finished;
use super::verdict::{self, Class};
use crate::accepted::Accepted;
use crate::dead_letter::Letter;
use klamm::ErrorCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Dead letters that wait to be written down.
pub(super) const LETTERS_MAX: usize = 256;
/// After a grace has passed, what follows in the lane is a dead letter without a try, for so long.
const DOOM_MS: u64 = 60_000;

/// A lane whose grace has passed.
#[derive(Debug)]
pub(super) struct Doom {
    pub(super) until_ms: u64,
    pub(super) code: ErrorCode,
    pub(super) reason: Arc<str>,
}

/// A dead letter on its way to where it is kept.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) taken: Taken,
    pub(super) letter: Letter,
}

impl Task {
    /// Takes note of the outcomes that have come; says whether there were any.
    pub(super) fn take_finished(&mut self, now: u64) -> bool {
        let mut finished = std::mem::take(&mut self.finished);
        let any = !finished.is_empty();
        let mut told = Vec::new();
        for Finished { taken, record, partition, result } in finished.drain(..) {
            match result {
                Ok(delivered) => {
                    // What nobody asked for when it was sent, nobody asks for now; the others are by themselves.
                    if self.wanted && taken.count == 1 {
                        let outcome = Outcome::Delivered {
                            partition: delivered.partition(),
                            offset: delivered.offset(),
                            timestamp: delivered.timestamp_ms(),
                        };
                        told.push((taken.sequence, outcome));
                    }
                    self.delivered += u64::from(taken.count);
                    if !self.graces.is_empty() {
                        self.graces.remove(&taken.lane);
                    }
                    self.window.done(taken, now);
                }
                Err(error) => {
                    let topic = error.failure().topic();
                    if !self.broken.contains_key(topic) {
                        self.broken.insert(topic.into(), Default::default());
                    }
                    self.broken.get_mut(topic).map(|broken| broken.insert(partition));
                    let (class, code) = verdict::of_delivery(&error);
                    // Another lane may have had a record in the batch, and that may be the one that was refused.
                    let own = class != Class::Refused || error.failure().records() == 1;
                    let record = record.filter(|_| own).map(|record| *record);
                    let reason = Arc::from(error.to_string());
                    self.judge(taken, record, class, code, &reason, now);
                }
            }
        }
        if !told.is_empty() {
            self.shared.outcomes.finish(told);
        }
        // Its room serves the next ones.
        self.finished = finished;
        any
    }

    /// Decides about records that Kafka does not have. One may become a dead letter only when it is in hand.
    pub(super) fn judge(
        &mut self,
        taken: Taken,
        record: Option<Accepted>,
        class: Class,
        code: ErrorCode,
        reason: &Arc<str>,
        now: u64,
    ) {
        if code != ErrorCode::NONE {
            self.shared.failed(reason.to_string());
        }
        self.rebuild |= class == Class::Rebuild;
        let grace = match class {
            Class::Unknown => Some(self.config.unknown_topic_grace),
            Class::Denied => Some(self.config.denied_grace),
            Class::Again | Class::Rebuild | Class::Refused => None,
        };
        if let (Some(grace), true) = (grace, taken.alone) {
            let since = *self.graces.entry(taken.lane).or_insert(now);
            let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            if let Some(record) = record.filter(|_| now.saturating_sub(since) >= grace) {
                let doom = Doom { until_ms: now + DOOM_MS, code, reason: reason.clone() };
                self.doomed.insert(taken.lane, doom);
                return self.letter(taken, record, code, reason.clone(), now);
            }
            return self.again(taken, Failed::Again, now);
        }
        if taken.alone && code != ErrorCode::NONE {
            // A grace is for one and the same trouble.
            self.graces.remove(&taken.lane);
        }
        match (class, record) {
            (Class::Refused, Some(record)) => {
                self.letter(taken, record, code, reason.clone(), now);
            }
            (Class::Refused, None) => self.again(taken, Failed::Refused, now),
            _ => self.again(taken, Failed::Again, now),
        }
    }

    fn again(&mut self, taken: Taken, how: Failed, now: u64) {
        self.retried += u64::from(taken.count);
        self.window.failed(taken, how, now);
    }

    /// Has a record put among the dead letters; it is done when that is certain.
    pub(super) fn letter(
        &mut self,
        taken: Taken,
        record: Accepted,
        error: ErrorCode,
        reason: Arc<str>,
        now: u64,
    ) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let id = format!("{}{}", &self.id[..self.id_prefix], taken.sequence);
        let posted = Posted { taken, letter: Letter { id, record, error, reason, at_ms } };
        if let Err(refused) = self.letters.try_send(posted) {
            self.window.failed(refused.into_inner().taken, Failed::Again, now);
        }
    }

    /// A dead letter is kept, or could be put nowhere.
    pub(super) fn lettered(
        &mut self,
        taken: Taken,
        error: ErrorCode,
        reason: Arc<str>,
        result: Result<(), String>,
        now: u64,
    ) {
        match result {
            Ok(()) => {
                let name = error.name().map_or_else(|| error.0.to_string(), str::to_owned);
                tracing::warn!(sequence = taken.sequence, error = %name, %reason, "a dead letter");
                let mut state = self.shared.state.lock();
                *state.dead_letters.entry(name).or_default() += 1;
                state.dead_letter_error = None;
                drop(state);
                let outcome = Outcome::DeadLetter { error, reason };
                self.shared.outcomes.finish([(taken.sequence, outcome)]);
                self.window.lettered(taken, now);
            }
            Err(why) => {
                let mut state = self.shared.state.lock();
                state.dead_letter_error = Some((SystemTime::now(), why.clone()));
                drop(state);
                self.shared.failed(format!("a dead letter can be put nowhere: {why}"));
                self.window.failed(taken, Failed::Again, now);
            }
        }
    }

    /// Something that was begun elsewhere has come to an end.
    pub(super) fn handle(&mut self, event: Event, now: u64) {
        match event {
            Event::Asked { taken, record, result } => self.asked(taken, record, result, now),
            Event::Lettered { taken, error, reason, result } => {
                self.lettered(taken, error, reason, result, now);
            }
        }
    }
}
