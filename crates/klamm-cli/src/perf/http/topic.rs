//! Whether what was accepted is in the topic.

use super::books::{Accepted, named};
use super::request::FIRST;
use crate::failure::Failure;
use crate::verify::Numbers;
use klamm::{Batch, Client, Consumer, ConsumerConfig, Start, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The header that holds a record's name.
const HEADER: &str = "klamm-id";

/// What was found.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Records of requests that were accepted.
    pub(super) accepted: u64,
    /// Records that were not found by their number. Nothing is missing where records have none.
    pub(super) missing: u64,
    /// Names that answers gave, and that no record has.
    pub(super) ids_missing: u64,
    /// Records that were there before, by their number.
    pub(super) duplicates: u64,
    /// Names that more than one record has.
    pub(super) id_duplicates: u64,
    /// Records of this run whose request was not accepted: its answer was lost, or says something else.
    pub(super) not_accepted: u64,
    /// Records in the topic since the load began, of whomever.
    pub(super) read: u64,
    /// Some of what is missing.
    pub(super) examples: Vec<String>,
}

/// How many examples are enough.
const EXAMPLES: usize = 5;

impl Verdict {
    /// Whether everything that was accepted is there.
    pub(super) fn is_clean(&self) -> bool {
        self.missing == 0 && self.ids_missing == 0
    }
}

/// What is in a generated body.
#[derive(Deserialize)]
struct Body<'a> {
    id: u64,
    #[serde(borrow)]
    run: Option<&'a str>,
}

/// What was seen so far.
pub(super) struct Sightings {
    run: String,
    accepted: Accepted,
    records_each: u64,
    /// Whether records have numbers.
    numbered: bool,
    seen: Numbers,
    seen_ids: BTreeMap<Box<str>, Numbers>,
    /// Numbers and names that are still to be found.
    left: u64,
    verdict: Verdict,
}

impl Sightings {
    /// Nothing yet.
    pub(super) fn new(run: &str, accepted: Accepted, records_each: u64, numbered: bool) -> Self {
        let records = accepted.requests.len() * records_each;
        let ids: u64 = accepted.ids.values().map(Numbers::len).sum();
        let left = ids + if numbered { records } else { 0 };
        Self {
            run: run.to_owned(),
            accepted,
            records_each,
            numbered,
            seen: Numbers::new(),
            seen_ids: BTreeMap::new(),
            left,
            verdict: Verdict { accepted: records, ..Verdict::default() },
        }
    }

    /// Whether there is nothing to look for although something was accepted.
    pub(super) fn is_blind(&self) -> bool {
        self.left == 0 && self.verdict.accepted > 0
    }

    fn batch(&mut self, batch: &Batch) {
        for record in batch {
            let id = record.headers().find(|(name, _)| *name == HEADER).and_then(|(_, id)| id);
            self.record(record.value(), id.and_then(|id| std::str::from_utf8(id).ok()));
        }
    }

    /// A record with this value and name.
    pub(super) fn record(&mut self, value: Option<&[u8]>, id: Option<&str>) {
        self.verdict.read += 1;
        if let Some((instance, sequence)) = id.and_then(named) {
            self.id(instance, sequence);
        }
        let Some(value) = value.filter(|_| self.numbered) else { return };
        let Ok(body) = serde_json::from_slice::<Body<'_>>(value) else { return };
        if body.run.is_none_or(|run| run == self.run)
            && let Some(number) = body.id.checked_sub(FIRST)
        {
            self.number(number);
        }
    }

    fn id(&mut self, instance: &str, sequence: u64) {
        let seen = match self.seen_ids.get_mut(instance) {
            Some(seen) => seen,
            None => self.seen_ids.entry(instance.into()).or_default(),
        };
        if !seen.insert(sequence) {
            self.verdict.id_duplicates += 1;
        } else if self.accepted.ids.get(instance).is_some_and(|ids| ids.contains(sequence)) {
            self.left -= 1;
        }
    }

    fn number(&mut self, number: u64) {
        let accepted = self.accepted.requests.contains(number / self.records_each);
        if !self.seen.insert(number) {
            self.verdict.duplicates += 1;
        } else if accepted {
            self.left -= 1;
        } else {
            self.verdict.not_accepted += 1;
        }
    }

    /// What it comes to.
    pub(super) fn verdict(mut self) -> Verdict {
        let each = self.records_each;
        let records = self.accepted.requests.iter().flat_map(|n| n * each..(n + 1) * each);
        for number in records.filter(|n| self.numbered && !self.seen.contains(*n)) {
            self.verdict.missing += 1;
            if self.verdict.examples.len() < EXAMPLES {
                self.verdict.examples.push((FIRST + number).to_string());
            }
        }
        for (instance, ids) in &self.accepted.ids {
            let seen = self.seen_ids.get(instance);
            for sequence in ids.iter().filter(|n| !seen.is_some_and(|seen| seen.contains(*n))) {
                self.verdict.ids_missing += 1;
                if self.verdict.examples.len() < EXAMPLES {
                    self.verdict.examples.push(format!("{instance}/{sequence}"));
                }
            }
        }
        self.verdict
    }
}

/// Where a topic ended before the load.
pub(super) struct Before {
    client: Client,
    config: ConsumerConfig,
    topic: Arc<str>,
    ends: BTreeMap<TopicPartition, i64>,
}

impl Before {
    /// Looks now. A topic that does not exist yet ends at its beginning.
    pub(super) async fn look(
        client: Client,
        config: ConsumerConfig,
        topic: &str,
    ) -> Result<Self, Failure> {
        let topic: Arc<str> = topic.into();
        let consumer = client.consumer(config.clone())?;
        let partitions = partitions(&client, &topic).await?;
        let ends = match partitions.is_empty() {
            true => BTreeMap::new(),
            false => consumer.end_offsets(partitions).await?,
        };
        consumer.close().await;
        Ok(Self { client, config, topic, ends })
    }

    /// Reads what came since, until everything is found and the end reached, or nothing more comes for `patience`.
    pub(super) async fn find(
        self,
        mut sightings: Sightings,
        patience: Duration,
    ) -> Result<Verdict, Failure> {
        let consumer = self.client.consumer(self.config)?;
        let partitions = partitions(&self.client, &self.topic).await?;
        let start = |tp: &TopicPartition| match self.ends.get(tp) {
            Some(end) => Start::Offset(*end),
            None => Start::Earliest,
        };
        consumer.assign(partitions.iter().map(|tp| (tp.topic.clone(), tp.partition, start(tp))));
        while sightings.left > 0 && one(&consumer, &mut sightings, patience).await?.is_some() {}
        if sightings.left == 0 {
            to_the_end(&consumer, partitions, &mut sightings, patience).await?;
        }
        consumer.close().await;
        self.client.close().await;
        Ok(sightings.verdict())
    }
}

/// Duplicates may come behind the last that was missing.
async fn to_the_end(
    consumer: &Consumer,
    partitions: Vec<TopicPartition>,
    sightings: &mut Sightings,
    patience: Duration,
) -> Result<(), Failure> {
    if partitions.is_empty() {
        return Ok(());
    }
    let mut ends = consumer.end_offsets(partitions).await?;
    loop {
        ends.retain(|tp, end| consumer.position(tp).is_none_or(|at| at < *end));
        if ends.is_empty() || one(consumer, sightings, patience).await?.is_none() {
            return Ok(());
        }
    }
}

/// Takes a batch; `None` when nothing came for `patience`.
async fn one(
    consumer: &Consumer,
    sightings: &mut Sightings,
    patience: Duration,
) -> Result<Option<()>, Failure> {
    match timeout(patience, consumer.poll()).await {
        Ok(Ok(Some(batch))) => {
            sightings.batch(&batch);
            Ok(Some(()))
        }
        Ok(Ok(None)) | Err(_) => Ok(None),
        Ok(Err(error)) => Err(Failure::new(crate::failure::FAILED, error.to_string())),
    }
}

async fn partitions(client: &Client, topic: &Arc<str>) -> Result<Vec<TopicPartition>, Failure> {
    let described = client.admin().describe_topics(vec![topic.as_ref().to_owned()]).await?;
    let described = described.into_iter().next().and_then(|(_, described)| described.ok());
    let partitions = described.map(|topic| topic.partitions).unwrap_or_default();
    Ok(partitions.iter().map(|p| TopicPartition::new(Arc::clone(topic), p.partition)).collect())
}

#[cfg(test)]
mod tests {
    use super::{Accepted, FIRST, Sightings};

    fn accepted(requests: &[u64], ids: &[u64]) -> Accepted {
        let mut accepted = Accepted::default();
        for request in requests {
            accepted.requests.insert(*request);
        }
        for id in ids {
            accepted.ids.entry("i".into()).or_default().insert(*id);
        }
        accepted
    }

    fn see(sightings: &mut Sightings, number: u64, run: &str, id: Option<&str>) {
        let value = format!(r#"{{"id":{},"run":"{run}","text":"x"}}"#, FIRST + number);
        sightings.record(Some(value.as_bytes()), id);
    }

    #[test]
    fn what_was_accepted_must_be_there_by_number_and_by_name() {
        let mut sightings = Sightings::new("r", accepted(&[0, 1, 3], &[10, 11, 12]), 1, true);
        see(&mut sightings, 0, "r", Some("i/10"));
        see(&mut sightings, 0, "r", Some("i/10"));
        see(&mut sightings, 1, "other", Some("j/11"));
        see(&mut sightings, 2, "r", Some("i/99"));
        see(&mut sightings, 3, "r", Some("i/12"));
        assert_eq!(sightings.left, 2);
        sightings.record(None, None);
        sightings.record(Some(b"no JSON"), Some("no name"));
        let verdict = sightings.verdict();
        assert_eq!((verdict.accepted, verdict.missing, verdict.ids_missing), (3, 1, 1));
        assert_eq!((verdict.duplicates, verdict.id_duplicates), (1, 1));
        assert_eq!((verdict.not_accepted, verdict.read), (1, 7));
        assert_eq!(verdict.examples, ["100000000001", "i/11"]);
        assert!(!verdict.is_clean());
    }

    #[test]
    fn a_request_has_all_its_records() {
        let mut sightings = Sightings::new("r", accepted(&[2], &[]), 3, true);
        for number in [6, 8] {
            see(&mut sightings, number, "r", None);
        }
        assert_eq!(sightings.left, 1);
        see(&mut sightings, 7, "r", None);
        assert_eq!(sightings.left, 0);
        let verdict = sightings.verdict();
        assert_eq!((verdict.accepted, verdict.missing, verdict.not_accepted), (3, 0, 0));
        assert!(verdict.is_clean());
    }

    #[test]
    fn without_numbers_names_count_and_without_either_nothing_can_be_said() {
        let mut sightings = Sightings::new("r", accepted(&[0, 1], &[5, 6]), 1, false);
        assert!(!sightings.is_blind());
        sightings.record(Some(b"x"), Some("i/5"));
        let verdict = sightings.verdict();
        assert_eq!((verdict.missing, verdict.ids_missing), (0, 1));
        assert!(Sightings::new("r", accepted(&[0, 1], &[]), 1, false).is_blind());
        assert!(!Sightings::new("r", accepted(&[], &[]), 1, false).is_blind());
    }
}
