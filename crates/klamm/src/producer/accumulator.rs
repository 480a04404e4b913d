//! The RecordAccumulator: from a topic's name to the open batch of one of its partitions.
//!
//! The way of a record through this file: the topic is found in the thread's cursor or in the map,
//! a partition is chosen, and the record is encoded into that partition's open batch. Records without
//! a key stay with one partition for [`Limits::ready_bytes`] before the thread moves on, so that
//! batches fill; of two partitions drawn at random the one with the smaller backlog is taken, so that
//! a slow broker gets less (KIP-794 weighs all of them; two choices come close at constant cost).

use super::batch::Refused;
use super::buffer_pool::{BufferPool, Lease};
use super::delivery::Delivery;
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
    idempotent: bool,
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

/// What came of an attempt to append.
pub(crate) enum Appended {
    Done(Delivery),
    /// The topic's partitions are not known yet.
    UnknownTopic,
    /// This much budget is needed first.
    NeedsMemory(usize),
    Refused(EnqueueError),
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

    /// Appends a record, if there is a place for it now.
    #[inline]
    pub(crate) fn append(&self, record: &Record<'_>, lease: &mut Option<Lease>) -> Appended {
        if self.closed.load(Ordering::Relaxed) {
            return Appended::Refused(EnqueueError::Closed);
        }
        CURSOR.with_borrow_mut(|cursor| {
            if !self.points_at(cursor, record.topic) && !self.point_at(cursor, record.topic) {
                return Appended::UnknownTopic;
            }
            let Some(topic) = &cursor.topic else { return Appended::UnknownTopic };
            let record = &record.view();
            let size = record.payload_len;
            if size > self.max_request_size {
                return Appended::Refused(self.too_large(size));
            }
            let (sticky, left) = (&mut cursor.sticky, &mut cursor.sticky_left);
            let partition = match self.choose(record, topic, sticky, left) {
                Ok(partition) => partition,
                Err(refused) => return Appended::Refused(refused),
            };
            match partition.append(record, &self.limits, &self.pool, lease) {
                Ok(delivery) => Appended::Done(delivery),
                Err(Refused::NeedsMemory(bytes)) if bytes > self.pool.total_bytes() => {
                    Appended::Refused(self.too_large(size))
                }
                Err(Refused::NeedsMemory(bytes)) => Appended::NeedsMemory(bytes),
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

    fn too_large(&self, size: usize) -> EnqueueError {
        let (limit, limit_name) = if size > self.max_request_size {
            (self.max_request_size, "max.request.size")
        } else {
            (self.pool.total_bytes(), "buffer.memory")
        };
        EnqueueError::RecordTooLarge { size, limit, limit_name }
    }

    #[inline]
    fn choose<'t>(
        &self,
        record: &RecordView<'_>,
        topic: &'t TopicPartitions,
        sticky: &mut usize,
        sticky_left: &mut usize,
    ) -> Result<&'t Arc<Partition>, EnqueueError> {
        let count = topic.partitions.len();
        let size = record.payload_len;
        let index = match (record.record.partition, &self.partitioner, record.key) {
            (Some(asked), ..) => usize::try_from(asked).unwrap_or(usize::MAX),
            (None, Some(custom), key) => {
                let view = TopicView::new(&topic.name, &topic.partitions);
                usize::try_from(custom.partition(&view, key, size)).unwrap_or(usize::MAX)
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
        topic.partitions.get(index).ok_or_else(|| EnqueueError::Partition {
            topic: Arc::clone(&topic.name),
            partition: record.record.partition.unwrap_or(index as i32),
            count: i32::try_from(count).unwrap_or(i32::MAX),
        })
    }
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
