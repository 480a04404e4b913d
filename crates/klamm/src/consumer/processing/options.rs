//! Pure: how records are handled in parallel.

use crate::config::ConfigError;
use std::time::Duration;

/// What of a partition has to be handled in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ProcessingOrder {
    /// Records with the same key, one after the other. Those without a key in any order.
    #[default]
    Key,
    /// All records of a partition, one after the other.
    Partition,
    /// Nothing: as many at once as there are workers.
    Unordered,
}

/// What to do with a record whose handler has failed for good, or panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnError {
    /// End `run` with the error. The record is not committed: whoever reads on begins with it.
    #[default]
    Stop,
    /// Go on without it, as if it were done; it is logged and counted.
    Skip,
}

/// How [`Consumer::run`](crate::Consumer::run) handles records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    pub(super) order: ProcessingOrder,
    pub(super) workers: usize,
    pub(super) max_records: usize,
    pub(super) max_partition_records: usize,
    pub(super) max_bytes: usize,
    pub(super) retries: u32,
    pub(super) retry_backoff: Duration,
    pub(super) retry_backoff_max: Duration,
    pub(super) on_error: OnError,
    pub(super) drain_timeout: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            order: ProcessingOrder::Key,
            workers: 16,
            max_records: 10_000,
            max_partition_records: 2_000,
            max_bytes: 32 * 1024 * 1024,
            retries: 0,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(10),
            on_error: OnError::Stop,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl RunOptions {
    /// Sets what is handled in order. Default: records with the same key.
    pub fn order(mut self, order: ProcessingOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets how many handlers run at once. Default: 16.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets at how many records that are taken and not done with no more are taken. What was taken in
    /// one piece, at most `max.poll.records`, may go over it. Default: 10,000.
    pub fn max_records(mut self, records: usize) -> Self {
        self.max_records = records;
        self
    }

    /// Sets how far a partition is read past its first record that is not done with, in records; the
    /// partition is then paused, others go on. It is also what is handled again after a crash, and may
    /// be passed as [`RunOptions::max_records`]. Default: 2,000.
    pub fn max_partition_records(mut self, records: usize) -> Self {
        self.max_partition_records = records;
        self
    }

    /// As [`RunOptions::max_records`], in bytes. `fetch.buffer.memory` bounds what these records keep in
    /// memory with their neighbours. Default: 32 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets how often a record whose handler failed or panicked is handed to it again; `u32::MAX` is for
    /// ever. Those that must come after it wait. Default: 0.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the wait before the first retry, which doubles up to `max`. Default: 100 ms, 10 s.
    pub fn retry_backoff(mut self, first: Duration, max: Duration) -> Self {
        self.retry_backoff = first;
        self.retry_backoff_max = max;
        self
    }

    /// Sets what to do with a record that is not to be tried again. Default: stop.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// Sets how long handlers may take when `run` ends; then they are dropped where they wait, and their
    /// records are not committed. Default: 30 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("workers", self.workers),
            ("max_records", self.max_records),
            ("max_partition_records", self.max_partition_records),
            ("max_bytes", self.max_bytes),
        ];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(ConfigError::invalid(name, "at least 1")),
            None => Ok(()),
        }
    }

    /// The wait before a retry, after so many failures.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.retry_backoff.saturating_mul(1 << doublings).min(self.retry_backoff_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_refused_by_name() {
        let options = RunOptions::default;
        assert_eq!(options().validate(), Ok(()));
        let refused = [
            (options().workers(0), "workers"),
            (options().max_records(0), "max_records"),
            (options().max_partition_records(0), "max_partition_records"),
            (options().max_bytes(0), "max_bytes"),
        ];
        for (options, name) in refused {
            let error = options.validate().unwrap_err().to_string();
            assert!(error.contains(name), "{error} names {name}");
        }
    }

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        let ms = Duration::from_millis;
        let options = RunOptions::default().retry_backoff(ms(100), ms(1_000));
        let waits = [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (u32::MAX, 1_000)];
        for (failures, wait) in waits {
            assert_eq!(options.backoff(failures), ms(wait), "after {failures}");
        }
    }
}
