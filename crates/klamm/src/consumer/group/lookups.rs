//! Pure: committed offsets that are asked for (OffsetFetch).
//!
//! One request is in flight at a time. Whatever is not answered for good is asked for again: a broker
//! that leaves a partition out of its answer, an open transaction that may still commit an offset.

use super::commits::OffsetAndMetadata;
use super::machine::{Backoff, GroupConfig};
use crate::consumer::topic_partition::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// From this version on one request may ask for several groups.
const BY_GROUPS: i16 = 8;
/// From this version on the broker can wait for open transactions.
const STABLE: i16 = 7;

/// Who asks, and for what is not answered yet.
#[derive(Debug)]
struct Ask {
    left: BTreeSet<TopicPartition>,
    deadline: Option<Instant>,
}

/// What was found for one partition of one ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LookupAnswer {
    /// What [`OffsetLookups::ask`] returned.
    pub(crate) ask: u64,
    pub(crate) partition: TopicPartition,
    /// `None` where nothing is committed.
    pub(crate) found: Result<Option<OffsetAndMetadata>, ErrorCode>,
}

/// The committed offsets that one consumer asks for.
#[derive(Debug, Default)]
pub(crate) struct OffsetLookups {
    next_id: u64,
    asks: BTreeMap<u64, Ask>,
    in_flight: Option<u64>,
    backoff: Backoff,
    answers: VecDeque<LookupAnswer>,
}

impl OffsetLookups {
    /// Asks for the offsets of partitions, until `deadline` or until [`OffsetLookups::forget`].
    pub(crate) fn ask(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        deadline: Option<Instant>,
    ) -> u64 {
        self.next_id += 1;
        let left: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        if !left.is_empty() {
            self.asks.insert(self.next_id, Ask { left, deadline });
        }
        self.next_id
    }

    /// Nobody wants these of an ask any more.
    pub(crate) fn forget(&mut self, ask: u64, partitions: &[TopicPartition]) {
        if let Some(asking) = self.asks.get_mut(&ask) {
            asking.left.retain(|partition| !partitions.contains(partition));
            if asking.left.is_empty() {
                self.asks.remove(&ask);
            }
        }
    }

    /// Whether something is not answered yet.
    pub(crate) fn is_asking(&self) -> bool {
        !self.asks.is_empty()
    }

    /// The next request, for all that is asked for.
    pub(crate) fn poll_request(
        &mut self,
        now: Instant,
        config: &GroupConfig,
    ) -> Option<(u64, OffsetFetchRequest)> {
        if self.in_flight.is_some() || self.asks.is_empty() || !self.backoff.is_over(now) {
            return None;
        }
        let wanted: BTreeSet<&TopicPartition> =
            self.asks.values().flat_map(|ask| &ask.left).collect();
        let request = request(&config.group_id, &wanted);
        self.next_id += 1;
        self.in_flight = Some(self.next_id);
        Some((self.next_id, request))
    }

    /// Hands in what came back for the request with this id, `None` when nothing did. Returns whether the
    /// coordinator has to be found again.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        config: &GroupConfig,
        id: u64,
        response: Option<&OffsetFetchResponse>,
    ) -> bool {
        if self.in_flight.take_if(|in_flight| *in_flight == id).is_none() {
            return false;
        }
        let told = response.map(told).unwrap_or_default();
        let (mut lost, mut again) = (response.is_none(), false);
        for (ask, asking) in &mut self.asks {
            asking.left.retain(|partition| {
                let of_partition = told.partitions.get(partition).cloned();
                let found = match (told.whole.check(), of_partition) {
                    (Err(code), _) => Err(code),
                    (Ok(()), Some(found)) => found,
                    (Ok(()), None) => Err(ErrorCode::NETWORK_EXCEPTION),
                };
                if let Err(code) = &found
                    && is_passing(*code)
                {
                    lost |= is_about_coordinator(*code);
                    again = true;
                    return true;
                }
                let partition = partition.clone();
                self.answers.push_back(LookupAnswer { ask: *ask, partition, found });
                false
            });
        }
        self.asks.retain(|_, asking| !asking.left.is_empty());
        match again {
            true => self.backoff.failed(now, config),
            false => self.backoff.succeeded(),
        }
        lost
    }

    /// No coordinator will tell: what is asked for ends with this.
    pub(crate) fn refuse_all(&mut self, code: ErrorCode) {
        for (ask, asking) in std::mem::take(&mut self.asks) {
            let answer = |partition| LookupAnswer { ask, partition, found: Err(code) };
            self.answers.extend(asking.left.into_iter().map(answer));
        }
    }

    /// What was found next.
    pub(crate) fn poll_answer(&mut self) -> Option<LookupAnswer> {
        self.answers.pop_front()
    }

    /// When `handle_timeout` or `poll_request` has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let waits = self.in_flight.is_none() && !self.asks.is_empty();
        let retry = self.backoff.until().filter(|_| waits);
        self.asks.values().filter_map(|ask| ask.deadline).chain(retry).min()
    }

    /// Ends what has waited long enough.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let late = |ask: &Ask| ask.deadline.is_some_and(|deadline| now >= deadline);
        for (ask, asking) in self.asks.iter().filter(|(_, asking)| late(asking)) {
            for partition in &asking.left {
                let (partition, found) = (partition.clone(), Err(ErrorCode::REQUEST_TIMED_OUT));
                self.answers.push_back(LookupAnswer { ask: *ask, partition, found });
            }
        }
        self.asks.retain(|_, asking| !late(asking));
    }
}

/// Leaves only the fields that `version` of the API has.
pub(crate) fn fit(request: &mut OffsetFetchRequest, version: i16) {
    request.require_stable &= version >= STABLE;
    if version >= BY_GROUPS {
        request.group_id = Str::default();
        request.topics = Some(Vec::new());
    } else {
        request.groups.clear();
    }
}

/// Whether the same question may be answered otherwise later.
fn is_passing(code: ErrorCode) -> bool {
    code.is_retriable() || code == ErrorCode::UNSTABLE_OFFSET_COMMIT
}

fn is_about_coordinator(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

/// Says it in both ways that versions have.
fn request(group: &Arc<str>, wanted: &BTreeSet<&TopicPartition>) -> OffsetFetchRequest {
    let mut by_topic: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
    for partition in wanted {
        by_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    let old = by_topic.iter().map(|(name, indexes)| OffsetFetchRequestTopic {
        name: Str::from(&***name),
        partition_indexes: indexes.clone(),
    });
    let new = by_topic.iter().map(|(name, indexes)| OffsetFetchRequestTopics {
        name: Str::from(&***name),
        partition_indexes: indexes.clone(),
        ..OffsetFetchRequestTopics::default()
    });
    let of_group = OffsetFetchRequestGroup {
        group_id: Str::from(&**group),
        topics: Some(new.collect()),
        ..OffsetFetchRequestGroup::default()
    };
    OffsetFetchRequest {
        group_id: Str::from(&**group),
        topics: Some(old.collect()),
        groups: vec![of_group],
        require_stable: true,
    }
}

/// An answer of any version.
#[derive(Debug, Default)]
struct Told {
    /// About all.
    whole: ErrorCode,
    partitions: BTreeMap<TopicPartition, Result<Option<OffsetAndMetadata>, ErrorCode>>,
}

fn told(response: &OffsetFetchResponse) -> Told {
    let mut told = Told { whole: ErrorCode(response.error_code), ..Told::default() };
    for topic in &response.topics {
        for p in &topic.partitions {
            let found = found(p.error_code, p.committed_offset, p.committed_leader_epoch);
            let named = TopicPartition::new(topic.name.as_str(), p.partition_index);
            told.partitions.insert(named, with_metadata(found, p.metadata.as_ref()));
        }
    }
    for group in &response.groups {
        told.whole = ErrorCode(group.error_code);
        for topic in &group.topics {
            for p in &topic.partitions {
                let found = found(p.error_code, p.committed_offset, p.committed_leader_epoch);
                let named = TopicPartition::new(topic.name.as_str(), p.partition_index);
                told.partitions.insert(named, with_metadata(found, p.metadata.as_ref()));
            }
        }
    }
    told
}

fn found(code: i16, offset: i64, epoch: i32) -> Result<Option<OffsetAndMetadata>, ErrorCode> {
    ErrorCode(code).check()?;
    // A negative offset says that there is none.
    let leader_epoch = Some(epoch).filter(|epoch| *epoch >= 0);
    let committed = OffsetAndMetadata { offset, leader_epoch, metadata: String::new() };
    Ok(Some(committed).filter(|committed| committed.offset >= 0))
}

fn with_metadata(
    found: Result<Option<OffsetAndMetadata>, ErrorCode>,
    metadata: Option<&Str>,
) -> Result<Option<OffsetAndMetadata>, ErrorCode> {
    let metadata = metadata.map(|text| text.to_string()).unwrap_or_default();
    Ok(found?.map(|committed| OffsetAndMetadata { metadata, ..committed }))
}

#[cfg(test)]
mod tests {
    use super::super::tests_setup::config;
    use super::*;
    use klamm_protocol::message::offset_fetch_response::*;
    use klamm_protocol::primitives::{Encoder, Message};

    fn p(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn answer(whole: ErrorCode, partitions: &[(i32, i64, ErrorCode)]) -> OffsetFetchResponse {
        let of = |&(partition_index, committed_offset, code): &(i32, i64, ErrorCode)| {
            OffsetFetchResponsePartitions {
                partition_index,
                committed_offset,
                committed_leader_epoch: 4,
                metadata: Some(Str::from("note")),
                error_code: code.0,
            }
        };
        let topic = OffsetFetchResponseTopics {
            name: Str::from("t"),
            partitions: partitions.iter().map(of).collect(),
            ..OffsetFetchResponseTopics::default()
        };
        let group = OffsetFetchResponseGroup {
            topics: vec![topic],
            error_code: whole.0,
            ..OffsetFetchResponseGroup::default()
        };
        OffsetFetchResponse { groups: vec![group], ..OffsetFetchResponse::default() }
    }

    fn drain(lookups: &mut OffsetLookups) -> Vec<(u64, i32, Result<Option<i64>, ErrorCode>)> {
        let next = std::iter::from_fn(|| lookups.poll_answer());
        next.map(|a| (a.ask, a.partition.partition, a.found.map(|f| f.map(|f| f.offset)))).collect()
    }

    #[test]
    fn every_version_can_be_written() {
        let (config, mut lookups) = (config(), OffsetLookups::default());
        lookups.ask([p(0), TopicPartition::new("u", 3)], None);
        let (_, request) = lookups.poll_request(Instant::now(), &config).unwrap();
        for version in 1..=9 {
            let mut fitted = request.clone();
            fit(&mut fitted, version);
            assert!(fitted.encode(&mut Encoder::new(), version).is_ok(), "version {version}");
        }
    }

    #[test]
    fn each_partition_is_answered_or_asked_for_again() {
        let (config, now) = (config(), Instant::now());
        let mut lookups = OffsetLookups::default();
        let first = lookups.ask([p(0), p(1), p(2), p(3)], None);
        let (id, _) = lookups.poll_request(now, &config).unwrap();
        let second = lookups.ask([p(0)], None);
        assert!(lookups.poll_request(now, &config).is_none(), "one at a time");
        let unstable = ErrorCode::UNSTABLE_OFFSET_COMMIT;
        let denied = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        let told = [
            (0, 7, ErrorCode::NONE),
            (1, -1, unstable),
            (2, -1, denied),
            // The broker leaves out partition 3.
        ];
        let told = answer(ErrorCode::NONE, &told);
        assert!(!lookups.handle_response(now, &config, id, Some(&told)));
        let ok = |offset| Ok(Some(offset));
        let expected = [(first, 0, ok(7)), (first, 2, Err(denied)), (second, 0, ok(7))];
        assert_eq!(drain(&mut lookups), expected);
        assert!(lookups.poll_request(now, &config).is_none(), "it waits a while");
        let later = lookups.poll_timeout().unwrap();
        let (id, request) = lookups.poll_request(later, &config).unwrap();
        assert_eq!(request.topics.unwrap()[0].partition_indexes, [1, 3]);
        let told = answer(ErrorCode::NONE, &[(1, -1, ErrorCode::NONE), (3, 9, ErrorCode::NONE)]);
        lookups.handle_response(later, &config, id, Some(&told));
        assert_eq!(drain(&mut lookups), [(first, 1, Ok(None)), (first, 3, ok(9))]);
        assert!(!lookups.is_asking());
    }

    #[test]
    fn retriable_offset_errors_are_asked_again_until_the_assignment_changes() {
        let (config, mut now) = (config(), Instant::now());
        let passing = [
            ErrorCode::UNSTABLE_OFFSET_COMMIT,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::NOT_COORDINATOR,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ];
        let mut lookups = OffsetLookups::default();
        let ask = lookups.ask([p(0)], None);
        for round in 0..20 {
            let (id, _) = lookups.poll_request(now, &config).unwrap();
            let code = passing[round % passing.len()];
            let lost = lookups.handle_response(now, &config, id, Some(&answer(code, &[])));
            let elsewhere = [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_NOT_AVAILABLE];
            assert_eq!(lost, elsewhere.contains(&code), "{code}");
            now = lookups.poll_timeout().unwrap();
        }
        let (id, _) = lookups.poll_request(now, &config).unwrap();
        assert!(lookups.handle_response(now, &config, id, None), "no answer at all");
        assert!(drain(&mut lookups).is_empty());
        lookups.forget(ask, &[p(0)]);
        assert!(!lookups.is_asking() && lookups.poll_timeout().is_none());
    }

    #[test]
    fn a_deadline_ends_an_ask_and_an_answer_after_it_is_ignored() {
        let (config, now) = (config(), Instant::now());
        let mut lookups = OffsetLookups::default();
        let deadline = now + std::time::Duration::from_secs(1);
        let ask = lookups.ask([p(0)], Some(deadline));
        let (id, _) = lookups.poll_request(now, &config).unwrap();
        assert_eq!(lookups.poll_timeout(), Some(deadline));
        lookups.handle_timeout(deadline);
        assert_eq!(drain(&mut lookups), [(ask, 0, Err(ErrorCode::REQUEST_TIMED_OUT))]);
        let told = answer(ErrorCode::NONE, &[(0, 3, ErrorCode::NONE)]);
        lookups.handle_response(deadline, &config, id, Some(&told));
        assert!(drain(&mut lookups).is_empty());
    }
}
