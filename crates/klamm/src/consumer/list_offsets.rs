//! Looking up offsets with the leaders of partitions (ListOffsets).

use super::TopicPartition;
use super::error::OffsetsError;
use crate::client::{ClientInner, ConnectionClass};
use crate::connection::RequestError;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::message::{ListOffsetsRequest, ListOffsetsResponse};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Stands for the first offset there is.
pub(crate) const EARLIEST: i64 = -2;
/// Stands for the end that can be read.
pub(crate) const LATEST: i64 = -1;
/// From version 2 on the isolation level is heeded.
const VERSIONS: RangeInclusive<i16> = 1..=11;
const VERSIONS_BY_ISOLATION: RangeInclusive<i16> = 2..=11;

/// A record's offset, found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, in ms since 1970.
    pub timestamp: i64,
    /// Epoch of the leader that appended it, if the broker told.
    pub leader_epoch: Option<i32>,
}

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) tp: TopicPartition,
    pub(crate) leader_epoch: i32,
    /// In ms since 1970, or one of the constants.
    pub(crate) timestamp: i64,
}

/// What a leader found; an offset of -1 if nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) leader_epoch: i32,
}

/// Asks one broker; the answers are in the order of the questions, `None` where there is none. Runs on
/// the I/O thread.
pub(crate) async fn ask(
    client: &ClientInner,
    node: i32,
    asked: &[Asked],
    read_committed: bool,
) -> Result<Vec<Option<Result<Found, ErrorCode>>>, RequestError> {
    let connection = client.connection(node, ConnectionClass::Control).await?;
    let timeout = client.config.request_timeout;
    let request = ListOffsetsRequest {
        replica_id: -1,
        isolation_level: i8::from(read_committed),
        topics: topics(asked),
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
    };
    let versions = if read_committed { VERSIONS_BY_ISOLATION } else { VERSIONS };
    let answer = connection.request(&request, versions, timeout).await?;
    connection.throttle(answer.throttle_time_ms);
    let found = answers(&answer);
    let of = |asked: &Asked| found.get(&(&*asked.tp.topic, asked.tp.partition)).copied();
    Ok(asked.iter().map(of).collect())
}

fn topics(asked: &[Asked]) -> Vec<ListOffsetsTopic> {
    let mut by_topic: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for Asked { tp, leader_epoch, timestamp } in asked {
        by_topic.entry(&tp.topic).or_default().push(ListOffsetsPartition {
            partition_index: tp.partition,
            current_leader_epoch: *leader_epoch,
            timestamp: *timestamp,
        });
    }
    let topic = |(name, partitions): (&str, _)| ListOffsetsTopic { name: name.into(), partitions };
    by_topic.into_iter().map(topic).collect()
}

fn answers(answer: &ListOffsetsResponse) -> BTreeMap<(&str, i32), Result<Found, ErrorCode>> {
    let mut found = BTreeMap::new();
    for topic in &answer.topics {
        for p in &topic.partitions {
            let of = ErrorCode(p.error_code).check().map(|()| Found {
                offset: p.offset,
                timestamp: p.timestamp,
                leader_epoch: p.leader_epoch,
            });
            found.insert((topic.name.as_str(), p.partition_index), of);
        }
    }
    found
}

/// Asks the leaders of all, again and elsewhere where that may help, for as long as a request may take.
/// Runs on the I/O thread.
pub(super) async fn look_up(
    client: Arc<ClientInner>,
    wanted: BTreeMap<TopicPartition, i64>,
    read_committed: bool,
) -> Result<BTreeMap<TopicPartition, Found>, OffsetsError> {
    let deadline = Instant::now() + client.config.request_timeout;
    let (mut left, mut found, mut failures) = (wanted, BTreeMap::new(), 0);
    loop {
        let mut last = None;
        for (node, asked) in by_leader(&client, &left, deadline).await? {
            if let Err(error) =
                ask_for(&client, node, &asked, read_committed, &mut left, &mut found).await
            {
                last = Some(error);
            }
        }
        let Some(first) = left.keys().next() else { return Ok(found) };
        failures += 1;
        let pause = client.backoff(failures);
        if Instant::now() + pause >= deadline {
            let reason = "it has no leader that answers".into();
            let none = OffsetsError::Request { partition: first.clone(), reason };
            return Err(last.unwrap_or(none));
        }
        client.metadata.request_refresh();
        tokio::time::sleep(pause).await;
    }
}

/// Asks one leader and moves what it answers from `left` to `found`.
///
/// # Errors
/// An error that may pass; what will not pass ends the whole with the outer error.
async fn ask_for(
    client: &ClientInner,
    node: i32,
    asked: &[Asked],
    read_committed: bool,
    left: &mut BTreeMap<TopicPartition, i64>,
    found: &mut BTreeMap<TopicPartition, Found>,
) -> Result<(), OffsetsError> {
    let Some(first) = asked.first() else { return Ok(()) };
    let answers = match ask(client, node, asked, read_committed).await {
        Ok(answers) => answers,
        Err(error) => {
            let (partition, reason) = (first.tp.clone(), error.to_string().into());
            return Err(OffsetsError::Request { partition, reason });
        }
    };
    let mut last = Ok(());
    for (asked, answer) in asked.iter().zip(answers) {
        match answer {
            // A broker that has nothing to say of an end says so by a negative offset.
            Some(Ok(of)) if asked.timestamp < 0 && of.offset < 0 => {
                let code = ErrorCode::OFFSET_NOT_AVAILABLE;
                last = Err(OffsetsError::Broker { partition: asked.tp.clone(), code });
            }
            Some(Ok(of)) => {
                left.remove(&asked.tp);
                found.insert(asked.tp.clone(), of);
            }
            Some(Err(code)) => {
                last = Err(OffsetsError::Broker { partition: asked.tp.clone(), code });
            }
            None => {}
        }
    }
    last
}

/// Groups questions by the broker to ask; partitions without a leader are left out.
async fn by_leader(
    client: &ClientInner,
    wanted: &BTreeMap<TopicPartition, i64>,
    deadline: Instant,
) -> Result<BTreeMap<i32, Vec<Asked>>, OffsetsError> {
    let mut grouped: BTreeMap<i32, Vec<Asked>> = BTreeMap::new();
    for (tp, timestamp) in wanted {
        let wait = deadline.saturating_duration_since(Instant::now()).max(WAIT_MIN);
        let topic = client.metadata.topic(&tp.topic, wait).await?;
        let at = usize::try_from(tp.partition).unwrap_or(usize::MAX);
        let Some(info) = topic.partitions.get(at) else {
            let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            return Err(OffsetsError::Broker { partition: tp.clone(), code });
        };
        if let Some(node) = client.metadata.cluster().leader(&tp.topic, tp.partition) {
            let (tp, leader_epoch, timestamp) = (tp.clone(), info.leader_epoch, *timestamp);
            grouped.entry(node).or_default().push(Asked { tp, leader_epoch, timestamp });
        }
    }
    Ok(grouped)
}

/// A topic that is known needs no time.
const WAIT_MIN: Duration = Duration::from_millis(1);
