//! What an application hears of rebalances.

use crate::consumer::{Consumer, TopicPartition};
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use tokio::time::Instant;

/// What a [`RebalanceListener`] does.
pub type ListenerFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Told what a rebalance gives and takes.
///
/// One call is made at a time, in the order in which things happen. The futures run on the runtime on which
/// the consumer was made, or on a thread of their own if it was made outside of one. The consumer they
/// are given is the one they listen to: it can commit, seek, pause and look at positions; it must not be
/// polled or closed from here.
///
/// A future that panics counts as done.
pub trait RebalanceListener: Send + Sync + fmt::Debug {
    /// These partitions are read from now on. Reading begins when the future is ready; a seek in it takes
    /// the place of the committed offset.
    fn assigned<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(ready(()))
    }

    /// These partitions go to other members when the future is ready, at `deadline` at the latest.
    ///
    /// Nothing more of them is handed out, and what was handed out has been followed by a poll, so that
    /// the consumer's positions are what is to be committed. With automatic commits that happens after
    /// this.
    fn revoked<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
        deadline: Instant,
    ) -> ListenerFuture<'a> {
        let _ = (consumer, partitions, deadline);
        Box::pin(ready(()))
    }

    /// These partitions belong to other members already: commits of them are refused.
    fn lost<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(ready(()))
    }
}
