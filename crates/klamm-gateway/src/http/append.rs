//! Records on their way into the log, each request once.

use super::answer::{self, Answer};
use super::app::App;
use super::refused::Refused;
use crate::Accepted;
use crate::forward::{Outcome, Ticket, UnloggedSender};
use crate::wal::{AppendRefused, Receipt, Seen};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

/// Records that were written down, now or before.
#[derive(Debug)]
pub(super) struct Written {
    receipt: Receipt,
    replayed: usize,
    wait: Option<(Duration, Ticket)>,
}

/// What became of records that were written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Appended {
    /// Where they are in the log.
    pub(super) receipt: Receipt,
    /// How many of the request's records were there before it.
    pub(super) replayed: usize,
    /// What Kafka said, if that was waited for and it said so in time.
    pub(super) outcomes: Option<Vec<Outcome>>,
}

impl App {
    /// Writes records down, or finds out that this was done before; with `wait`, what becomes of them in Kafka is to be told.
    pub(super) async fn write(
        &self,
        mut records: Vec<Accepted>,
        wait: Option<Duration>,
    ) -> Result<Written, Refused> {
        self.check_sizes(&records)?;
        self.check_partitions(&records).await?;
        let all = records.len();
        let known = if named_apart(&records) { self.leave_out_known(&mut records) } else { None };
        let replayed = all - records.len();
        if let (true, Some(receipt)) = (records.is_empty(), known) {
            return Ok(self.replay(receipt, replayed));
        }
        let count = records.len();
        // Before they are written: from now on nothing that becomes of them is missed.
        let wait = wait.map(|wait| (wait, self.outcomes.ticket()));
        let receipt = match self.wal.append(records).await {
            Ok(receipt) => receipt,
            Err(AppendRefused::Seen(Seen::Done(receipt))) if known.is_none() => {
                return Ok(self.replay(receipt, count));
            }
            Err(refused) => return Err(refused.into()),
        };
        self.counters.records.fetch_add(count as u64, Ordering::Relaxed);
        Ok(Written { receipt, replayed, wait })
    }

    /// Hands records on that are to be in no log, which takes no time; the answer says that they may be lost.
    pub(super) fn send_unlogged(
        &self,
        unlogged: &UnloggedSender,
        records: Vec<Accepted>,
    ) -> Result<Answer, Refused> {
        self.check_sizes(&records)?;
        let count = records.len();
        unlogged.send(records)?;
        self.counters.unlogged.fetch_add(count as u64, Ordering::Relaxed);
        Ok(answer::answer(202, answer::JSON, format!("{{\"count\":{count},\"durable\":false}}")))
    }

    /// Kafka has the partitions that records name, as far as it says so: else they would be dead letters in the end.
    async fn check_partitions(&self, records: &[Accepted]) -> Result<(), Refused> {
        let mut highest: Option<(&Arc<str>, i32)> = None;
        for record in records {
            let Some(partition) = record.partition else { continue };
            highest = match highest {
                Some((topic, most)) if *topic == record.topic => Some((topic, most.max(partition))),
                Some((topic, most)) => {
                    self.check_partition(topic, most).await?;
                    Some((&record.topic, partition))
                }
                None => Some((&record.topic, partition)),
            };
        }
        match highest {
            Some((topic, partition)) => self.check_partition(topic, partition).await,
            None => Ok(()),
        }
    }

    /// The same for one that a single record names.
    pub(super) async fn check_partition(
        &self,
        topic: &Arc<str>,
        partition: i32,
    ) -> Result<(), Refused> {
        match &self.partitions {
            Some(partitions) => Ok(partitions.check(topic, partition).await?),
            None => Ok(()),
        }
    }

    fn check_sizes(&self, records: &[Accepted]) -> Result<(), Refused> {
        let limit = self.limits.record_bytes;
        match records.iter().any(|record| record.bytes() > limit) {
            true => Err(Refused::too_large("a record", limit)),
            false => Ok(()),
        }
    }

    fn replay(&self, receipt: Receipt, replayed: usize) -> Written {
        self.counters.replayed.fetch_add(1, Ordering::Relaxed);
        Written { receipt, replayed, wait: None }
    }

    /// Takes out the records that were taken before; where the first of them is.
    fn leave_out_known(&self, records: &mut Vec<Accepted>) -> Option<Receipt> {
        let mut first = None;
        records.retain(|record| match record.idempotency.and_then(|name| self.wal.seen(&name)) {
            Some(Seen::Done(receipt)) => {
                first.get_or_insert(receipt);
                false
            }
            _ => true,
        });
        first
    }
}

impl Written {
    /// Waits for Kafka, if that is wanted. When it takes too long the records are safe all the same.
    pub(super) async fn outcomes(self) -> Appended {
        let Written { receipt, replayed, wait } = self;
        let outcomes = match wait {
            Some((wait, ticket)) => {
                timeout(wait, ticket.of(receipt)).await.ok().and_then(Result::ok)
            }
            None => None,
        };
        Appended { receipt, replayed, outcomes }
    }
}

/// Whether each record has a name of its own, as events in a batch do: some may be known and others not.
fn named_apart(records: &[Accepted]) -> bool {
    let Some(first) = records.first().and_then(|record| record.idempotency) else { return false };
    records.iter().any(|record| record.idempotency != Some(first))
}
