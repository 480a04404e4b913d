//! Records that no log holds (`ack=memory`): sent once, lost with the process, and lost when Kafka is away for too long.

use super::config::UnloggedRefused;
use crate::accepted::Accepted;
use klamm::Delivery;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Records of a topic that are tried in a row.
const TRIES: usize = 4_096;

/// What waits, and what is on its way.
#[derive(Debug)]
pub(super) struct Unlogged<D = Delivery> {
    max_bytes: usize,
    /// Of both.
    bytes: usize,
    /// By topic, so that one that has to wait keeps its order and holds up no other. With when they came.
    waiting: BTreeMap<Arc<str>, VecDeque<(u64, Accepted)>>,
    /// With their bytes.
    sent: VecDeque<(D, usize)>,
    closed: bool,
}

/// What comes of giving a record to the producer.
#[derive(Debug)]
pub(super) enum Tried<D> {
    Sent(D),
    /// Not now, nor what is behind it in its topic.
    Later,
    Never,
}

/// How many records came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ended {
    pub(super) delivered: u64,
    pub(super) lost: u64,
}

impl<D> Unlogged<D> {
    pub(super) fn new(max_bytes: usize) -> Self {
        let (waiting, sent) = (BTreeMap::new(), VecDeque::new());
        Self { max_bytes, bytes: 0, waiting, sent, closed: false }
    }

    pub(super) fn push(
        &mut self,
        records: Vec<Accepted>,
        now_ms: u64,
    ) -> Result<(), UnloggedRefused> {
        if self.closed {
            return Err(UnloggedRefused::Closed);
        }
        let bytes: usize = records.iter().map(weight).sum();
        if self.bytes > 0 && self.bytes.saturating_add(bytes) > self.max_bytes {
            return Err(UnloggedRefused::Full);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        for record in records {
            let queue = match self.waiting.get_mut(&record.topic) {
                Some(queue) => queue,
                None => self.waiting.entry(record.topic.clone()).or_default(),
            };
            queue.push_back((now_ms, record));
        }
        Ok(())
    }

    /// Takes nothing more.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether nothing waits or is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// Gives the producer what it takes; what waits since before `since_ms` is lost.
    pub(super) fn send(
        &mut self,
        mut give: impl FnMut(&Accepted) -> Tried<D>,
        since_ms: u64,
    ) -> Ended {
        let mut ended = Ended::default();
        let Self { waiting, sent, bytes: all, .. } = self;
        waiting.retain(|_, queue| {
            for _ in 0..TRIES {
                let Some((came, record)) = queue.front() else { break };
                let bytes = weight(record);
                match give(record) {
                    Tried::Sent(delivery) => sent.push_back((delivery, bytes)),
                    Tried::Later if *came >= since_ms => break,
                    Tried::Later | Tried::Never => {
                        ended.lost += 1;
                        *all -= bytes;
                    }
                }
                queue.pop_front();
            }
            !queue.is_empty()
        });
        ended
    }

    /// Takes the outcomes that there are.
    pub(super) fn poll<T, E>(&mut self, cx: &mut Context<'_>) -> Ended
    where
        D: Future<Output = Result<T, E>> + Unpin,
    {
        let mut ended = Ended::default();
        while let Some((first, bytes)) = self.sent.front_mut() {
            let Poll::Ready(result) = Pin::new(first).poll(cx) else { break };
            self.bytes -= *bytes;
            self.sent.pop_front();
            ended.delivered += u64::from(result.is_ok());
            ended.lost += u64::from(result.is_err());
        }
        ended
    }
}

fn weight(record: &Accepted) -> usize {
    record.bytes() + 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Ready, ready};
    use std::task::Waker;

    type Queue = Unlogged<Ready<Result<(), ()>>>;

    fn record(topic: &str, n: i64) -> Accepted {
        Accepted {
            topic: topic.into(),
            partition: None,
            timestamp: n,
            key: None,
            value: None,
            headers: Vec::new(),
            idempotency: None,
        }
    }

    fn with(records: &[(&str, i64)]) -> Queue {
        let mut queue = Queue::new(1 << 20);
        let records = records.iter().map(|(topic, n)| record(topic, *n)).collect();
        queue.push(records, 10).unwrap();
        queue
    }

    /// What is sent when the records that `refuses` names are refused.
    fn sent(queue: &mut Queue, since: u64, refuses: impl Fn(i64) -> bool) -> (Vec<i64>, Ended) {
        let mut sent = Vec::new();
        let give = |record: &Accepted| match refuses(record.timestamp) {
            true => Tried::Later,
            false => {
                sent.push(record.timestamp);
                Tried::Sent(ready(Ok(())))
            }
        };
        let ended = queue.send(give, since);
        (sent, ended)
    }

    #[test]
    fn a_topic_that_waits_keeps_its_order_and_holds_up_no_other() {
        let mut queue = with(&[("a", 1), ("b", 10), ("a", 2), ("a", 3), ("b", 11)]);
        // Its topic is known a moment later: 2 may not pass 1.
        assert_eq!(sent(&mut queue, 0, |n| n == 1).0, [10, 11]);
        assert_eq!(sent(&mut queue, 0, |_| false).0, [1, 2, 3]);
        let ended = queue.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!((ended, queue.is_empty()), (Ended { delivered: 5, lost: 0 }, true));
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn what_has_waited_for_too_long_is_lost() {
        let mut queue = with(&[("a", 1), ("a", 2)]);
        queue.push(vec![record("a", 3)], 20).unwrap();
        let (sent, ended) = sent(&mut queue, 11, |_| true);
        assert_eq!((sent, ended), (vec![], Ended { delivered: 0, lost: 2 }));
        assert_eq!(queue.bytes, weight(&record("a", 3)));
    }
}
