//! What groups have committed (OffsetFetch).

use super::coordinated::{Answered, Question, ask_coordinators};
use crate::admin::{Admin, AdminError, Named, outcome};
use crate::connection::{Connection, RequestError};
use crate::consumer::{OffsetAndMetadata, TopicPartition};
use klamm_protocol::message::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use klamm_protocol::message::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponseTopic,
};
use klamm_protocol::message::{OffsetFetchRequest, OffsetFetchResponse};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Of which group, and of which of its partitions, offsets are wanted.
#[derive(Debug, Clone)]
pub struct GroupOffsetsSpec {
    group_id: Arc<str>,
    partitions: Option<Vec<TopicPartition>>,
}

impl GroupOffsetsSpec {
    /// All that the group has committed (brokers from Kafka 0.10.2 on).
    pub fn all(group_id: impl Into<Arc<str>>) -> Self {
        Self { group_id: group_id.into(), partitions: None }
    }

    /// What the group has committed of these partitions.
    pub fn of(
        group_id: impl Into<Arc<str>>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Self {
        Self { group_id: group_id.into(), partitions: Some(partitions.into_iter().collect()) }
    }
}

/// What a group has committed, by partition.
type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

impl Admin {
    /// Reads what groups have committed; partitions without a commit are not in the result. A group that
    /// does not exist has committed nothing.
    ///
    /// # Errors
    /// Per group: [`AdminError`]. The outer error is that of a closed client.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn list_group_offsets(
        &self,
        wanted: Vec<GroupOffsetsSpec>,
    ) -> Result<Vec<Named<Offsets>>, AdminError> {
        self.run(|client| async move {
            let wanted: BTreeMap<_, _> =
                wanted.into_iter().map(|spec| (spec.group_id, spec.partitions)).collect();
            let groups: Vec<Arc<str>> = wanted.keys().cloned().collect();
            let answers = ask_coordinators(client, Committed { wanted }, groups).await;
            let offsets = answers
                .into_iter()
                .map(|(group, answer)| (group.to_string(), answer.map(|(_, offsets)| offsets)));
            Ok(offsets.collect())
        })
        .await
    }
}

struct Committed {
    /// `None` for all partitions.
    wanted: BTreeMap<Arc<str>, Option<Vec<TopicPartition>>>,
}

/// From here on one request asks for several groups (KIP-709).
const BATCHED: i16 = 8;
/// Version 10 names topics by ids, which tell nothing of topics that are gone.
const NEWEST: i16 = 9;

impl Question for Committed {
    type Answer = Offsets;

    async fn ask(
        &self,
        to: &Connection,
        groups: &[Arc<str>],
        timeout: Duration,
    ) -> Result<Vec<Answered<Offsets>>, RequestError> {
        let version = to.version::<OffsetFetchRequest>(1..=NEWEST)?;
        if version >= BATCHED {
            let groups = groups.iter().map(|group| self.group(group)).collect();
            let request = OffsetFetchRequest { groups, ..OffsetFetchRequest::default() };
            let answer = ask(to, version, &request, timeout).await?;
            let of = |group: &OffsetFetchResponseGroup| {
                (Arc::from(group.group_id.as_str()), offsets_of_group(group))
            };
            return Ok(answer.groups.iter().map(of).collect());
        }
        let mut answers = Vec::new();
        for group in groups {
            let topics = self.topics(group);
            // Version 1 cannot ask for all.
            let lowest = if topics.is_some() { 1 } else { 2 };
            let version = to.version::<OffsetFetchRequest>(lowest..=version)?;
            let group_id = Str::from(&**group);
            let request = OffsetFetchRequest { group_id, topics, ..OffsetFetchRequest::default() };
            let answer = ask(to, version, &request, timeout).await?;
            let offsets = outcome(answer.error_code, None).and_then(|()| offsets(&answer.topics));
            answers.push((Arc::clone(group), offsets));
        }
        Ok(answers)
    }
}

async fn ask(
    to: &Connection,
    version: i16,
    request: &OffsetFetchRequest,
    timeout: Duration,
) -> Result<OffsetFetchResponse, RequestError> {
    let answer = to.request(request, version..=version, timeout).await?;
    to.throttle(answer.throttle_time_ms);
    Ok(answer)
}

impl Committed {
    fn by_topic(&self, group: &str) -> Option<BTreeMap<&str, Vec<i32>>> {
        let wanted = self.wanted.get(group)?.as_ref()?;
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for tp in wanted {
            topics.entry(&tp.topic).or_default().push(tp.partition);
        }
        Some(topics)
    }

    /// As versions before 8 ask.
    fn topics(&self, group: &str) -> Option<Vec<OffsetFetchRequestTopic>> {
        let topic = |(name, partition_indexes): (&str, _)| OffsetFetchRequestTopic {
            name: name.into(),
            partition_indexes,
        };
        self.by_topic(group).map(|topics| topics.into_iter().map(topic).collect())
    }

    fn group(&self, group: &str) -> OffsetFetchRequestGroup {
        let topic = |(name, partition_indexes): (&str, _)| OffsetFetchRequestTopics {
            name: name.into(),
            partition_indexes,
            ..OffsetFetchRequestTopics::default()
        };
        OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: self.by_topic(group).map(|topics| topics.into_iter().map(topic).collect()),
            ..OffsetFetchRequestGroup::default()
        }
    }
}

/// One partition of an answer of any version: number, offset, epoch, note, error.
type Told<'a> = (i32, i64, i32, Option<&'a Str>, i16);

fn offsets(topics: &[OffsetFetchResponseTopic]) -> Result<Offsets, AdminError> {
    let mut offsets = Offsets::new();
    for topic in topics {
        let told = topic.partitions.iter().map(|p| {
            let epoch = p.committed_leader_epoch;
            (p.partition_index, p.committed_offset, epoch, p.metadata.as_ref(), p.error_code)
        });
        take(&mut offsets, &topic.name, told)?;
    }
    Ok(offsets)
}

fn offsets_of_group(group: &OffsetFetchResponseGroup) -> Result<Offsets, AdminError> {
    outcome(group.error_code, None)?;
    let mut offsets = Offsets::new();
    for topic in &group.topics {
        let told = topic.partitions.iter().map(|p| {
            let epoch = p.committed_leader_epoch;
            (p.partition_index, p.committed_offset, epoch, p.metadata.as_ref(), p.error_code)
        });
        take(&mut offsets, &topic.name, told)?;
    }
    Ok(offsets)
}

/// Takes over what was told of a topic. An error of a partition is one of the whole: what is missing would
/// look as if it had never been committed.
fn take<'a>(
    offsets: &mut Offsets,
    topic: &str,
    told: impl Iterator<Item = Told<'a>>,
) -> Result<(), AdminError> {
    let topic: Arc<str> = topic.into();
    for (partition, offset, epoch, note, error) in told {
        outcome(error, None)?;
        if offset >= 0 {
            let committed = OffsetAndMetadata {
                offset,
                leader_epoch: Some(epoch).filter(|epoch| *epoch >= 0),
                metadata: note.map(|note| note.as_str().into()).unwrap_or_default(),
            };
            offsets.insert(TopicPartition { topic: Arc::clone(&topic), partition }, committed);
        }
    }
    Ok(())
}
