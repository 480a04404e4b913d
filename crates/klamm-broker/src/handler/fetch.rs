//! Fetch (1), versions 4-18: records, as soon as there are some.
//!
//! - 7: sessions (KIP-227); 9: leader epochs (KIP-320); 11: the consumer's rack (not used: there are no followers).
//! - 12: the last epoch read, answered with where the logs part (KIP-595); flexible.
//! - 13: topics by id (KIP-516); 16: leaders beside NOT_LEADER_OR_FOLLOWER (KIP-951); 17, 18: replicas only.
//!
//! A fetch waits until its minimum of bytes is there, woken by appends. An answer has no more than the client and
//! `fetch.max.bytes` allow - of records in memory [`MAX_SHARED_BYTES`] - but always a whole batch. Of records in
//! files up to [`LOADED_BYTES`] are read beforehand, partition by partition, and all others while the answer is written.

use super::{Answer, Context, Handle};
use crate::fault::Target;
use crate::fetch::{Begun, TopicKey, Wanted};
use crate::nodes::Node;
use crate::partition::{Isolation, Partition, Read, ReadRefused, ReadRequest};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use klamm_protocol::message::{FetchRequest, FetchResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The most that one answer holds of records in memory, in bytes, unless its first batch alone is larger: retention cannot
/// free them before their reader has taken them.
const MAX_SHARED_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of an answer that are read from files before it is written; what cannot be read of them is an error of its partition, and
/// the connection goes on.
const LOADED_BYTES: usize = 64 * 1024;

/// The longest a fetch waits, whatever it asks for.
const MAX_WAIT: Duration = Duration::from_secs(600);

impl Handle for FetchRequest {
    const SERVED: RangeInclusive<i16> = 4..=18;
    const FAILS_BY_TOPIC: bool = true;
    const HOLDS: bool = true;

    async fn handle(self, cx: Context) -> Answer<FetchResponse> {
        let begun = cx.cluster.fetch_sessions.lock().begin(cx.now_ms(), cx.version, &self);
        let (session_id, incremental, wanted) = match begun {
            Begun::Full { session_id, wanted } => (session_id, false, wanted),
            Begun::Incremental { session_id, wanted } => (session_id, true, wanted),
            Begun::Refused(code) => return Ok(self.refuse(&cx, code)),
        };
        let sources: Vec<Source> =
            wanted.into_iter().map(|wanted| Source::find(&cx, wanted)).collect();
        let limits = Limits::of(&self, &cx, &sources);
        let found = wait_for_records(&cx, &sources, &limits).await;
        let (mut answers, mut room) = (Vec::with_capacity(sources.len()), LOADED_BYTES);
        for (source, found) in sources.iter().zip(found) {
            answers.push((source.wanted.topic.clone(), source.answer(&cx, found, &mut room)));
        }
        cx.cluster.fetch_sessions.lock().answer(session_id, incremental, &mut answers);
        Ok(response(&cx, session_id, answers))
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> FetchResponse {
        if cx.version >= 7 {
            return FetchResponse { error_code: code.0, ..FetchResponse::default() };
        }
        let answers = Wanted::of(self).into_iter();
        let answers = answers.map(|wanted| (wanted.topic.clone(), failed(wanted.partition, code)));
        response(cx, 0, answers.collect())
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let wanted = cx.cluster.fetch_sessions.lock().wanted(self).into_iter();
        let target = |(topic, partition): (TopicKey, i32)| Target {
            topic: cx.topic_name(&topic.name, topic.id),
            partition: Some(partition),
        };
        wanted.map(target).collect()
    }
}

/// How much is read, and how long is waited.
struct Limits {
    min_bytes: usize,
    max_bytes: usize,
    wait: Duration,
    isolation: Isolation,
}

impl Limits {
    fn of(request: &FetchRequest, cx: &Context, sources: &[Source]) -> Self {
        let bytes = |n: i32| usize::try_from(n).unwrap_or_default();
        let mut max_bytes =
            bytes(request.max_bytes).min(bytes(cx.cluster.config().fetch_max_bytes));
        if sources.iter().flat_map(|source| &source.partition).any(|p| p.is_in_memory()) {
            max_bytes = max_bytes.min(MAX_SHARED_BYTES);
        }
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or_default());
        Self {
            // More than an answer can hold would never be there.
            min_bytes: bytes(request.min_bytes).min(max_bytes),
            max_bytes,
            wait: wait.min(MAX_WAIT),
            isolation: Isolation::from_wire(request.isolation_level),
        }
    }
}

/// A partition that is wanted, if it exists.
struct Source {
    wanted: Wanted,
    partition: Result<Arc<Partition>, ErrorCode>,
}

type Found = Result<Read, ReadRefused>;

impl Source {
    fn find(cx: &Context, wanted: Wanted) -> Self {
        let topics = &cx.cluster.topics;
        let (topic, unknown) = if cx.version >= 13 {
            (topics.by_id(wanted.topic.id), ErrorCode::UNKNOWN_TOPIC_ID)
        } else {
            (topics.get(&wanted.topic.name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        };
        let name = topic.as_ref().map_or(&wanted.topic.name, |topic| topic.name());
        if (topic.is_some() || cx.version < 13)
            && let Err(code) = cx.check_topic(Operation::Read, name)
        {
            return Self { wanted, partition: Err(code) };
        }
        let partition = topic.ok_or(unknown).and_then(|topic| {
            topic.partition(wanted.partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        });
        Self { wanted, partition }
    }

    fn read(&self, cx: &Context, isolation: Isolation, budget: usize, at_least_one: bool) -> Found {
        let refused = |code| ReadRefused { code, high_watermark: -1, log_start_offset: -1 };
        let partition = self.partition.as_ref().map_err(|&code| refused(code))?;
        if let Some(code) = cx.fault(partition.topic(), Some(partition.index())) {
            return Err(refused(code));
        }
        let own = usize::try_from(self.wanted.max_bytes).unwrap_or_default();
        let request = ReadRequest {
            offset: self.wanted.offset,
            max_bytes: own.min(budget),
            at_least_one,
            isolation,
            current_epoch: self.wanted.current_leader_epoch,
            last_epoch: self.wanted.last_fetched_epoch,
        };
        partition.read(cx.node_id(), request)
    }

    /// With the records, as far as there is `room` to read them now.
    fn answer(&self, cx: &Context, found: Found, room: &mut usize) -> PartitionData {
        let (read, partition) = match (found, &self.partition) {
            (Ok(read), Ok(partition)) => (read, partition),
            (Err(refused), _) => return self.refused(cx, refused),
            (Ok(_), &Err(code)) => return failed(self.wanted.partition, code),
        };
        let records = match partition.records(read.slices, room) {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "records could not be read");
                return failed(self.wanted.partition, ErrorCode::KAFKA_STORAGE_ERROR);
            }
        };
        let aborted = read.aborted.iter().map(|aborted| AbortedTransaction {
            producer_id: aborted.producer_id,
            first_offset: aborted.first_offset,
        });
        let diverging =
            read.diverging.map(|(epoch, end_offset)| EpochEndOffset { epoch, end_offset });
        PartitionData {
            partition_index: self.wanted.partition,
            high_watermark: read.high_watermark,
            last_stable_offset: read.last_stable_offset,
            log_start_offset: read.log_start_offset,
            aborted_transactions: Some(aborted.collect()),
            diverging_epoch: diverging.unwrap_or_default(),
            records: Some(records),
            ..PartitionData::default()
        }
    }

    fn refused(&self, cx: &Context, refused: ReadRefused) -> PartitionData {
        let mut data = PartitionData {
            high_watermark: refused.high_watermark,
            log_start_offset: refused.log_start_offset,
            ..failed(self.wanted.partition, refused.code)
        };
        let moved = matches!(
            refused.code,
            ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH
        );
        if let Some(partition) = self.partition.as_ref().ok().filter(|_| moved && cx.version >= 12)
        {
            let (leader_id, leader_epoch) = partition.leader();
            data.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch };
        }
        data
    }
}

fn failed(partition: i32, code: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index: partition,
        error_code: code.0,
        high_watermark: -1,
        aborted_transactions: None,
        ..PartitionData::default()
    }
}

/// Reads every source once; again after each append, until there is enough or the time is over.
async fn wait_for_records(cx: &Context, sources: &[Source], limits: &Limits) -> Vec<Found> {
    let found = read_all(cx, sources, limits);
    if limits.wait.is_zero() || is_enough(&found, limits) {
        return found;
    }
    let deadline = Instant::now() + limits.wait;
    let watch = Watch::over(sources);
    loop {
        // Read again after registering: what came in between is not missed.
        watch.renew();
        let found = read_all(cx, sources, limits);
        if is_enough(&found, limits) {
            return found;
        }
        let change = tokio::time::timeout_at(deadline, watch.notify.notified());
        if cx.hold.during(change).await.is_err() {
            return read_all(cx, sources, limits);
        }
    }
}

fn read_all(cx: &Context, sources: &[Source], limits: &Limits) -> Vec<Found> {
    let mut left = limits.max_bytes;
    let mut first = true;
    let read = |source: &Source| {
        let found = source.read(cx, limits.isolation, left, first);
        if let Ok(read) = &found {
            left = left.saturating_sub(read.slices.len());
            first &= read.slices.is_empty();
        }
        found
    };
    sources.iter().map(read).collect()
}

/// Whether an answer should not wait any longer: enough bytes, or something the client must know.
fn is_enough(found: &[Found], limits: &Limits) -> bool {
    let mut bytes = 0;
    for found in found {
        match found {
            Ok(read) if read.diverging.is_none() => bytes += read.slices.len(),
            _ => return true,
        }
    }
    bytes >= limits.min_bytes
}

/// A registration with every partition that is waited for; ends with it.
struct Watch<'a> {
    notify: Arc<Notify>,
    sources: &'a [Source],
}

impl<'a> Watch<'a> {
    fn over(sources: &'a [Source]) -> Self {
        Self { notify: Arc::new(Notify::new()), sources }
    }

    fn renew(&self) {
        self.leave();
        for partition in self.sources.iter().flat_map(|source| &source.partition) {
            partition.watchers().add(&self.notify);
        }
    }

    fn leave(&self) {
        for partition in self.sources.iter().flat_map(|source| &source.partition) {
            partition.watchers().remove(&self.notify);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Puts neighbours of one topic together.
fn response(
    cx: &Context,
    session_id: i32,
    answers: Vec<(TopicKey, PartitionData)>,
) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let leaders: Vec<i32> = answers.iter().map(|(_, data)| data.current_leader.leader_id).collect();
    for (topic, data) in answers {
        match responses.last_mut() {
            Some(last) if last.topic == topic.name && last.topic_id == topic.id => {
                last.partitions.push(data);
            }
            _ => responses.push(FetchableTopicResponse {
                topic: topic.name,
                topic_id: topic.id,
                partitions: vec![data],
            }),
        }
    }
    let endpoint = |node: Node| NodeEndpoint {
        node_id: node.id,
        host: node.host,
        port: node.port,
        rack: node.rack,
    };
    let named = cx.version >= 16 && leaders.iter().any(|&leader| leader >= 0);
    let nodes = if named { cx.nodes_up() } else { Vec::new() };
    let nodes = nodes.into_iter().filter(|node| leaders.contains(&node.id));
    FetchResponse {
        session_id,
        responses,
        node_endpoints: nodes.map(endpoint).collect(),
        ..FetchResponse::default()
    }
}
