//! Offsets of partitions: where logs begin, where they end, where a time is in them.

use super::{Admin, AdminError, TRIES, outcome};
use crate::client::ClientInner;
use crate::config::IsolationLevel;
use crate::consumer::list_offsets::{self, Asked, EARLIEST, Found, LATEST};
use crate::consumer::{OffsetAndTimestamp, TopicPartition};
use crate::error::ErrorKind;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::MetadataResponse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// The first there is.
    Earliest,
    /// The one behind the last that can be read.
    Latest,
    /// That of the first record whose timestamp, in ms since 1970, is not before this.
    Timestamp(i64),
}

impl OffsetSpec {
    fn number(self) -> i64 {
        match self {
            OffsetSpec::Earliest => EARLIEST,
            OffsetSpec::Latest => LATEST,
            OffsetSpec::Timestamp(timestamp) => timestamp.max(0),
        }
    }
}

/// The offset of each partition, `None` where no record is so young.
pub type PartitionOffsets =
    BTreeMap<TopicPartition, Result<Option<OffsetAndTimestamp>, AdminError>>;

impl Admin {
    /// Looks offsets up, with the leader of each partition. With [`IsolationLevel::ReadCommitted`] logs end
    /// at their first open transaction.
    ///
    /// # Errors
    /// Per partition: [`AdminError`], also when it does not exist or has no leader. The outer error is that
    /// of a closed client, or of a cluster that tells nothing of its topics.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn list_offsets(
        &self,
        wanted: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
        isolation: IsolationLevel,
    ) -> Result<PartitionOffsets, AdminError> {
        let wanted: BTreeMap<TopicPartition, i64> =
            wanted.into_iter().map(|(tp, spec)| (tp, spec.number())).collect();
        let read_committed = isolation == IsolationLevel::ReadCommitted;
        self.run(move |client| look_up(client, wanted, read_committed)).await
    }
}

async fn look_up(
    client: Arc<ClientInner>,
    mut left: BTreeMap<TopicPartition, i64>,
    read_committed: bool,
) -> Result<PartitionOffsets, AdminError> {
    let deadline = Instant::now() + client.config.request_timeout;
    let (mut found, mut failures) = (PartitionOffsets::new(), 0);
    while !left.is_empty() {
        let topics: BTreeSet<Arc<str>> = left.keys().map(|tp| Arc::clone(&tp.topic)).collect();
        let metadata = client.fetch_metadata_of_existing(topics).await?;
        let (by_leader, mut answers) = by_leader(&metadata, &left);
        answers.extend(ask_all(&client, by_leader, read_committed).await);
        failures += 1;
        let mut retry = BTreeMap::new();
        for (tp, answer) in answers {
            let Some(timestamp) = left.remove(&tp) else { continue };
            let passing = answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Retriable);
            if passing && failures < TRIES && Instant::now() < deadline {
                retry.insert(tp, timestamp);
            } else {
                found.insert(tp, answer.map(offset));
            }
        }
        left = retry;
        if !left.is_empty() {
            client.metadata.request_refresh();
            tokio::time::sleep(client.backoff(failures)).await;
        }
    }
    Ok(found)
}

fn offset(found: Found) -> Option<OffsetAndTimestamp> {
    let leader_epoch = Some(found.leader_epoch).filter(|epoch| *epoch >= 0);
    let (offset, timestamp) = (found.offset, found.timestamp);
    Some(OffsetAndTimestamp { offset, timestamp, leader_epoch }).filter(|at| at.offset >= 0)
}

type Answers = Vec<(TopicPartition, Result<Found, AdminError>)>;

/// Groups questions by the broker to ask; partitions that have none have their error at once.
fn by_leader(
    metadata: &MetadataResponse,
    wanted: &BTreeMap<TopicPartition, i64>,
) -> (BTreeMap<i32, Vec<Asked>>, Answers) {
    let named = metadata.topics.iter().filter_map(|t| Some((t.name.as_deref()?, t)));
    let topics: BTreeMap<&str, _> = named.collect();
    let (mut grouped, mut errors) = (BTreeMap::<i32, Vec<Asked>>::new(), Answers::new());
    for (tp, timestamp) in wanted {
        let topic = topics.get(&*tp.topic);
        let partition = topic
            .and_then(|topic| topic.partitions.iter().find(|p| p.partition_index == tp.partition));
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let code = match (topic, partition) {
            (_, Some(p)) if p.leader_id >= 0 => {
                let (tp, leader_epoch, timestamp) = (tp.clone(), p.leader_epoch, *timestamp);
                grouped.entry(p.leader_id).or_default().push(Asked { tp, leader_epoch, timestamp });
                continue;
            }
            (_, Some(_)) => ErrorCode::LEADER_NOT_AVAILABLE,
            (Some(topic), None) if topic.error_code != 0 => ErrorCode(topic.error_code),
            (_, None) => unknown,
        };
        errors.extend(outcome(code.0, None).err().map(|error| (tp.clone(), Err(error))));
    }
    (grouped, errors)
}

async fn ask_all(
    client: &Arc<ClientInner>,
    by_leader: BTreeMap<i32, Vec<Asked>>,
    read_committed: bool,
) -> Answers {
    let mut asking = JoinSet::new();
    for (node, asked) in by_leader {
        let client = Arc::clone(client);
        asking.spawn(async move {
            let answers = list_offsets::ask(&client, node, &asked, read_committed).await;
            (asked, answers)
        });
    }
    let mut answers = Answers::new();
    for (asked, answered) in asking.join_all().await {
        match answered {
            Ok(told) => answers.extend(asked.into_iter().zip(told).map(|(asked, told)| {
                let missing = Err(ErrorCode::UNKNOWN_SERVER_ERROR);
                let told = told.unwrap_or(missing);
                (asked.tp, told.map_err(|code| AdminError::Broker { code, message: None }))
            })),
            Err(error) => {
                answers.extend(asked.into_iter().map(|a| (a.tp, Err(error.clone().into()))));
            }
        }
    }
    answers
}
