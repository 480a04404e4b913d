//! Giving out records of the partitions of a session, as soon as there are some.

use super::acks::find;
use crate::cluster::ShareSettings;
use crate::handler::Context;
use crate::partition::{Isolation, Partition, Read, ReadRequest};
use crate::share::{Acquire, Acquired, PartitionKey, SharePartition, Span};
use crate::shares::{Share, ShareKey};
use bytes::{Bytes, BytesMut};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;
use klamm_protocol::record_batch::{BATCH_HEADER_LEN, BatchHeader};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What is read of a partition at a time, unless its first batch alone is larger: few records go out at once.
const READ_BYTES: usize = 1024 * 1024;

/// How often a partition is read again because others took what was read, or all of it was aborted.
const MAX_READS: usize = 64;

/// The longest a fetch waits, whatever it asks for.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// What a fetch asks for.
#[derive(Debug)]
pub(in crate::handler) struct Plan<'a> {
    pub(in crate::handler) group: &'a Str,
    pub(in crate::handler) member: &'a Str,
    pub(in crate::handler) settings: ShareSettings,
    pub(in crate::handler) max_records: i64,
    pub(in crate::handler) strict: bool,
    pub(in crate::handler) max_bytes: usize,
    pub(in crate::handler) wait: Duration,
    /// The partition that comes first changes from fetch to fetch.
    pub(in crate::handler) turn: usize,
}

/// What a fetch got of one partition.
#[derive(Debug, Default)]
pub(in crate::handler) struct Found {
    pub(in crate::handler) records: Option<Bytes>,
    pub(in crate::handler) acquired: Vec<Acquired>,
}

/// A partition of the session, if it can be read here.
struct Source {
    key: PartitionKey,
    found: Result<(Arc<Partition>, Arc<Share>), ErrorCode>,
}

type Results = Vec<(PartitionKey, Result<Found, ErrorCode>)>;

/// Gives the member records of these partitions; waits for some while there are none.
pub(in crate::handler) async fn fetch(
    cx: &Context,
    plan: &Plan<'_>,
    partitions: &[PartitionKey],
) -> Results {
    let source = |&key: &PartitionKey| Source { key, found: source(cx, plan, key) };
    let mut sources: Vec<Source> = partitions.iter().map(source).collect();
    let turn = plan.turn.checked_rem(sources.len()).unwrap_or(0);
    sources.rotate_left(turn);
    let results = take_all(cx, plan, &sources);
    if plan.wait.is_zero() || is_enough(&results) {
        return results;
    }
    let deadline = Instant::now() + plan.wait.min(MAX_WAIT);
    let watch = Watch { notify: Arc::new(Notify::new()), sources: &sources };
    loop {
        // Looked at again after registering: what came in between is not missed.
        watch.renew();
        let results = take_all(cx, plan, &sources);
        if is_enough(&results) {
            return results;
        }
        if tokio::time::timeout_at(deadline, watch.notify.notified()).await.is_err() {
            return take_all(cx, plan, &sources);
        }
    }
}

fn source(
    cx: &Context,
    plan: &Plan<'_>,
    key: PartitionKey,
) -> Result<(Arc<Partition>, Arc<Share>), ErrorCode> {
    let partition = find(cx, key)?;
    let share = cx.cluster.share(&ShareKey::new(plan.group, key), &partition, &plan.settings)?;
    Ok((partition, share))
}

/// Whether an answer should not wait any longer: records, or something the client must know.
fn is_enough(results: &Results) -> bool {
    results.iter().any(|(_, found)| found.as_ref().map_or(true, |found| !found.acquired.is_empty()))
}

fn take_all(cx: &Context, plan: &Plan<'_>, sources: &[Source]) -> Results {
    let (mut records, mut bytes) = (plan.max_records, plan.max_bytes);
    let mut draw = |source: &Source| {
        let (partition, share) = source.found.as_ref().map_err(|&code| code)?;
        // What was found before may be gone, or led by another node.
        find(cx, source.key)?;
        if records <= 0 || bytes == 0 {
            return Ok(Found::default());
        }
        let found = take(cx, plan, partition, share, records, bytes)?;
        records -= found.acquired.iter().map(|run| run.last - run.first + 1).sum::<i64>();
        bytes = bytes.saturating_sub(found.records.as_ref().map_or(0, Bytes::len));
        Ok(found)
    };
    sources.iter().map(|source| (source.key, draw(source))).collect()
}

/// Reads the first records that nobody has, and gives them to the member.
fn take(
    cx: &Context,
    plan: &Plan<'_>,
    partition: &Partition,
    share: &Share,
    max_records: i64,
    max_bytes: usize,
) -> Result<Found, ErrorCode> {
    follow_log(cx, partition, share)?;
    for _ in 0..MAX_READS {
        let limits = plan.settings.limits;
        let from = share.look(|state| state.has_room(limits).then(|| state.next_offset()));
        let Some(from) = from else { break };
        let request = ReadRequest {
            offset: from,
            max_bytes: max_bytes.min(READ_BYTES),
            at_least_one: true,
            isolation: plan.settings.isolation,
            current_epoch: -1,
            last_epoch: -1,
        };
        let read = partition.read(cx.node_id(), request).map_err(|refused| refused.code)?;
        if read.slices.is_empty() {
            break;
        }
        let batches = Batches::load(&read)?;
        let spans: Vec<Span> = batches.list.iter().map(|batch| batch.span).collect();
        let acquire = Acquire {
            member: plan.member,
            now_ms: cx.now_ms(),
            limits,
            max_records,
            strict: plan.strict,
        };
        let aborted = match plan.settings.isolation {
            Isolation::Committed => batches.aborted(&read),
            Isolation::Uncommitted => Vec::new(),
        };
        let acquired = cx.cluster.shares.give_out(share, |state| {
            let acquired = state.acquire(acquire, from, &spans);
            if aborted.is_empty() { acquired } else { state.withhold(acquired, &aborted) }
        });
        if !acquired.is_empty() {
            return Ok(Found { records: batches.of(&acquired), acquired });
        }
    }
    Ok(Found::default())
}

/// What retention or a damaged disk took off either end of the log is not waited for.
fn follow_log(cx: &Context, partition: &Partition, share: &Share) -> Result<(), ErrorCode> {
    let bounds = partition.bounds(cx.node_id(), -1)?;
    let (start, next) = share.look(|state| (state.start(), state.next_offset()));
    if bounds.start <= start && next <= bounds.high_watermark {
        return Ok(());
    }
    let follow = |state: &mut SharePartition| {
        state.move_start(bounds.start);
        if state.start() > bounds.high_watermark {
            *state = SharePartition::new(bounds.high_watermark);
        }
    };
    let (now_ms, cluster) = (cx.now_ms(), &cx.cluster);
    let ((), written) = cluster.shares.change(share, &cluster.journal, now_ms, follow);
    written.map(|_| ())
}

/// A batch among the bytes that were read.
struct Batch {
    span: Span,
    bytes: Range<usize>,
    header: BatchHeader,
}

/// Batches that were read.
struct Batches {
    bytes: Bytes,
    list: Vec<Batch>,
}

impl Batches {
    /// Loads what was found, which is where a disk is read.
    fn load(read: &Read) -> Result<Self, ErrorCode> {
        let parts = read.slices.load().map_err(|error| {
            tracing::error!(%error, "records could not be read");
            ErrorCode::KAFKA_STORAGE_ERROR
        })?;
        let bytes = match &parts[..] {
            [one] => one.clone(),
            parts => parts
                .iter()
                .fold(BytesMut::new(), |mut all, part| {
                    all.extend_from_slice(part);
                    all
                })
                .freeze(),
        };
        let (mut list, mut at) = (Vec::new(), 0);
        while let Some(head) =
            bytes.get(at..).and_then(|rest| rest.first_chunk::<BATCH_HEADER_LEN>())
        {
            let header = BatchHeader::read(head);
            let len =
                usize::try_from(header.batch_length).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
            let (first, end) = (header.base_offset, at + 12 + len);
            let span = Span { first, last: first + i64::from(header.last_offset_delta) };
            list.push(Batch { span, bytes: at..end, header });
            at = end;
        }
        Ok(Self { bytes, list })
    }

    /// The batches of transactions that were aborted.
    fn aborted(&self, read: &Read) -> Vec<Span> {
        let is_aborted = |batch: &&Batch| {
            batch.header.attributes.is_transactional()
                && read.aborted.iter().any(|aborted| {
                    let during = aborted.first_offset..=aborted.last_offset;
                    aborted.producer_id == batch.header.producer_id
                        && during.contains(&batch.span.first)
                })
        };
        self.list.iter().filter(is_aborted).map(|batch| batch.span).collect()
    }

    /// From the first batch with an acquired record to the last.
    fn of(&self, acquired: &[Acquired]) -> Option<Bytes> {
        let (first, last) = (acquired.first()?.first, acquired.last()?.last);
        let from = self.list.iter().find(|batch| batch.span.last >= first)?.bytes.start;
        let upto = self.list.iter().rfind(|batch| batch.span.first <= last)?.bytes.end;
        Some(self.bytes.slice(from..upto.min(self.bytes.len())))
    }
}

/// A registration with everything that is waited for; ends with it.
struct Watch<'a> {
    notify: Arc<Notify>,
    sources: &'a [Source],
}

impl Watch<'_> {
    fn renew(&self) {
        self.leave();
        for (partition, share) in self.sources.iter().flat_map(|source| &source.found) {
            partition.watchers().add(&self.notify);
            share.watchers().add(&self.notify);
        }
    }

    fn leave(&self) {
        for (partition, share) in self.sources.iter().flat_map(|source| &source.found) {
            partition.watchers().remove(&self.notify);
            share.watchers().remove(&self.notify);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
