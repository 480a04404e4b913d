//! A record to the producer: its topic learned, its partition chosen, its id put on.

use super::ID_HEADER;
use super::taken::Taken;
use super::task::{Event, Task};
use super::tracks::Sent;
use super::unlogged::Tried;
use super::verdict;
use super::window::Failed;
use crate::accepted::Accepted;
use klamm::{Delivery, EnqueueError, ErrorKind, Header, MetadataError, Producer, Record};
use std::sync::Arc;

/// Topics that are asked for at the same time.
const ASKING_MAX: usize = 256;
/// Records without a key stay with a partition for so many bytes at least: what the producer sends as one batch. Were it
/// more while little is on its way, every run would leave a rest that is a batch of its own.
const RUN_BYTES_MIN: usize = 64 * 1024;
/// And for so many at most: larger ones save a broker hardly anything, and there should be several at a time.
const RUN_BYTES_MAX: usize = 512 * 1024;
/// Into how many runs what is on its way is divided in between.
const RUNS_AT_A_TIME: u64 = 16;
/// About what a record takes in a batch beside key, value, headers and its id.
const SENT_OVERHEAD: usize = 20;
/// What another header takes beside its bytes.
const HEADER_OVERHEAD: usize = 2;

/// The partition that records of a topic without a key go to at the moment.
#[derive(Debug, Default)]
pub(super) struct Sticky {
    partition: i32,
    left: usize,
}

impl Task {
    /// Sends a record that the window has let through.
    pub(super) fn send(&mut self, taken: Taken, record: &Accepted, now: u64) {
        if let Some(doom) = self.doomed.get(&taken.lane).filter(|doom| doom.until_ms > now) {
            let (code, reason) = (doom.code, doom.reason.clone());
            return self.letter(taken, record.clone(), code, reason, now);
        }
        // A topic that was deleted looks as if it were there until somebody asks.
        if taken.partitions.is_none() || (taken.alone && self.window.is_failing(taken.lane)) {
            return self.ask(taken, record.clone(), now);
        }
        self.enqueue(taken, record, now);
    }

    /// Asks the cluster for the topic of a record.
    fn ask(&mut self, taken: Taken, record: Accepted, now: u64) {
        let Some(connected) = self.connected.as_ref().filter(|_| self.asking < ASKING_MAX) else {
            return self.window.failed(taken, Failed::Again, now);
        };
        self.asking += 1;
        let (producer, events) = (connected.producer.clone(), self.events.clone());
        tokio::spawn(async move {
            let result = producer.partitions_for(&record.topic).await;
            // Whoever ended the task does not wait for it.
            let _ = events.send(Event::Asked { taken, record, result }).await;
        });
    }

    /// The cluster has told of a topic.
    pub(super) fn asked(
        &mut self,
        mut taken: Taken,
        record: Accepted,
        result: Result<usize, EnqueueError>,
        now: u64,
    ) {
        self.asking -= 1;
        let count = match result {
            Ok(count) => i32::try_from(count).unwrap_or(i32::MAX),
            Err(error) => {
                let (class, code) = verdict::of_enqueue(&error);
                let reason = Arc::from(error.to_string());
                if let EnqueueError::Topic(MetadataError::UnknownTopic(_)) = error {
                    self.forget_producer_topic(&record.topic);
                }
                return self.judge(taken, Some(record), class, code, &reason, now);
            }
        };
        if self.window.knows(&record.topic) == Some(count) {
            taken.partitions = Some(count);
            return self.enqueue(taken, &record, now);
        }
        // Its records have other lanes from now on, this one as well.
        let topic = record.topic;
        self.window.failed(taken, Failed::Unsent, now);
        self.window.learn(&topic, count);
    }

    fn enqueue(&mut self, taken: Taken, record: &Accepted, now: u64) {
        let partition = self.partition(&taken, record, now);
        let Some(connected) = &self.connected else {
            return self.window.failed(taken, Failed::Unsent, now);
        };
        let broken = !self.broken.is_empty()
            && self.broken.get(&record.topic).is_some_and(|broken| broken.contains(&partition));
        if broken {
            // A lane that does not know yet what failed would go on behind it: the partition is shared with the records
            // of its topic that have no key.
            let lanes = self.window.lanes_to(&record.topic, partition);
            let unsettled = { lanes }.any(|lane| self.tracks.is_open(lane, partition));
            if unsettled || !connected.producer.resume(&record.topic, partition) {
                return self.window.failed(taken, Failed::Again, now);
            }
            if let Some(broken) = self.broken.get_mut(&record.topic) {
                broken.remove(&partition);
            }
        }
        if taken.alone && self.is_beside_another(&taken, &record.topic, partition) {
            return self.window.failed(taken, Failed::Again, now);
        }
        self.id.truncate(self.id_prefix);
        self.id.push_str(itoa::Buffer::new().format(taken.sequence));
        let id = [Header::new(ID_HEADER, &self.id)];
        let sent = to_record(record, Some(partition), &id);
        match connected.producer.try_enqueue(sent) {
            Ok(delivery) => {
                self.sent += 1;
                let record = taken.alone.then(|| Box::new(record.clone()));
                let wanted = self.wanted;
                self.tracks.push(Sent { taken, partition, delivery, record, wanted }, now);
            }
            Err(error) => {
                let (full, pending) =
                    (error.is_full(), matches!(error.reason(), EnqueueError::MetadataPending));
                let (class, code) = verdict::of_enqueue(error.reason());
                let reason: Arc<str> = error.to_string().into();
                drop(error);
                match (full || pending, taken.alone) {
                    (true, true) if pending => self.ask(taken, record.clone(), now),
                    (true, _) => self.window.failed(taken, Failed::Unsent, now),
                    (false, _) => {
                        self.judge(taken, Some(record.clone()), class, code, &reason, now);
                    }
                }
            }
        }
    }

    /// Whether another lane tries a record of its own in the partition: in one batch neither would be alone.
    fn is_beside_another(&self, taken: &Taken, topic: &str, partition: i32) -> bool {
        let mut others = self.window.lanes_to(topic, partition).filter(|lane| *lane != taken.lane);
        self.window.is_failing(taken.lane)
            && others
                .any(|lane| self.window.is_failing(lane) && self.tracks.is_open(lane, partition))
    }

    /// Where a record goes: records without a key stay with a partition for a while and avoid those that stand still.
    fn partition(&mut self, taken: &Taken, record: &Accepted, now: u64) -> i32 {
        if let Some(partition) = taken.partition {
            return partition;
        }
        let count = taken.partitions.unwrap_or(1).max(1);
        let sticky = match self.sticky.get_mut(&record.topic) {
            Some(sticky) => sticky,
            None => self.sticky.entry(record.topic.clone()).or_default(),
        };
        let tracks = &self.tracks;
        let slow = |partition| tracks.is_slow(taken.lane, partition, now);
        // The one that goes beyond it makes the batch full.
        if sticky.left == 0 || sticky.partition >= count || slow(sticky.partition) {
            let start = fastrand::i32(0..count);
            let mut others = (0..count).map(|n| (start + n) % count);
            sticky.partition = others.find(|partition| !slow(*partition)).unwrap_or(start);
            sticky.left = run_bytes(self.window.weight_of(taken.lane));
        }
        let digits = taken.sequence.checked_ilog10().unwrap_or(0) as usize + 1;
        sticky.left = sticky.left.saturating_sub(sent_bytes(record, self.id_prefix + digits));
        sticky.partition
    }
}

/// Gives a record that no log holds to the producer for those, if there is one.
pub(super) fn give(producer: Option<&Producer>, record: &Accepted) -> Tried<Delivery> {
    let Some(producer) = producer else { return Tried::Later };
    match producer.try_enqueue(to_record(record, record.partition, &[])) {
        Ok(delivery) => Tried::Sent(delivery),
        Err(error) => match error.is_full() || error.reason().kind() == ErrorKind::Retriable {
            true => Tried::Later,
            false => Tried::Never,
        },
    }
}

/// For how many bytes records without a key stay with a partition, while so much of their lane is on its way.
///
/// One run is one batch, and a broker's work is by the batch, so what waits goes in few large ones; but in several at a time,
/// or the broker would wait for the next one.
fn run_bytes(on_its_way: u64) -> usize {
    let part = usize::try_from(on_its_way / RUNS_AT_A_TIME).unwrap_or(usize::MAX);
    part.clamp(RUN_BYTES_MIN, RUN_BYTES_MAX)
}

/// About what a record takes in a batch, with an id of so many bytes.
fn sent_bytes(record: &Accepted, id: usize) -> usize {
    record.bytes() + id + SENT_OVERHEAD + record.headers.len() * HEADER_OVERHEAD
}

/// A record as the client library takes it, with `more` behind its headers; the bytes are copied once, into the partition's
/// batch.
fn to_record<'a>(
    record: &'a Accepted,
    partition: Option<i32>,
    more: &'a [Header<'a>],
) -> Record<'a> {
    let mut to = Record::to(&record.topic).timestamp_ms(record.timestamp);
    if let Some(partition) = partition {
        to = to.partition(partition);
    }
    if let Some(key) = &record.key {
        to = to.key(&key[..]);
    }
    if let Some(value) = &record.value {
        to = to.value(&value[..]);
    }
    for header in &record.headers {
        to = match &header.value {
            Some(value) => to.header(&header.name, &value[..]),
            None => to.null_header(&header.name),
        };
    }
    to.headers(more)
}

#[cfg(test)]
mod tests {
    use super::{ID_HEADER, RUN_BYTES_MAX, RUN_BYTES_MIN, run_bytes, sent_bytes};
    use crate::accepted::{Accepted, AcceptedHeader};
    use bytes::Bytes;
    use klamm_protocol::record_batch::{Header, RecordParts, encoded_record_len};

    #[test]
    fn runs_are_longer_while_more_is_on_its_way() {
        let wanted = [
            (0, RUN_BYTES_MIN),
            (1 << 20, RUN_BYTES_MIN),
            (4 << 20, 256 * 1024),
            (8 << 20, RUN_BYTES_MAX),
            (u64::MAX, RUN_BYTES_MAX),
        ];
        for (on_its_way, bytes) in wanted {
            assert_eq!(run_bytes(on_its_way), bytes, "{on_its_way}");
        }
    }

    #[test]
    fn what_a_record_takes_in_a_batch_is_known_well_enough_to_fill_one() {
        for (bytes, names) in [(230, &[][..]), (20, &["a", "content-type"]), (5_000, &["trace"])] {
            let header = |name: &&str| AcceptedHeader { name: (*name).into(), value: None };
            let record = Accepted {
                topic: "t".into(),
                partition: None,
                timestamp: 0,
                key: None,
                value: Some(Bytes::from(vec![0; bytes])),
                headers: names.iter().map(header).collect(),
                idempotency: None,
            };
            let id = "0123456789abcdef/1234567";
            let mut headers: Vec<Header<'_>> =
                names.iter().map(|key| Header { key, value: None }).collect();
            headers.push(Header { key: ID_HEADER, value: Some(id.as_bytes()) });
            let parts = RecordParts {
                timestamp_delta: 100,
                offset_delta: 100,
                key: None,
                value: record.value.as_deref(),
                headers: &headers,
            };
            let (taken, told) = (encoded_record_len(&parts), sent_bytes(&record, id.len()));
            assert!(told.abs_diff(taken) <= 3, "{told} for {taken}");
        }
    }
}
