//! What came of the requests: how many of which status, how long they took, which were accepted.

use super::answer::Answer;
use super::connection::Trouble;
use super::schedule::Slot;
use crate::failure::{DATA, Failure, INTERNAL};
use crate::verify::Numbers;
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Times above this count as this.
const MAX_US: u64 = 600_000_000;
/// A ledger is written in pieces of this size.
const PIECE: usize = 64 * 1024;

/// How long something took, in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    /// Without any.
    pub(super) fn new() -> Result<Self, Failure> {
        let none = |e| Failure::new(INTERNAL, format!("no histogram: {e}"));
        Histogram::new_with_bounds(1, MAX_US, 3).map(Self).map_err(none)
    }

    fn add(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(MAX_US);
        self.0.saturating_record(us.clamp(1, MAX_US));
    }

    fn merge(&mut self, other: &Self) {
        // Both have the same bounds: there is nothing that could not be added.
        let _ = self.0.add(&other.0);
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// In milliseconds.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1e3
    }

    /// In milliseconds.
    pub(super) fn max(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.max() as f64 / 1e3 }
    }
}

/// The requests that were accepted, and what their answers called them.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    /// Numbers of the requests.
    pub(super) requests: Numbers,
    /// The sequences that answers named, of each instance.
    pub(super) ids: BTreeMap<Box<str>, Numbers>,
}

/// The file in which every request stands: its first record's number, its status or what went wrong, and the id of the
/// answer, if it has one.
#[derive(Debug, Clone)]
pub(super) struct Ledger(Arc<Mutex<File>>);

impl Ledger {
    /// An empty file.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let failed = |e| Failure::new(DATA, format!("{}: {e}", path.display()));
        File::create(path).map(|file| Self(Arc::new(Mutex::new(file)))).map_err(failed)
    }

    fn write(&self, lines: &str) -> Result<(), Failure> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |e| Failure::new(DATA, format!("the ledger: {e}"));
        file.write_all(lines.as_bytes()).map_err(failed)
    }
}

/// The books of one thread.
#[derive(Debug)]
pub(super) struct Books {
    /// From when a request was sent to its answer, of each status.
    pub(super) statuses: BTreeMap<u16, Times>,
    /// Requests without an answer, by what went wrong.
    pub(super) troubles: BTreeMap<&'static str, u64>,
    pub(super) first_trouble: Option<String>,
    /// The first answer that refused: it says why.
    pub(super) first_refusal: Option<String>,
    pub(super) accepted: Option<Accepted>,
    ledger: Option<Ledger>,
    lines: String,
    records_each: u64,
}

/// What klamm says in an answer.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

/// Bytes of a refusal that are worth telling.
const TOLD: usize = 300;

impl Books {
    /// Empty ones. With `verify` they remember which requests were accepted; `first` is the number of the first record.
    pub(super) fn new(records_each: u64, verify: bool, ledger: Option<Ledger>) -> Self {
        let accepted = verify.then(Accepted::default);
        Self {
            statuses: BTreeMap::new(),
            troubles: BTreeMap::new(),
            first_trouble: None,
            first_refusal: None,
            accepted,
            ledger,
            lines: String::new(),
            records_each,
        }
    }

    /// Notes an answer that took so long; true if the request was accepted.
    pub(super) fn answered(
        &mut self,
        slot: Slot,
        answer: &Answer<'_>,
        took: Duration,
    ) -> Result<bool, Failure> {
        let status = answer.status;
        match self.statuses.get_mut(&status) {
            Some(times) => times.add(took),
            None => {
                let mut times = Times::new()?;
                times.add(took);
                self.statuses.insert(status, times);
            }
        }
        let good = (200..300).contains(&status);
        if !good && self.first_refusal.is_none() {
            let body = &answer.body[..answer.body.len().min(TOLD)];
            self.first_refusal = Some(format!("{status} {}", String::from_utf8_lossy(body).trim()));
        }
        if self.accepted.is_some() || self.ledger.is_some() {
            let named: Option<Named<'_>> = serde_json::from_slice(&answer.body).ok();
            let id = named.filter(|_| good).map(|named| named.id);
            self.note(slot, status, id.as_deref())?;
        }
        Ok(good)
    }

    fn note(&mut self, slot: Slot, status: u16, id: Option<&str>) -> Result<(), Failure> {
        if let Some(accepted) = self.accepted.as_mut().filter(|_| (200..300).contains(&status)) {
            accepted.requests.insert(slot.number);
            if let Some((instance, sequence)) = id.and_then(named) {
                match accepted.ids.get_mut(instance) {
                    Some(sequences) => sequences.insert(sequence),
                    None => accepted.ids.entry(instance.into()).or_default().insert(sequence),
                };
            }
        }
        self.line(slot, format_args!("{status} {}", id.unwrap_or("-")))
    }

    /// Notes a request that has no answer.
    pub(super) fn failed(&mut self, slot: Slot, trouble: &Trouble) -> Result<(), Failure> {
        *self.troubles.entry(trouble.name()).or_default() += 1;
        self.first_trouble.get_or_insert_with(|| trouble.to_string());
        self.line(slot, format_args!("{} -", trouble.name()))
    }

    fn line(&mut self, slot: Slot, rest: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        let first = super::request::FIRST + slot.number * self.records_each;
        // Writing to memory does not fail.
        let _ = writeln!(self.lines, "{first} {rest}");
        if self.lines.len() >= PIECE {
            ledger.write(&self.lines)?;
            self.lines.clear();
        }
        Ok(())
    }

    /// Writes what is left of the ledger.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        match &self.ledger {
            Some(ledger) => ledger.write(&std::mem::take(&mut self.lines)),
            None => Ok(()),
        }
    }

    /// Takes the books of another thread in.
    pub(super) fn merge(&mut self, other: Self) {
        for (status, times) in other.statuses {
            match self.statuses.get_mut(&status) {
                Some(mine) => mine.merge(&times),
                None => drop(self.statuses.insert(status, times)),
            }
        }
        for (name, count) in other.troubles {
            *self.troubles.entry(name).or_default() += count;
        }
        self.first_trouble = self.first_trouble.take().or(other.first_trouble);
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
        if let (Some(mine), Some(theirs)) = (&mut self.accepted, other.accepted) {
            mine.requests.merge(theirs.requests);
            for (instance, sequences) in theirs.ids {
                mine.ids.entry(instance).or_default().merge(sequences);
            }
        }
    }

    /// Requests that were answered, whatever the answer.
    pub(super) fn answers(&self) -> u64 {
        self.statuses.values().map(Times::count).sum()
    }

    /// Requests that were accepted.
    pub(super) fn good(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, times)| times.count()).sum()
    }

    /// Requests without an answer.
    pub(super) fn unanswered(&self) -> u64 {
        self.troubles.values().sum()
    }
}

/// Instance and sequence of a record's name.
pub(super) fn named(id: &str) -> Option<(&str, u64)> {
    let (instance, sequence) = id.rsplit_once('/')?;
    Some((instance, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Books, Ledger, Slot, named};
    use crate::perf::http::connection::Trouble;
    use std::borrow::Cow;
    use std::time::Duration;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn slot(number: u64) -> Slot {
        Slot { number, due: Duration::ZERO }
    }

    fn answer(status: u16, body: &str) -> Answer<'_> {
        let body = Cow::Borrowed(body.as_bytes());
        Answer { status, body, taken: 0, closes: false }
    }

    #[test]
    fn statuses_are_counted_apart_and_threads_together() {
        let mut books = Books::new(1, true, None);
        assert!(books.answered(slot(0), &answer(202, r#"{"id":"a/7","count":1}"#), MS(2)).unwrap());
        assert!(!books.answered(slot(1), &answer(503, "full"), MS(40)).unwrap());
        let mut other = Books::new(1, true, None);
        assert!(other.answered(slot(2), &answer(202, r#"{"id":"b/1"}"#), MS(4)).unwrap());
        assert!(other.answered(slot(3), &answer(200, "no JSON"), MS(4)).unwrap());
        other.failed(slot(4), &Trouble::Closed).unwrap();
        books.merge(other);
        assert_eq!((books.answers(), books.good(), books.unanswered()), (4, 3, 1));
        assert_eq!(books.statuses[&202].count(), 2);
        assert!((39.0..41.0).contains(&books.statuses[&503].percentile(50.0)));
        assert_eq!(books.first_refusal.as_deref(), Some("503 full"));
        let accepted = books.accepted.unwrap();
        let numbers: Vec<u64> = (0..5).filter(|n| accepted.requests.contains(*n)).collect();
        assert_eq!(numbers, [0, 2, 3]);
        assert!(accepted.ids["a"].contains(7) && accepted.ids["b"].contains(1));
    }

    #[test]
    fn a_ledger_has_a_line_for_each_request() {
        let path = std::env::temp_dir().join(format!("klamm-ledger-{}", std::process::id()));
        let mut books = Books::new(100, false, Some(Ledger::create(&path).unwrap()));
        books.answered(slot(0), &answer(202, r#"{"id":"a/7"}"#), MS(1)).unwrap();
        books.answered(slot(2), &answer(503, r#"{"id":"no"}"#), MS(1)).unwrap();
        books.failed(slot(3), &Trouble::TimedOut).unwrap();
        books.close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, ["100000000000 202 a/7", "100000000200 503 -", "100000000300 timeout -"]);
    }

    #[test]
    fn names_have_an_instance_and_a_sequence() {
        assert_eq!(named("i/9"), Some(("i", 9)));
        assert_eq!(named("i/j/9"), Some(("i/j", 9)));
        assert_eq!((named("9"), named("i/x"), named("")), (None, None, None));
    }
}
