//! Forwarding as others see it.

use super::config::{ForwardConfig, ForwardState, UnloggedRefused};
use super::outcomes::Outcomes;
use super::partitions::Partitions;
use super::shared::Shared;
use super::task::Task;
use crate::accepted::Accepted;
use crate::wal::{Wal, WalReader};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Sends records that are in no log; clones are the same.
#[derive(Debug, Clone)]
pub struct UnloggedSender {
    shared: Arc<Shared>,
    began: Instant,
}

impl UnloggedSender {
    /// Sends records once, without waiting for anything: they are lost with the process, and when Kafka takes none of them for
    /// as long as one attempt may take.
    ///
    /// # Errors
    /// [`UnloggedRefused`]; none of them was taken.
    pub fn send(&self, records: Vec<Accepted>) -> Result<(), UnloggedRefused> {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.send_unlogged(records, now)
    }
}

/// Sends the records of a log to Kafka until Kafka has them, and releases them from the log.
///
/// Every record reaches Kafka at least once, with the header [`ID_HEADER`](super::ID_HEADER), records of one topic and key in
/// the order of the log; one that no broker will ever take becomes a dead letter. What Kafka does not take now is tried
/// again for ever: no time that passes loses a record.
#[derive(Debug)]
pub struct Forwarder {
    wal: Wal,
    shared: Arc<Shared>,
    partitions: Partitions,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    began: Instant,
}

impl Forwarder {
    /// Starts on the present runtime. Kafka need not be there yet.
    pub fn start(wal: Wal, reader: WalReader, config: ForwardConfig) -> Self {
        let (shared, began) = (Arc::new(Shared::new(config.unlogged_bytes)), Instant::now());
        let (stop, stopped) = watch::channel(false);
        let task = Task::new(wal.clone(), reader, config, shared.clone(), began);
        let partitions = Partitions::new(task.lent(), shared.clone());
        let task = tokio::spawn(task.run(stopped));
        Self { wal, shared, partitions, stop, task, began }
    }

    /// Where to learn what became of records.
    pub fn outcomes(&self) -> Outcomes {
        self.shared.outcomes.clone()
    }

    /// How forwarding is.
    pub fn state(&self) -> ForwardState {
        self.shared.state.lock().clone()
    }

    /// Where to learn whether there is a partition.
    pub fn partitions(&self) -> Partitions {
        self.partitions.clone()
    }

    /// Where to send records that are in no log.
    pub fn unlogged(&self) -> UnloggedSender {
        UnloggedSender { shared: self.shared.clone(), began: self.began }
    }

    /// Waits until everything that the log has now is in Kafka or with the dead letters; says whether that was so before
    /// the deadline. Forwarding goes on either way.
    pub async fn drain(&self, deadline: Duration) -> bool {
        let all = self.wal.state().next;
        let mut released = self.shared.released.subscribe();
        let done = async {
            // A log may have been opened with nothing in it that would be told to have arrived.
            while self.wal.state().records > 0 && *released.borrow_and_update() < all {
                if released.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(deadline, done).await.unwrap_or(false)
    }

    /// Ends forwarding; waits three seconds at most for the acknowledgement of what is on its way. What has none by then is
    /// sent again when the log is opened the next time.
    pub async fn close(self) {
        self.stop.send_replace(true);
        // Why it ended is in its own words in the log; there is nothing left to end.
        let _ = self.task.await;
    }
}
