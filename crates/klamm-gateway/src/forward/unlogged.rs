//! Records that no log holds (`ack=memory`): sent once, lost with the process, and lost when Kafka is away for too long.

use super::config::UnloggedRefused;
use super::sending::to_record;
use crate::accepted::Accepted;
use klamm::{Delivery, Producer};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Records that are tried in a row.
const TRIES: usize = 4_096;

/// What waits, and what is on its way.
#[derive(Debug)]
pub(super) struct Unlogged {
    max_bytes: usize,
    /// Of both.
    bytes: usize,
    /// With when they came.
    waiting: VecDeque<(u64, Accepted)>,
    /// With their bytes.
    sent: VecDeque<(Delivery, usize)>,
    closed: bool,
}

/// How many records came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ended {
    pub(super) delivered: u64,
    pub(super) lost: u64,
}

impl Unlogged {
    pub(super) fn new(max_bytes: usize) -> Self {
        let (waiting, sent) = (VecDeque::new(), VecDeque::new());
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
        self.waiting.extend(records.into_iter().map(|record| (now_ms, record)));
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
    pub(super) fn send(&mut self, producer: Option<&Producer>, since_ms: u64) -> Ended {
        let mut ended = Ended::default();
        for _ in 0..self.waiting.len().min(TRIES) {
            let Some((came, record)) = self.waiting.pop_front() else { break };
            let bytes = weight(&record);
            let tried = producer.map(|producer| {
                producer.try_enqueue(to_record(&record, record.partition, &[])).map_err(|e| {
                    let kind = e.reason().kind();
                    (e.is_full(), kind == klamm::ErrorKind::Retriable)
                })
            });
            match tried {
                Some(Ok(delivery)) => self.sent.push_back((delivery, bytes)),
                Some(Err((_, false))) => {
                    ended.lost += 1;
                    self.bytes -= bytes;
                }
                None | Some(Err(_)) if came < since_ms => {
                    ended.lost += 1;
                    self.bytes -= bytes;
                }
                // Nothing else fits, either.
                None | Some(Err((true, _))) => {
                    self.waiting.push_front((came, record));
                    break;
                }
                Some(Err((false, true))) => self.waiting.push_back((came, record)),
            }
        }
        ended
    }

    /// Takes the outcomes that there are.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Ended {
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
