//! Pure: how much waits for Kafka, by topic and by age, and when there will be room.

use super::config::{AppendRefused, WalConfig};
use super::encoding::{HEADER_OVERHEAD_BYTES, OVERHEAD_BYTES};
use crate::accepted::Accepted;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Appends are booked together until they have this many bytes: the books stay small, however small the records are.
const SPAN_BYTES: u64 = 64 * 1024;
/// Records are refused when this much of the log is taken, in percent.
const HIGH_WATER_PERCENT: u64 = 90;
/// The weight of the latest second in the estimate of what Kafka takes.
const RATE_WEIGHT: f64 = 0.3;
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// What one or more records take, by topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) bytes: u64,
    pub(super) records: u32,
    pub(super) topics: Vec<(Arc<str>, u64)>,
}

impl Need {
    pub(super) fn of(records: &[Accepted]) -> Self {
        let mut need = Self::default();
        records.iter().for_each(|record| need.add(record));
        need
    }

    pub(super) fn add(&mut self, record: &Accepted) {
        let headers = record.headers.len() * HEADER_OVERHEAD_BYTES;
        let bytes = (record.bytes() + record.topic.len() + headers + OVERHEAD_BYTES) as u64;
        self.records += 1;
        self.book(&record.topic, bytes);
    }

    /// The same for what other records need.
    pub(super) fn join(&mut self, other: &Self) {
        self.records += other.records;
        other.topics.iter().for_each(|(topic, bytes)| self.book(topic, *bytes));
    }

    fn book(&mut self, topic: &Arc<str>, bytes: u64) {
        self.bytes += bytes;
        match self.topics.iter_mut().find(|(name, _)| name == topic) {
            Some((_, sum)) => *sum += bytes,
            None => self.topics.push((topic.clone(), bytes)),
        }
    }
}

/// Appends that were booked together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// The sequence behind the last record.
    pub(super) next: u64,
    /// When the oldest was taken, in ms since 1970.
    pub(super) taken_ms: i64,
    /// Bytes, by topic too; records are counted beside it.
    pub(super) need: Need,
    pub(super) records: u64,
}

/// Appends in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans(VecDeque<Span>);

impl Spans {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Span> {
        self.0.iter()
    }

    pub(super) fn push(&mut self, span: Span) {
        self.0.push_back(span);
    }

    /// Books what reaches up to the sequence `next`.
    pub(super) fn book(&mut self, need: &Need, next: u64, taken_ms: i64) {
        let records = u64::from(need.records);
        match self.0.back_mut().filter(|span| span.need.bytes < SPAN_BYTES) {
            Some(span) => {
                span.next = next;
                span.records += records;
                need.topics.iter().for_each(|(topic, bytes)| span.need.book(topic, *bytes));
            }
            None => {
                let need = Need { records: 0, ..need.clone() };
                self.push(Span { next, taken_ms, need, records });
            }
        }
    }
}

/// Everything that was let in and is not in Kafka yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Books {
    /// What is in the log, in order.
    spans: Spans,
    /// Bytes let in, those that still wait to be written included.
    bytes: u64,
    records: u64,
    by_topic: HashMap<Arc<str>, u64, foldhash::fast::RandomState>,
    /// Bytes that went to Kafka since the last tick, and in a second of late.
    gone: u64,
    rate: f64,
    ticked_ms: i64,
}

impl Books {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records that are in the log.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// When the oldest record was taken.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.spans.0.front().map(|span| span.taken_ms)
    }

    /// Bytes that Kafka takes in a second, of late.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Lets records in, or says why not.
    pub(super) fn admit(
        &mut self,
        need: &Need,
        config: &WalConfig,
        now_ms: i64,
    ) -> Result<(), AppendRefused> {
        let limit = config.max_bytes / 100 * HIGH_WATER_PERCENT;
        let aged = config.max_age.is_some_and(|max| {
            let age = self.oldest_ms().map_or(0, |oldest| now_ms.saturating_sub(oldest));
            u128::try_from(age).is_ok_and(|age| age > max.as_millis())
        });
        let surplus = (self.bytes + need.bytes).saturating_sub(limit);
        if surplus > 0 || aged {
            return Err(AppendRefused::Full { retry_after: self.retry_after(surplus) });
        }
        let share = (config.max_bytes as f64 * config.topic_share) as u64;
        for (topic, bytes) in &need.topics {
            let own = self.by_topic.get(topic).copied().unwrap_or(0);
            let taken = own + bytes;
            // Alone a topic takes nothing away from anybody.
            if taken > share && self.bytes > own {
                let retry_after = self.retry_after(taken - share);
                return Err(AppendRefused::TopicShare { topic: topic.to_string(), retry_after });
            }
        }
        self.enter(need);
        Ok(())
    }

    /// When so many bytes will have gone.
    pub(super) fn retry_after(&self, bytes: u64) -> Duration {
        let seconds = bytes as f64 / self.rate;
        if seconds.is_finite() && seconds < LONGEST_RETRY.as_secs_f64() {
            Duration::from_secs(seconds.ceil() as u64).max(SHORTEST_RETRY)
        } else {
            LONGEST_RETRY
        }
    }

    fn enter(&mut self, need: &Need) {
        self.bytes += need.bytes;
        for (topic, bytes) in &need.topics {
            *self.by_topic.entry(topic.clone()).or_default() += bytes;
        }
    }

    /// Takes back what was let in.
    pub(super) fn leave(&mut self, need: &Need) {
        self.bytes -= need.bytes.min(self.bytes);
        for (topic, bytes) in &need.topics {
            let left = self.by_topic.get(topic).map_or(0, |taken| taken.saturating_sub(*bytes));
            match left {
                0 => drop(self.by_topic.remove(topic)),
                left => drop(self.by_topic.insert(topic.clone(), left)),
            }
        }
    }

    /// What was let in is in the log now, up to the sequence `next`.
    pub(super) fn written(&mut self, need: &Need, next: u64, taken_ms: i64) {
        self.records += u64::from(need.records);
        self.spans.book(need, next, taken_ms);
    }

    /// Books what was found in the log when it was opened.
    pub(super) fn found(&mut self, found: Spans) {
        for span in found.0 {
            self.enter(&span.need);
            self.records += span.records;
            self.spans.push(span);
        }
    }

    /// Everything below this sequence is in Kafka.
    pub(super) fn release(&mut self, upto: u64) {
        while self.spans.0.front().is_some_and(|span| span.next <= upto) {
            let Some(span) = self.spans.0.pop_front() else { return };
            self.gone += span.need.bytes;
            self.records -= span.records.min(self.records);
            self.leave(&span.need);
        }
    }

    /// Looks at what has gone since the last call; about once per second.
    pub(super) fn tick(&mut self, now_ms: i64) {
        let passed = now_ms.saturating_sub(self.ticked_ms);
        if passed <= 0 || self.ticked_ms == 0 {
            self.ticked_ms = now_ms;
            return;
        }
        let latest = self.gone as f64 * 1000.0 / passed as f64;
        let weight = if self.rate == 0.0 { 1.0 } else { RATE_WEIGHT };
        self.rate += (latest - self.rate) * weight;
        (self.gone, self.ticked_ms) = (0, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(topic: &str, bytes: u64) -> Need {
        Need { bytes, records: 1, topics: vec![(topic.into(), bytes)] }
    }

    fn config() -> WalConfig {
        WalConfig { max_bytes: 1_000_000, ..WalConfig::default() }
    }

    fn found(need: &Need, next: u64, taken_ms: i64) -> Spans {
        let mut spans = Spans::default();
        spans.book(need, next, taken_ms);
        spans
    }

    #[test]
    fn a_full_log_refuses_and_says_when_there_is_room() {
        let (mut books, config) = (Books::default(), config());
        books.admit(&need("a", 450_000), &config, 0).unwrap();
        books.written(&need("a", 450_000), 1, 0);
        books.admit(&need("b", 400_000), &config, 0).unwrap();
        books.written(&need("b", 400_000), 2, 0);
        let full = |seconds| Err(AppendRefused::Full { retry_after: Duration::from_secs(seconds) });
        assert_eq!(books.admit(&need("c", 50_001), &config, 0), full(60), "nothing goes");
        books.admit(&need("c", 50_000), &config, 0).unwrap();
        books.leave(&need("c", 50_000));
        // Half of it goes in a minute: 7,500 bytes in a second.
        books.tick(1);
        books.release(1);
        books.tick(60_001);
        assert_eq!((books.bytes(), books.records()), (400_000, 1));
        assert_eq!(books.admit(&need("c", 560_000), &config, 0), full(8), "60,000 bytes too many");
        assert_eq!(books.admit(&need("c", 500_001), &config, 0), full(1), "at least a second");
        books.release(2);
        assert_eq!((books.bytes(), books.records(), books.oldest_ms()), (0, 0, None));
        assert!(books.by_topic.is_empty());
    }

    #[test]
    fn a_topic_has_its_share_and_others_have_theirs() {
        let (mut books, config) = (Books::default(), config());
        books.admit(&need("a", 600_000), &config, 0).unwrap();
        books.admit(&need("a", 1), &config, 0).expect("no other topic is in the log");
        books.leave(&need("a", 100_001));
        books.admit(&need("b", 100), &config, 0).unwrap();
        let refused = books.admit(&need("a", 1), &config, 0);
        assert!(matches!(refused, Err(AppendRefused::TopicShare { topic, .. }) if topic == "a"));
        books.admit(&need("b", 100), &config, 0).unwrap();
        books.leave(&need("a", 500_000));
        books.admit(&need("a", 1), &config, 0).unwrap();
    }

    #[test]
    fn old_records_close_the_door_when_asked_to() {
        let mut config = config();
        let mut books = Books::default();
        books.found(found(&need("a", 10), 5, 1_000));
        books.admit(&need("b", 10), &config, i64::MAX).unwrap();
        config.max_age = Some(Duration::from_secs(2));
        books.admit(&need("b", 10), &config, 3_000).unwrap();
        let refused = books.admit(&need("b", 10), &config, 3_001);
        assert!(matches!(refused, Err(AppendRefused::Full { .. })));
    }

    #[test]
    fn small_appends_are_booked_together() {
        let mut books = Books::default();
        let mut spans = Spans::default();
        (0..100_000).for_each(|n| spans.book(&need("a", 100), n + 1, 0));
        books.found(spans);
        assert!(books.spans.0.len() < 200, "{}", books.spans.0.len());
        books.release(50_000);
        assert!((50_000..51_000).contains(&books.records()), "{}", books.records());
        books.release(100_000);
        assert_eq!((books.records(), books.bytes()), (0, 0));
    }
}
