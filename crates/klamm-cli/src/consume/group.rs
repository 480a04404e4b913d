//! Reading as a member of a group: what is committed is what was written, never more.

use super::args::Consume;
use super::offset::{From, Range};
use crate::failure::{FAILED, Failure, UNAUTHORIZED, USAGE};
use klamm::consumer::ListenerFuture;
use klamm::{
    Batch, CommitError, Consumer, ConsumerConfig, ErrorKind, OffsetAndMetadata, RebalanceListener,
    TopicPartition,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Time between commits.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// How far partitions have come.
type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// What a member has to keep in mind.
#[derive(Debug)]
pub(super) struct Membership {
    /// Partitions that go, from the listener.
    pub(super) changes: mpsc::Receiver<Change>,
    /// Whether to end when nothing is left to read.
    pub(super) exit_eof: bool,
    /// Where to begin what has no committed offset.
    pub(super) from_end: bool,
    /// Of records that are on their way to the output.
    formatted: Offsets,
    /// Of records that are written.
    written: Offsets,
    due: Instant,
}

/// Partitions that go to other members, or have gone.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) lost: bool,
    /// Dropped when the reader is done with it.
    pub(super) done: oneshot::Sender<()>,
}

/// Takes the news to the reader, and waits for it to be done.
#[derive(Debug)]
struct Listener {
    reader: mpsc::Sender<Change>,
    from_end: bool,
}

impl Listener {
    async fn tell(&self, partitions: &[TopicPartition], lost: bool) {
        let (done, wait) = oneshot::channel();
        // A reader that is gone, or has dropped its side, is done.
        if self.reader.send(Change { partitions: partitions.to_vec(), lost, done }).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Moves what has no committed offset to where it is to begin.
    async fn begin(&self, consumer: &Consumer, partitions: &[TopicPartition]) {
        let Ok(committed) = consumer.committed(partitions.iter().cloned()).await else { return };
        for partition in committed.into_iter().filter(|(_, at)| at.is_none()).map(|(tp, _)| tp) {
            // If it was taken away again, it need not begin.
            let _ = match self.from_end {
                true => consumer.seek_to_end(&partition),
                false => consumer.seek_to_beginning(&partition),
            };
        }
    }
}

impl RebalanceListener for Listener {
    fn assigned<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(self.begin(consumer, partitions))
    }

    fn revoked<'a>(
        &'a self,
        _: &'a Consumer,
        partitions: &'a [TopicPartition],
        _: Instant,
    ) -> ListenerFuture<'a> {
        Box::pin(self.tell(partitions, false))
    }

    fn lost<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> ListenerFuture<'a> {
        Box::pin(self.tell(partitions, true))
    }
}

impl Membership {
    /// Makes the consumer a member that commits by hand.
    pub(super) fn join(
        config: ConsumerConfig,
        args: &Consume,
        range: Range,
    ) -> Result<(ConsumerConfig, Self), Failure> {
        let from_end = match range {
            Range { from: From::Start(0), until: None } => false,
            Range { from: From::End(0), until: None } => true,
            _ => {
                let text = "with -g, -o says where to begin what the group has not committed: start or end";
                return Err(Failure::new(USAGE, text));
            }
        };
        // One call of the listener at a time.
        let (tell, changes) = mpsc::channel(1);
        let listener = Listener { reader: tell, from_end };
        let config = config.auto_commit(false).rebalance_listener(Arc::new(listener));
        let config = match args.regex {
            true => config.subscribe_pattern(pattern(&args.topics)),
            false => config.subscribe(&args.topics),
        };
        let membership = Self {
            changes,
            exit_eof: args.exit_eof,
            from_end,
            formatted: Offsets::new(),
            written: Offsets::new(),
            due: Instant::now(),
        };
        Ok((config, membership))
    }

    /// A batch is formatted up to this offset.
    pub(super) fn came_to(&mut self, batch: &Batch, offset: i64) {
        let partition = TopicPartition::new(batch.topic(), batch.partition());
        let mut at = OffsetAndMetadata::new(offset);
        if offset == batch.next_offset() {
            at.leader_epoch = batch.next_leader_epoch();
        }
        self.formatted.insert(partition, at);
    }

    /// Everything that was formatted is written.
    pub(super) fn all_written(&mut self) {
        self.written.append(&mut self.formatted);
    }

    /// When there is something to commit next.
    pub(super) fn due(&self) -> Option<Instant> {
        let anything = !self.formatted.is_empty() || !self.written.is_empty();
        anything.then_some(self.due)
    }

    pub(super) fn is_due(&self) -> bool {
        self.due().is_some_and(|due| due <= Instant::now())
    }

    /// Commits what is written.
    pub(super) async fn commit(&mut self, consumer: &Consumer) -> Result<(), Failure> {
        self.due = Instant::now() + COMMIT_EVERY;
        let offsets = std::mem::take(&mut self.written);
        commit(consumer, offsets).await
    }

    /// Commits what is written of partitions that go; of those that are gone nothing can be.
    pub(super) async fn let_go(
        &mut self,
        change: Change,
        consumer: &Consumer,
    ) -> Result<(), Failure> {
        let mut going = Offsets::new();
        for partition in &change.partitions {
            self.formatted.remove(partition);
            going.extend(self.written.remove_entry(partition));
        }
        // Nobody waits any more: it took too long, and others read them already.
        if change.lost || change.done.is_closed() {
            return Ok(());
        }
        let committed = commit(consumer, going).await;
        // The listener may have given up.
        let _ = change.done.send(());
        committed
    }
}

/// Expressions that are found in a name, as one that is the whole of it.
fn pattern(expressions: &[String]) -> String {
    let found = expressions.iter().map(|expression| format!(".*(?:{expression}).*"));
    found.collect::<Vec<_>>().join("|")
}

async fn commit(consumer: &Consumer, offsets: Offsets) -> Result<(), Failure> {
    if offsets.is_empty() {
        return Ok(());
    }
    match consumer.commit_offsets(offsets).await {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Unauthorized => {
            Err(Failure::new(UNAUTHORIZED, error.to_string()))
        }
        // Others read these partitions now, from the last commit on; that is no failure of this member.
        Err(error) if error.kind() == ErrorKind::Fenced => {
            tracing::warn!("{error}");
            Ok(())
        }
        Err(CommitError::Closed) => Ok(()),
        Err(error) => Err(Failure::new(FAILED, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::pattern;
    use regex::Regex;

    #[test]
    fn what_is_found_in_a_name_is_part_of_the_whole() {
        let expressions = ["^a|b$".to_owned(), "x".to_owned()];
        let whole = Regex::new(&format!("^(?:{})$", pattern(&expressions))).unwrap();
        for (name, matches) in [
            ("a", true),
            ("abc", true),
            ("cb", true),
            ("cbc", false),
            ("axb", true),
            ("-x-", true),
            ("", false),
        ] {
            assert_eq!(whole.is_match(name), matches, "{name}");
        }
    }
}
