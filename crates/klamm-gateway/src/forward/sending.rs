//! A record to the producer: its topic learned, its partition chosen, its id put on.

use super::ID_HEADER;
use super::lane::Failed;
use super::taken::Taken;
use super::task::{Event, Task};
use super::tracks::Sent;
use super::unlogged::Tried;
use super::verdict::{self, Class};
use crate::accepted::Accepted;
use klamm::{
    Deliveries, Delivery, EnqueueError, ErrorKind, Header, MetadataError, Producer, Record,
};
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
    /// Sends what the window has let through, the first of some records; returns how many that are.
    pub(super) fn send(&mut self, taken: Taken, records: &[(u64, Accepted)], now: u64) -> usize {
        let records = &records[..records.len().min(taken.count as usize)];
        let Some((_, first)) = records.first() else { return 0 };
        if let Some(doom) = self.doomed.get(&taken.lane).filter(|doom| doom.until_ms > now) {
            let (code, reason) = (doom.code, doom.reason.clone());
            let mut taken = taken;
            for (_, record) in records {
                self.letter(taken.take(1), record.clone(), code, reason.clone(), now);
            }
        } else if taken.partitions.is_none() || (taken.alone && self.window.is_failing(taken.lane))
        {
            // A topic that was deleted looks as if it were there until somebody asks.
            self.ask(taken, first.clone(), now);
        } else {
            self.enqueue(taken, records, now);
        }
        records.len()
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
            return self.enqueue(taken, &[(taken.sequence, record)], now);
        }
        // Its records have other lanes from now on, this one as well.
        let topic = record.topic;
        self.window.failed(taken, Failed::Unsent, now);
        self.window.learn(&topic, count);
    }

    /// Gives records to the producer, those without a key in one piece for each partition.
    fn enqueue(&mut self, mut taken: Taken, records: &[(u64, Accepted)], now: u64) {
        let mut left = records;
        while let Some((_, first)) = left.first() {
            let (partition, count) = self.partition(&taken, left, now);
            if let Err(failed) = self.may_send(&taken, &first.topic, partition) {
                return self.window.failed(taken, failed, now);
            }
            let refused = self.give_piece(&mut taken, partition, &left[..count], now);
            left = &left[left.len() - taken.count as usize..];
            let (Some(refused), Some((_, first))) = (refused, left.first()) else { continue };
            let pending = matches!(refused, EnqueueError::MetadataPending);
            if pending && taken.alone {
                return self.ask(taken, first.clone(), now);
            }
            if pending || matches!(refused, EnqueueError::Full) {
                return self.window.failed(taken, Failed::Unsent, now);
            }
            let (class, code) = verdict::of_enqueue(&refused);
            let reason = Arc::from(refused.to_string());
            self.judge(taken.take(1), Some(first.clone()), class, code, &reason, now);
            left = &left[1..];
            if class != Class::Refused && !left.is_empty() {
                return self.window.failed(taken, Failed::Unsent, now);
            }
        }
    }

    /// Whether records may go to a partition now; else what becomes of them.
    fn may_send(&mut self, taken: &Taken, topic: &str, partition: i32) -> Result<(), Failed> {
        let connected = self.connected.as_ref().ok_or(Failed::Unsent)?;
        let broken = !self.broken.is_empty()
            && self.broken.get(topic).is_some_and(|broken| broken.contains(&partition));
        if broken {
            // A lane that does not know yet what failed would go on behind it: the partition is shared with the records
            // of its topic that have no key.
            let lanes = self.window.lanes_to(topic, partition);
            let unsettled = { lanes }.any(|lane| self.tracks.is_open(lane, partition));
            if unsettled || !connected.producer.resume(topic, partition) {
                return Err(Failed::Again);
            }
            if let Some(broken) = self.broken.get_mut(topic) {
                broken.remove(&partition);
            }
        }
        match taken.alone && self.is_beside_another(taken, topic, partition) {
            true => Err(Failed::Again),
            false => Ok(()),
        }
    }

    /// Gives records to the producer until it refuses one; says why it did. What it took is taken out of `taken`.
    fn give_piece(
        &mut self,
        taken: &mut Taken,
        partition: i32,
        records: &[(u64, Accepted)],
        now: u64,
    ) -> Option<EnqueueError> {
        let Self { connected, tracks, id, id_prefix, sent, wanted, .. } = self;
        let producer = &connected.as_ref()?.producer;
        let mut refused = None;
        let mut run: Option<Deliveries> = None;
        let mut follow = |deliveries: Deliveries, record: Option<&Accepted>| {
            let taken = taken.take(deliveries.len());
            let record = record.filter(|_| taken.alone).map(|record| Box::new(record.clone()));
            *sent += u64::from(taken.count);
            tracks.push(Sent { taken, partition, deliveries, record, wanted: *wanted }, now);
        };
        for (sequence, record) in records {
            id.truncate(*id_prefix);
            id.push_str(itoa::Buffer::new().format(*sequence));
            let header = [Header::new(ID_HEADER, &*id)];
            match producer.try_enqueue(to_record(record, Some(partition), &header)) {
                Ok(delivery) => match &mut run {
                    None => run = Some(delivery.into()),
                    Some(all) => {
                        if let Err(next) = all.push(delivery) {
                            follow(std::mem::replace(all, next.into()), None);
                        }
                    }
                },
                Err(error) => {
                    refused = Some(error.reason().clone());
                    break;
                }
            }
        }
        if let Some(run) = run {
            follow(run, records.first().map(|(_, record)| record));
        }
        refused
    }

    /// Whether another lane tries a record of its own in the partition: in one batch neither would be alone.
    fn is_beside_another(&self, taken: &Taken, topic: &str, partition: i32) -> bool {
        let mut others = self.window.lanes_to(topic, partition).filter(|lane| *lane != taken.lane);
        self.window.is_failing(taken.lane)
            && others
                .any(|lane| self.window.is_failing(lane) && self.tracks.is_open(lane, partition))
    }

    /// Where the first of some records goes, and how many of them: those without a key stay with a partition for a while and
    /// avoid those that stand still.
    fn partition(&mut self, taken: &Taken, records: &[(u64, Accepted)], now: u64) -> (i32, usize) {
        let (Some((sequence, first)), None) = (records.first(), taken.partition) else {
            return (taken.partition.unwrap_or_default(), records.len());
        };
        let count = taken.partitions.unwrap_or(1).max(1);
        let sticky = match self.sticky.get_mut(&first.topic) {
            Some(sticky) => sticky,
            None => self.sticky.entry(first.topic.clone()).or_default(),
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
        let digits = sequence.checked_ilog10().unwrap_or(0) as usize + 1;
        let fits = |(_, record): &&(u64, Accepted)| {
            let some = sticky.left > 0;
            sticky.left = sticky.left.saturating_sub(sent_bytes(record, self.id_prefix + digits));
            some
        };
        (sticky.partition, records.iter().take_while(fits).count())
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
