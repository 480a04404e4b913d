//! The RecordAccumulator: from a topic's name to the open batch of one of its partitions.
//!
//! The way of a record through this file: the topic is found in the thread's cursor or in the map,
//! a partition is chosen, and the record is encoded into that partition's open batch. Records without
//! a key stay with one partition for [`Limits::ready_bytes`] before the thread moves on, so that
//! batches fill; of two partitions drawn at random the one with the smaller backlog is taken, so that
//! a slow broker gets less (KIP-794 weighs all of them; two choices come close at constant cost).

use super::batch::NeedsMemory;
use super::buffer_pool::{BufferPool, Lease};
use super::delivery::Place;
use super::error::EnqueueError;
use super::idempotence::PartitionSequence;
use super::partition::{Limits, Partition};
use super::partitioner::{Partitioner, TopicView, partition_for_key};
use super::signals::Signals;
use crate::metadata::Topic;
use crate::record::{Record, RecordView};
use parking_lot::RwLock;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The partitions of one topic as of some metadata; replaced as a whole when partitions are added.
#[derive(Debug)]
pub(crate) struct TopicPartitions {
    pub(crate) name: Arc<str>,
    pub(crate) partitions: Vec<Arc<Partition>>,
    /// A newer one has taken its place.
    stale: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Accumulator {
    id: u64,
    pub(crate) limits: Limits,
    pub(crate) pool: Arc<BufferPool>,
    pub(crate) signals: Arc<Signals>,
    partitioner: Option<Arc<dyn Partitioner>>,
    max_request_size: usize,
    pub(crate) idempotent: bool,
    max_in_flight: usize,
    topics: RwLock<BTreeMap<Arc<str>, Arc<TopicPartitions>>>,
    closed: AtomicBool,
}

/// What a thread remembers between two records: the topic, and the partition it stays with.
struct Cursor {
    accumulator: u64,
    topic: Option<Arc<TopicPartitions>>,
    sticky: usize,
    sticky_left: usize,
}

thread_local! {
    static CURSOR: RefCell<Cursor> =
        const { RefCell::new(Cursor { accumulator: 0, topic: None, sticky: 0, sticky_left: 0 }) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Why a record was not appended.
pub(crate) enum Refusal {
    /// The topic's partitions are not known yet.
    UnknownTopic,
    /// This much budget is needed first.
    NeedsMemory(usize),
    Error(EnqueueError),
}

/// What goes into and comes out of an attempt to append, beside record and place.
///
/// It stays where the caller has it, so that the place comes back in two registers: a delivery that is
/// handed up through memory costs the core a wait for its own writes at every step.
#[derive(Default)]
pub(crate) struct Attempt {
    /// Budget that the caller has waited for.
    pub(crate) lease: Option<Lease>,
    /// The caller will wait for the outcome at once.
    pub(crate) awaited: bool,
    /// The create time that an appended record was given.
    pub(crate) timestamp_ms: i64,
    /// Set when the record was not appended.
    pub(crate) refusal: Option<Refusal>,
}

impl Attempt {
    #[cold]
    pub(crate) fn refused<T>(&mut self, refusal: Refusal) -> Option<T> {
        self.refusal = Some(refusal);
        None
    }
}

/// Sizes and switches an accumulator is made with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) buffer_memory: usize,
    pub(crate) max_request_size: usize,
    pub(crate) idempotent: bool,
    pub(crate) max_in_flight: usize,
    pub(crate) partitioner: Option<Arc<dyn Partitioner>>,
}

impl Accumulator {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            limits: settings.limits,
            pool: BufferPool::new(settings.buffer_memory),
            signals: Arc::new(Signals::default()),
            partitioner: settings.partitioner,
            max_request_size: settings.max_request_size,
            idempotent: settings.idempotent,
            max_in_flight: settings.max_in_flight,
            topics: RwLock::new(BTreeMap::new()),
            closed: AtomicBool::new(false),
        }
    }

    /// Every partition of every topic that was sent to.
    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.topics.read().values().flat_map(|t| t.partitions.iter().cloned()).collect()
    }

    /// A partition of a topic that was sent to.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        let index = usize::try_from(index).ok()?;
        self.topics.read().get(topic)?.partitions.get(index).cloned()
    }

    /// The names of the topics that were sent to.
    pub(crate) fn topics(&self) -> Vec<Arc<TopicPartitions>> {
        self.topics.read().values().cloned().collect()
    }

    /// Takes no more records.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.pool.close();
    }

    /// Learns of a topic, or of more partitions of a known one.
    pub(crate) fn learn(&self, topic: &Topic) {
        let mut topics = self.topics.write();
        let known = topics.get(&topic.name);
        if known.is_some_and(|k| k.partitions.len() >= topic.partitions.len()) {
            return;
        }
        let mut partitions = known.map(|k| k.partitions.clone()).unwrap_or_default();
        for index in partitions.len()..topic.partitions.len() {
            let sequence = PartitionSequence::new(self.idempotent, self.max_in_flight);
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            let signals = Arc::clone(&self.signals);
            let partition = Partition::new(Arc::clone(&topic.name), index, signals, sequence);
            partitions.push(Arc::new(partition));
        }
        if let Some(known) = known {
            known.stale.store(true, Ordering::Release);
        }
        let name = Arc::clone(&topic.name);
        let stale = AtomicBool::new(false);
        let fresh = Arc::new(TopicPartitions { name: Arc::clone(&name), partitions, stale });
        topics.insert(name, fresh);
    }

    /// Appends a record, if there is a place for it now; else the attempt says why not.
    #[inline]
    pub(crate) fn append(&self, record: &Record<'_>, attempt: &mut Attempt) -> Option<Place> {
        if self.closed.load(Ordering::Relaxed) {
            return attempt.refused(Refusal::Error(EnqueueError::Closed));
        }
        CURSOR.with_borrow_mut(|cursor| {
            if !self.points_at(cursor, record.topic) && !self.point_at(cursor, record.topic) {
                return attempt.refused(Refusal::UnknownTopic);
            }
            let Some(topic) = &cursor.topic else {
                return attempt.refused(Refusal::UnknownTopic);
            };
            let record = &record.view();
            if record.payload_len > self.max_request_size {
                return attempt.refused(self.too_large(record.payload_len));
            }
            let (sticky, left) = (&mut cursor.sticky, &mut cursor.sticky_left);
            let partition = match self.choose(record, topic, sticky, left) {
                Ok(partition) => partition,
                Err(index) => return attempt.refused(no_such_partition(index, topic)),
            };
            match partition.append(record, &self.limits, &self.pool, attempt) {
                Ok(place) => Some(place),
                Err(NeedsMemory(bytes)) if bytes > self.pool.total_bytes() => {
                    attempt.refused(self.too_large(record.payload_len))
                }
                Err(NeedsMemory(bytes)) => attempt.refused(Refusal::NeedsMemory(bytes)),
            }
        })
    }

    #[inline]
    fn points_at(&self, cursor: &Cursor, topic: &str) -> bool {
        cursor.accumulator == self.id
            && cursor
                .topic
                .as_ref()
                .is_some_and(|t| &*t.name == topic && !t.stale.load(Ordering::Relaxed))
    }

    #[cold]
    fn point_at(&self, cursor: &mut Cursor, topic: &str) -> bool {
        let known = self.topics.read().get(topic).cloned();
        let found = known.is_some();
        *cursor = Cursor { accumulator: self.id, topic: known, sticky: 0, sticky_left: 0 };
        found
    }

    #[cold]
    fn too_large(&self, size: usize) -> Refusal {
        let (limit, limit_name) = if size > self.max_request_size {
            (self.max_request_size, "max.request.size")
        } else {
            (self.pool.total_bytes(), "buffer.memory")
        };
        Refusal::Error(EnqueueError::RecordTooLarge { size, limit, limit_name })
    }

    #[inline]
    fn choose<'t>(
        &self,
        record: &RecordView<'_>,
        topic: &'t TopicPartitions,
        sticky: &mut usize,
        sticky_left: &mut usize,
    ) -> Result<&'t Arc<Partition>, i32> {
        let count = topic.partitions.len();
        let size = record.payload_len;
        let index = match (record.record.partition, &self.partitioner, record.key) {
            (Some(asked), ..) => asked as usize,
            (None, Some(custom), key) => {
                let view = TopicView::new(&topic.name, &topic.partitions);
                custom.partition(&view, key, size) as usize
            }
            (None, None, Some(key)) => partition_for_key(key, count),
            (None, None, None) => {
                if *sticky_left < size || *sticky >= count {
                    *sticky = two_choices(&topic.partitions);
                    *sticky_left = self.limits.ready_bytes;
                }
                *sticky_left = sticky_left.saturating_sub(size + STICKY_OVERHEAD);
                *sticky
            }
        };
        topic.partitions.get(index).ok_or(index as i32)
    }
}

#[cold]
fn no_such_partition(partition: i32, topic: &TopicPartitions) -> Refusal {
    Refusal::Error(EnqueueError::Partition {
        topic: Arc::clone(&topic.name),
        partition,
        count: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
    })
}

/// What Kafka adds to a record's payload, roughly: enough for the sticky partition to move on when
/// its batch is ready.
const STICKY_OVERHEAD: usize = 9;

/// Of two partitions drawn at random, the one with a leader and the smaller backlog.
fn two_choices(partitions: &[Arc<Partition>]) -> usize {
    if partitions.len() < 2 {
        return 0;
    }
    let draw = || fastrand::usize(..partitions.len());
    let (a, b) = (draw(), draw());
    let load = |i: usize| (!partitions[i].has_leader(), partitions[i].backlog());
    if load(a) <= load(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::buffer_pool::CHUNK_BYTES;
    use crate::producer::idempotence::Stamp;
    use bytes::Bytes;
    use klamm_protocol::error_code::ErrorCode;
    use klamm_protocol::primitives::Uuid;
    use klamm_protocol::record_batch::RecordBatch;
    use std::time::Duration;

    fn accumulator(buffer_memory: usize) -> Accumulator {
        let limits = Limits {
            ready_bytes: 64 * 1024,
            batch_max_bytes: 1_000_000,
            linger: Duration::ZERO,
            compressed: false,
        };
        let accumulator = Accumulator::new(Settings {
            limits,
            buffer_memory,
            max_request_size: usize::MAX,
            idempotent: true,
            max_in_flight: 5,
            partitioner: None,
        });
        accumulator.learn(&Topic {
            name: "t".into(),
            id: Uuid::ZERO,
            is_internal: false,
            partitions: vec![Default::default()],
            error: ErrorCode::NONE,
            unknown_in_a_row: 0,
        });
        accumulator
    }

    /// Few headers and many are laid out in different ways, and so are records with a staging block and without.
    #[test]
    fn records_are_read_back_with_the_headers_they_were_given() {
        let names: Vec<String> = (0..7).map(|n| format!("name-{n}")).collect();
        for keyed in [false, true] {
            let accumulator = accumulator(4 << 20);
            for n in 0..400 {
                let mut record = Record::to("t").value(vec![n as u8; n]).timestamp_ms(n as i64);
                for name in &names[..n % 7] {
                    record = match n % 3 {
                        0 => record.null_header(name),
                        _ => record.header(name, vec![1; n]),
                    };
                }
                let record = if keyed { record.key("k") } else { record };
                assert!(accumulator.append(&record, &mut Attempt::default()).is_some());
            }
            let partition = accumulator.partition("t", 0).expect("it is known");
            let mut read = 0;
            for batch in partition.take_unsent(|_| true, true) {
                let bytes = batch.seal(Stamp::NONE).to_bytes();
                let batch = RecordBatch::parse(bytes).expect("a sound batch");
                for record in batch.records() {
                    let record = record.expect("a sound record");
                    assert_eq!(record.value, Some(&vec![read as u8; read][..]));
                    assert_eq!((record.timestamp, record.key.is_some()), (read as i64, keyed));
                    let value = (read % 3 > 0).then(|| vec![1; read]);
                    let expected = names[..read % 7].iter().map(|name| (&**name, value.as_deref()));
                    assert!(record.headers().eq(expected), "record {read}");
                    read += 1;
                }
            }
            assert_eq!(read, 400);
        }
    }

    /// A caller that waited for what it was told to wait for must get in: else it would ask again at once,
    /// be granted the same at once, and so on, with a core to itself.
    #[test]
    fn budget_that_a_refusal_names_is_enough() {
        // Too long for a chunk.
        let header = "h".repeat(CHUNK_BYTES + 1);
        let large = || Record::to("t").value(Bytes::from(vec![0; 300_000]));
        type Make = fn() -> Record<'static>;
        let records: [(&str, Make); 3] = [
            ("small", || Record::to("t").value("v")),
            ("by reference", || Record::to("t").value(Bytes::from(vec![0; 300_000]))),
            ("keyed, by reference", || {
                Record::to("t").key("k").value(Bytes::from(vec![0; 300_000]))
            }),
        ];
        for before in 0..4 {
            for (name, record) in &records {
                let accumulator = accumulator(4 << 20);
                for _ in 0..before {
                    assert!(accumulator.append(&large(), &mut Attempt::default()).is_some());
                }
                let rest = accumulator.pool.try_lease(accumulator.pool.available_bytes());
                let record = record();
                let record = if before % 2 == 0 { record } else { record.header(&header, "v") };
                let mut attempt = Attempt::default();
                if accumulator.append(&record, &mut attempt).is_some() {
                    continue;
                }
                let Some(Refusal::NeedsMemory(bytes)) = attempt.refusal.take() else {
                    panic!("{name}: refused for another reason");
                };
                drop(rest);
                attempt.lease = accumulator.pool.try_lease(bytes);
                let rest = accumulator.pool.try_lease(accumulator.pool.available_bytes());
                let appended = accumulator.append(&record, &mut attempt);
                assert!(appended.is_some(), "{name} after {before}: {bytes} bytes do not do");
                drop(rest);
            }
        }
    }
}
