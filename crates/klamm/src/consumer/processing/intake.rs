//! What a consumer knows of a run: who takes what it hands out, and how far that is done.

use crate::consumer::TopicPartition;
use crate::consumer::fetch::{Batch, Position};
use std::fmt::Debug;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Stands where the application does otherwise: batches are handed to it, and it says itself what of them
/// is processed.
///
/// It is called while the consumer's state is locked and must not touch it.
pub(in super::super) trait Intake: Send + Sync + Debug {
    /// Takes what was read. True if the partition is to be paused.
    #[must_use]
    fn take(&self, tp: &TopicPartition, batch: Batch) -> bool;

    /// Begins nothing more of a partition.
    fn hold_back(&self, tp: &TopicPartition);

    /// The partition is no longer assigned, or was assigned anew.
    fn release(&self, tp: &TopicPartition);

    /// Whether a handler is at work on a partition.
    fn is_in_work(&self, tp: &TopicPartition) -> bool;

    /// The first of a partition that was taken and is not done with; `None` if all is.
    fn undone(&self, tp: &TopicPartition) -> Option<Position>;

    /// When a handler ended last.
    fn finished_at(&self) -> Option<Instant>;

    /// Begins nothing more at all, so that the run ends.
    fn stop(&self);

    /// How long the run may take to end.
    fn drain_timeout(&self) -> Duration;

    /// All partitions of which something was taken, and whether they are paused for the run's sake.
    fn partitions(&self) -> Vec<(TopicPartition, bool)>;

    /// Told when the run has ended and the consumer knows how far it came.
    fn ended(&self) -> &Notify;
}
