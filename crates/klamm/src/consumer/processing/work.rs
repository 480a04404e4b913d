//! Pure: what was taken of which partition, what of it is in work, and what may be committed.
//!
//! Pieces - records or batches - are offered in the order of their offsets, started when a worker is free
//! and nothing that must come before is unfinished, and finished in any order. The first piece
//! of a partition that is not done with is what is committed, never more.

use super::lanes::{LaneId, Lanes, Piece, Tenure};
use super::options::{OnError, RunOptions};
use super::window::Window;
use crate::consumer::TopicPartition;
use crate::consumer::fetch::Position;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A record or batch to be worked on.
#[derive(Debug, Clone)]
pub(super) struct Offered<T> {
    /// Of its first record.
    pub(super) offset: i64,
    /// Where its partition goes on behind it.
    pub(super) end: Position,
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// Pieces with the same key are worked on in order; `None` has no order with others.
    pub(super) key: Option<u64>,
    pub(super) what: T,
}

/// A piece that was started; give it back to [`Work::finished`], once.
#[derive(Debug)]
pub(super) struct Job<T> {
    pub(super) lane: LaneId,
    pub(super) what: T,
}

/// What a failure comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    /// It is tried again.
    Retry,
    /// It counts as done.
    Skipped,
    /// It ends the whole.
    Stop,
    /// Its partition is leaving or gone: somebody else will read it.
    Left,
}

/// Who should look again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Whoever reads: there is room, something to resume, an earlier timeout, or all is over.
    pub(super) reader: bool,
    /// Whoever waits for a partition that is leaving: nothing of one is in work any more.
    pub(super) left: bool,
}

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) handled: u64,
    pub(super) retried: u64,
    pub(super) skipped: u64,
}

#[derive(Debug, Clone)]
struct Partition {
    name: TopicPartition,
    tenure: Tenure,
    window: Window,
    /// Pieces that are neither done nor dropped.
    pieces: usize,
    /// The number behind the last that was begun.
    begun: u64,
    paused: bool,
    /// It is revoked.
    leaving: bool,
}

/// See the module's head.
#[derive(Debug, Clone)]
pub(super) struct Work<T> {
    options: RunOptions,
    partitions: BTreeMap<Tenure, Partition>,
    tenures: BTreeMap<TopicPartition, Tenure>,
    last_tenure: Tenure,
    lanes: Lanes<T>,
    running: usize,
    /// Taken and neither done nor dropped.
    pieces: usize,
    records: usize,
    bytes: usize,
    /// A bound was reached; lifted at half of it.
    full: bool,
    stopped: bool,
    /// Partitions that may be read on.
    resume: BTreeSet<TopicPartition>,
    news: News,
    counts: Counts,
    finished_at: Option<Instant>,
}

impl<T: Clone> Work<T> {
    pub(super) fn new(options: RunOptions) -> Self {
        Self {
            options,
            partitions: BTreeMap::new(),
            tenures: BTreeMap::new(),
            last_tenure: 0,
            lanes: Lanes::new(),
            running: 0,
            pieces: 0,
            records: 0,
            bytes: 0,
            full: false,
            stopped: false,
            resume: BTreeSet::new(),
            news: News::default(),
            counts: Counts::default(),
            finished_at: None,
        }
    }

    /// Takes what was read of a partition in one piece, and behind which reading goes on at `end`.
    ///
    /// When it does not lie behind what was taken before, the application has gone back: the partition begins
    /// anew. When the partition is leaving or all is stopped, it stays undone.
    ///
    /// True if no more of it is to be read until [`Work::poll_resume`] says so.
    #[must_use]
    pub(super) fn offer(
        &mut self,
        name: &TopicPartition,
        pieces: impl IntoIterator<Item = Offered<T>>,
        end: Position,
    ) -> bool {
        let mut pieces = pieces.into_iter().peekable();
        let tenure = pieces.peek().map(|first| self.tenure(name, first.offset));
        let Some(partition) = tenure.and_then(|of| self.partitions.get_mut(&of)) else {
            return false;
        };
        let goes_on = !self.stopped && !partition.leaving;
        for Offered { offset, end, records, bytes, key, what } in pieces {
            let number = partition.window.take(offset, records, end);
            if !goes_on {
                // Whoever reads on has to find it.
                continue;
            }
            partition.pieces += 1;
            self.pieces += 1;
            self.records += records;
            self.bytes += bytes;
            let piece = Piece { number, records, bytes, failures: 0, what };
            self.lanes.push(partition.tenure, key, piece);
        }
        partition.window.ends_at(end);
        let over = partition.window.records() >= self.options.max_partition_records;
        partition.paused = goes_on && over;
        let paused = partition.paused;
        self.full |=
            self.records >= self.options.max_records || self.bytes >= self.options.max_bytes;
        paused
    }

    /// The tenure under which a piece at `offset` is taken.
    fn tenure(&mut self, name: &TopicPartition, offset: i64) -> Tenure {
        let mut leaving = false;
        if let Some(tenure) = self.tenures.get(name)
            && let Some(partition) = self.partitions.get(tenure)
        {
            if offset >= partition.window.end() {
                return *tenure;
            }
            leaving = partition.leaving;
            self.release(name);
        }
        self.last_tenure += 1;
        let partition = Partition {
            name: name.clone(),
            tenure: self.last_tenure,
            window: Window::new(offset),
            pieces: 0,
            begun: 0,
            paused: false,
            leaving,
        };
        self.partitions.insert(self.last_tenure, partition);
        self.tenures.insert(name.clone(), self.last_tenure);
        self.last_tenure
    }

    /// Something to work on, if there is any and a worker may take it.
    pub(super) fn poll_start(&mut self, now: Instant) -> Option<Job<T>> {
        if self.running >= self.options.workers {
            return None;
        }
        let (lane, tenure, piece) = self.lanes.start(now)?;
        let (what, number) = (piece.what.clone(), piece.number);
        self.running += 1;
        if let Some(partition) = self.partitions.get_mut(&tenure) {
            partition.begun = partition.begun.max(number + 1);
        }
        Some(Job { lane, what })
    }

    /// Whether [`Work::poll_start`] would return something.
    pub(super) fn can_start(&self, now: Instant) -> bool {
        self.running < self.options.workers && self.lanes.can_start(now)
    }

    /// When something that failed is to be tried again, of what is not due yet.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.lanes.next_retry_after(now)
    }

    /// A piece was worked on, well or not.
    pub(super) fn finished(&mut self, lane: LaneId, well: bool, now: Instant) -> Ending {
        let Some((tenure, piece)) = self.lanes.running(lane) else { return Ending::Left };
        piece.failures = piece.failures.saturating_add(u32::from(!well));
        let (number, failures) = (piece.number, piece.failures);
        self.running -= 1;
        self.finished_at = Some(now);
        let partition = self.partitions.get_mut(&tenure);
        let goes_on = !self.stopped && partition.as_ref().is_some_and(|p| !p.leaving);
        let again = failures <= self.options.retries || self.options.retries == u32::MAX;
        let ending = match self.options.on_error {
            _ if well => Ending::Done,
            _ if again && goes_on => Ending::Retry,
            OnError::Skip if !again => Ending::Skipped,
            OnError::Stop if !again && goes_on => Ending::Stop,
            _ => Ending::Left,
        };
        if let Some(partition) = partition
            && matches!(ending, Ending::Done | Ending::Skipped)
        {
            partition.window.done(number);
        }
        if ending == Ending::Retry {
            let due = now + self.options.backoff(failures);
            self.news.reader |= self.poll_timeout(now).is_none_or(|first| due < first);
            self.lanes.retry(lane, due);
        } else if let Some(piece) = self.lanes.advance(lane) {
            self.give_back(tenure, &piece);
        }
        if ending == Ending::Stop {
            self.stop();
        }
        if matches!(ending, Ending::Stop | Ending::Left) {
            // Whoever reads on begins with it: what comes after it would be handled twice.
            self.cut(&BTreeMap::from([(tenure, number)]));
        }
        self.count(ending);
        ending
    }

    fn count(&mut self, ending: Ending) {
        match ending {
            Ending::Done => self.counts.handled += 1,
            Ending::Retry => self.counts.retried += 1,
            Ending::Skipped => self.counts.skipped += 1,
            Ending::Stop | Ending::Left => {}
        }
    }

    /// A piece is gone, and what waited for that goes on.
    fn give_back(&mut self, tenure: Tenure, piece: &Piece<T>) {
        self.pieces -= 1;
        self.records -= piece.records;
        self.bytes -= piece.bytes;
        let (records, bytes) = (self.options.max_records / 2, self.options.max_bytes / 2);
        if self.full && self.records <= records && self.bytes <= bytes {
            self.full = false;
            self.news.reader = true;
        }
        self.news.reader |= self.stopped && self.pieces == 0;
        let Some(partition) = self.partitions.get_mut(&tenure) else { return };
        partition.pieces -= 1;
        self.news.left |= partition.leaving && partition.pieces == 0;
        let low = self.options.max_partition_records / 2;
        if partition.paused && !partition.leaving && partition.window.records() <= low {
            partition.paused = false;
            self.resume.insert(partition.name.clone());
            self.news.reader = true;
        }
    }

    /// Lets a partition end: what is in work, and what stands before the last that was begun, so that
    /// nobody has to do again what is done. See [`Work::is_idle`].
    ///
    /// What has failed is not tried again: it is where the next owner begins.
    pub(super) fn revoke(&mut self, name: &TopicPartition) {
        let Some(tenure) = self.tenures.get(name).copied() else { return };
        let Some(partition) = self.partitions.get_mut(&tenure) else { return };
        partition.leaving = true;
        let failed = self.lanes.first_waiting().get(&tenure).copied();
        let from = failed.map_or(partition.begun, |failed| failed.min(partition.begun));
        self.cut(&BTreeMap::from([(tenure, from)]));
    }

    /// Whether nothing of a partition is to be done.
    pub(super) fn is_idle(&self, name: &TopicPartition) -> bool {
        let partition = self.tenures.get(name).and_then(|tenure| self.partitions.get(tenure));
        partition.is_none_or(|partition| partition.pieces == 0)
    }

    /// Forgets a partition that is somebody else's now. What is in work of it may end, and counts for
    /// nothing.
    pub(super) fn release(&mut self, name: &TopicPartition) {
        let Some(tenure) = self.tenures.remove(name) else { return };
        self.cut(&BTreeMap::from([(tenure, 0)]));
        self.partitions.remove(&tenure);
        self.resume.remove(name);
    }

    /// Lets all partitions end as [`Work::revoke`] does one. See [`Work::is_drained`].
    pub(super) fn stop(&mut self) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        self.news.reader = true;
        let begun = self.partitions.iter().map(|(tenure, partition)| (*tenure, partition.begun));
        let mut from: BTreeMap<Tenure, u64> = begun.collect();
        for (tenure, failed) in self.lanes.first_waiting() {
            from.entry(tenure).and_modify(|from| *from = failed.min(*from));
        }
        self.cut(&from);
    }

    /// Whether [`Work::stop`] was called, or an error has stopped all.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether all is stopped and nothing is to be done.
    pub(super) fn is_drained(&self) -> bool {
        self.stopped && self.pieces == 0
    }

    fn cut(&mut self, from: &BTreeMap<Tenure, u64>) {
        for (tenure, piece) in self.lanes.cut(from) {
            self.give_back(tenure, &piece);
        }
    }

    /// Whether more should be read.
    pub(super) fn has_room(&self) -> bool {
        !self.full && !self.stopped
    }

    /// A partition that may be read on.
    pub(super) fn poll_resume(&mut self) -> Option<TopicPartition> {
        self.resume.pop_first()
    }

    /// Who should look again since this was last asked.
    pub(super) fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// The first of a partition that was taken and is not done with; everything before it is done.
    /// `None` if there is none.
    pub(super) fn undone(&self, name: &TopicPartition) -> Option<Position> {
        self.partitions.get(self.tenures.get(name)?)?.window.undone()
    }

    /// When something was finished last.
    pub(super) fn finished_at(&self) -> Option<Instant> {
        self.finished_at
    }

    /// Every partition of which something was taken, and whether it is to pause.
    pub(super) fn partitions(&self) -> impl Iterator<Item = (&TopicPartition, bool)> {
        self.partitions.values().map(|partition| (&partition.name, partition.paused))
    }

    /// How many pieces are in work.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// The piece that is in work in a lane.
    pub(super) fn at_work(&mut self, lane: LaneId) -> Option<&T> {
        self.lanes.running(lane).map(|(_, piece)| &piece.what)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}
