//! Topics of dead letters.

use super::{Done, Place, Visitor};
use crate::connect::connect;
use crate::failure::{FAILED, Failure};
use bytes::Bytes;
use klamm::admin::GroupOffsetsSpec;
use klamm::{
    Client, ClientConfig, Consumer, ConsumerConfig, OffsetAndMetadata, Start, TopicPartition,
};
use klamm_gateway::dead_letter::Letter;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What was sent is remembered as offsets of this group.
const GROUP: &str = "klamm-dlq";
/// How often it is looked whether the end is reached.
const STEP: Duration = Duration::from_millis(500);
/// How long nothing may come before the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far a partition's letters were sent.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// All before this were sent.
    next: i64,
    /// One was not: what comes behind it moves the mark no more.
    stopped: bool,
}

/// Has the letters of all the visitor's topics visited.
pub(super) async fn visit_all(
    config: ClientConfig,
    visitor: &mut Visitor<'_>,
) -> Result<(), Failure> {
    let client = connect(config).await?;
    for topic in &visitor.which.topics {
        visit(&client, topic, visitor).await?;
    }
    Ok(())
}

async fn visit(client: &Client, topic: &str, visitor: &mut Visitor<'_>) -> Result<(), Failure> {
    let described = client.admin().describe_topics(vec![topic.to_owned()]).await?;
    let mut partitions = 0;
    for (_, described) in described {
        partitions = i32::try_from(described?.partitions.len()).unwrap_or(i32::MAX);
    }
    let all = (0..partitions).map(|partition| TopicPartition::new(topic, partition));
    let all: Vec<TopicPartition> = all.collect();
    let remembered = match visitor.which.all {
        true => BTreeMap::new(),
        false => remembered(client, &all).await?,
    };
    let mut marks = BTreeMap::new();
    let visited = each(client, topic, &all, &remembered, visitor, &mut marks).await;
    let moved = |(at, mark): (TopicPartition, Mark)| {
        let new = remembered.get(&at).is_none_or(|before| *before < mark.next);
        (new && mark.next > 0).then(|| (at, OffsetAndMetadata::new(mark.next)))
    };
    let moved: BTreeMap<_, _> = marks.into_iter().filter_map(moved).collect();
    if !moved.is_empty() {
        for (at, altered) in client.admin().alter_group_offsets(GROUP, moved).await? {
            altered.map_err(|error| {
                Failure::from(error).while_doing(format!("group {GROUP}, {at}"))
            })?;
        }
    }
    visited
}

async fn remembered(
    client: &Client,
    all: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let spec = GroupOffsetsSpec::of(GROUP, all.iter().cloned());
    let mut remembered = BTreeMap::new();
    for (_, offsets) in client.admin().list_group_offsets(vec![spec]).await? {
        remembered.extend(offsets?.into_iter().map(|(at, committed)| (at, committed.offset)));
    }
    Ok(remembered)
}

/// From what is remembered to what is the end now.
async fn each(
    client: &Client,
    topic: &str,
    all: &[TopicPartition],
    remembered: &BTreeMap<TopicPartition, i64>,
    visitor: &mut Visitor<'_>,
    marks: &mut BTreeMap<TopicPartition, Mark>,
) -> Result<(), Failure> {
    let consumer = client.consumer(ConsumerConfig::default())?;
    let start =
        |at: &TopicPartition| remembered.get(at).map_or(Start::Earliest, |o| Start::Offset(*o));
    consumer.assign(all.iter().map(|at| (topic, at.partition, start(at))));
    let ends = consumer.end_offsets(all.to_vec()).await?;
    let behind = |consumer: &Consumer| {
        ends.iter().any(|(at, end)| {
            let from = remembered.get(at).copied().unwrap_or(0);
            consumer.position(at).unwrap_or(from) < *end
        })
    };
    let mut last = Instant::now();
    while behind(&consumer) {
        let Ok(polled) = tokio::time::timeout(STEP, consumer.poll()).await else {
            if last.elapsed() > PATIENCE {
                return Err(Failure::new(
                    FAILED,
                    format!("topic {topic} cannot be read to its end"),
                ));
            }
            continue;
        };
        last = Instant::now();
        let polled =
            polled.map_err(|error| Failure::new(FAILED, format!("topic {topic}: {error}")))?;
        let Some(batch) = polled else { break };
        for record in &batch {
            let at = TopicPartition::new(topic, record.partition());
            if ends.get(&at).is_some_and(|end| record.offset() >= *end) {
                continue;
            }
            let place = Place::Topic(topic, record.partition(), record.offset());
            let mark = marks.entry(at).or_insert(Mark { next: 0, stopped: false });
            // Whatever becomes of it, until it is sent it is not.
            let stopped = std::mem::replace(&mut mark.stopped, true);
            let bytes = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
            let headers = record.headers().map(|(name, value)| (name.to_owned(), bytes(value)));
            let headers: Vec<_> = headers.collect();
            let (key, value) = (bytes(record.key()), bytes(record.value()));
            let letter = match Letter::from_record(&headers, key, value, record.timestamp()) {
                Ok(letter) => letter,
                Err(error) => {
                    eprintln!("{place}: {error}");
                    visitor.left += 1;
                    continue;
                }
            };
            match visitor.visit(place, &letter).await? {
                Done::Sent if !stopped => {
                    *mark = Mark { next: record.offset() + 1, stopped: false }
                }
                Done::Sent | Done::Left => {}
                Done::Enough => return Ok(()),
            }
        }
    }
    consumer.close().await;
    Ok(())
}
