//! The one task: reads the log, asks the window, sends, and releases what is done.

use super::config::ForwardConfig;
use super::connect::{Connected, connect};
use super::in_hand::InHand;
use super::judging::{Doom, LETTERS_MAX, Posted};
use super::reach;
use super::sending::{Sticky, give};
use super::shared::Shared;
use super::tracks::{Finished, Tracks};
use super::window::{LaneId, Limits, Offer, Pass, Window};
use crate::accepted::Accepted;
use crate::dead_letter::LetterDesk;
use crate::wal::{Again, Wal, WalAgain, WalReader};
use klamm::{EnqueueError, ErrorCode};
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What is read of the log at a time.
const READ_BYTES: usize = 512 * 1024;
/// A record that has to wait is looked at again after this, at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often what the task says of itself is brought up to date while nothing happens.
const TELL: Duration = Duration::from_secs(1);
/// A new producer is made no more often than this.
const REBUILD_MS: u64 = 1_000;
/// How long the end waits for what is on its way.
const END_WAIT: Duration = Duration::from_secs(3);
/// Stuck lanes that are named.
const STUCK_MAX: usize = 100;
/// Events on their way to the task.
const EVENTS_MAX: usize = 1_024;

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What was begun elsewhere and has come to an end.
#[derive(Debug)]
pub(super) enum Event {
    Asked {
        taken: super::taken::Taken,
        record: Accepted,
        result: Result<usize, EnqueueError>,
    },
    Lettered {
        taken: super::taken::Taken,
        error: ErrorCode,
        reason: Arc<str>,
        result: Result<(), String>,
    },
}

/// What is read again at the moment.
#[derive(Default)]
struct Sweep {
    /// The sequence that comes next.
    at: u64,
    records: InHand,
    /// Where to go on behind them.
    next: Option<u64>,
    reading: Option<Reading>,
}

/// A part of the log on its way, from a sequence on.
struct Reading {
    from: u64,
    part: Later<Result<Again, String>>,
}

impl Reading {
    fn begin(again: &WalAgain, from: u64, end: u64) -> Self {
        Self { from, part: Box::pin(again.begin(from, end)) }
    }
}

/// See the module's head.
pub(super) struct Task {
    wal: Wal,
    reader: WalReader,
    again: WalAgain,
    pub(super) config: Arc<ForwardConfig>,
    pub(super) shared: Arc<Shared>,
    began: Instant,
    pub(super) window: Window,
    pub(super) tracks: Tracks,
    pub(super) finished: Vec<Finished>,
    /// Somebody may ask what becomes of the records in hand. Who does later, asks for later ones.
    pub(super) wanted: bool,
    pub(super) connected: Option<Connected>,
    connecting: Option<Later<Connected>>,
    /// Used once nothing is with the one before it any more: else later records could pass those.
    arrived: Option<Connected>,
    front: InHand,
    ended: bool,
    sweep: Sweep,
    /// Partitions that the producer has broken off.
    pub(super) broken: BTreeMap<Arc<str>, BTreeSet<i32>>,
    pub(super) sticky: BTreeMap<Arc<str>, Sticky>,
    /// Since when lanes have had a trouble that ends in dead letters.
    pub(super) graces: BTreeMap<LaneId, u64>,
    pub(super) doomed: BTreeMap<LaneId, Doom>,
    pub(super) asking: usize,
    pub(super) events: mpsc::Sender<Event>,
    happened: mpsc::Receiver<Event>,
    pub(super) letters: mpsc::Sender<Posted>,
    posted: Option<mpsc::Receiver<Posted>>,
    /// Lends what is connected to whoever puts dead letters away, and whoever asks whether Kafka is there.
    lent: watch::Sender<Option<Connected>>,
    pub(super) rebuild: bool,
    rebuilt_ms: u64,
    released: u64,
    pub(super) id: String,
    pub(super) id_prefix: usize,
    pub(super) sent: u64,
    pub(super) delivered: u64,
    pub(super) retried: u64,
    told: Instant,
}

impl Task {
    pub(super) fn new(
        wal: Wal,
        reader: WalReader,
        config: ForwardConfig,
        shared: Arc<Shared>,
        began: Instant,
    ) -> Self {
        let limits = Limits { bytes: config.window_bytes, ahead: config.window_records };
        let low = reader.passed();
        shared.released.send_replace(low);
        let id = format!("{}/", wal.instance());
        let (events, happened) = mpsc::channel(EVENTS_MAX);
        let (letters, posted) = mpsc::channel(LETTERS_MAX);
        Self {
            again: reader.again(),
            wal,
            reader,
            config: Arc::new(config),
            shared,
            began,
            window: Window::new(low, limits),
            tracks: Tracks::default(),
            finished: Vec::new(),
            wanted: false,
            connected: None,
            connecting: None,
            arrived: None,
            front: InHand::default(),
            ended: false,
            sweep: Sweep::default(),
            broken: BTreeMap::new(),
            sticky: BTreeMap::new(),
            graces: BTreeMap::new(),
            doomed: BTreeMap::new(),
            asking: 0,
            events,
            happened,
            letters,
            posted: Some(posted),
            lent: watch::Sender::new(None),
            rebuild: false,
            rebuilt_ms: 0,
            released: low,
            id_prefix: id.len(),
            id,
            sent: 0,
            delivered: 0,
            retried: 0,
            told: began,
        }
    }

    /// What is connected, as long as it is.
    pub(super) fn lent(&self) -> watch::Receiver<Option<Connected>> {
        self.lent.subscribe()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Runs until `stop` says so or is gone.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if let Some(posted) = self.posted.take() {
            let desk = LetterDesk::new(self.config.dead_letters.clone());
            tokio::spawn(put_letters(desk, posted, self.lent.subscribe(), self.events.clone()));
        }
        tokio::spawn(reach::watch(self.lent.subscribe(), self.shared.clone()));
        self.reconnect();
        loop {
            let moved = self.turn();
            let stopped =
                async { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} };
            tokio::select! {
                biased;
                () = stopped => break,
                () = self.wait(moved) => {}
            }
        }
        self.end().await;
    }

    /// Does all that can be done without waiting; says whether there may be more.
    fn turn(&mut self) -> bool {
        let now = self.now_ms();
        self.wanted = self.shared.outcomes.is_wanted();
        let mut moved = self.take_finished(now);
        while let Ok(event) = self.happened.try_recv() {
            self.handle(event, now);
            moved = true;
        }
        if self.arrived.is_some() && self.tracks.is_empty() {
            self.connected = self.arrived.take();
            self.lent.send_replace(self.connected.clone());
            moved = true;
        }
        if self.connected.is_some() {
            moved |= self.offer_front(now);
            moved |= self.offer_sweep(now);
        }
        self.send_unlogged(now);
        self.settle(now);
        moved
    }

    fn offer_front(&mut self, now: u64) -> bool {
        let mut front = std::mem::take(&mut self.front);
        let mut moved = false;
        while !front.is_empty() {
            let records = self.run_of(front.left());
            let count = match self.window.offer_run(Pass::Front, records, now) {
                Offer::Wait => break,
                Offer::Pass => 1,
                Offer::Take(taken) => self.send(taken, records, now),
            };
            front.pass(count);
            moved = true;
        }
        self.front = front;
        moved
    }

    /// How many of some records may go as one: what somebody may ask for goes by itself.
    fn run_of<'a>(&self, records: &'a [(u64, Accepted)]) -> &'a [(u64, Accepted)] {
        if self.wanted { &records[..1.min(records.len())] } else { records }
    }

    fn offer_sweep(&mut self, now: u64) -> bool {
        let mut moved = false;
        loop {
            let Some(at) = self.window.sweep(now) else {
                self.sweep = Sweep::default();
                return moved;
            };
            if self.sweep.at != at {
                self.sweep = Sweep { at, ..Sweep::default() };
            }
            let mut records = std::mem::take(&mut self.sweep.records);
            let Some((sequence, _)) = records.left().first() else {
                let Some(next) = self.sweep.next.take() else {
                    self.read_again(at);
                    return moved;
                };
                self.window.swept(next);
                self.sweep.at = self.sweep.at.max(next);
                moved = true;
                continue;
            };
            let run = self.run_of(records.left());
            let count = match self.window.offer_run(Pass::Sweep, run, now) {
                Offer::Wait => {
                    self.sweep.records = records;
                    return moved;
                }
                Offer::Pass => 1,
                Offer::Take(taken) => self.send(taken, run, now),
            };
            moved = true;
            self.sweep.at = sequence + count as u64;
            records.pass(count);
            self.sweep.records = records;
        }
    }

    fn read_again(&mut self, at: u64) {
        if self.sweep.reading.as_ref().is_none_or(|reading| reading.from != at) {
            self.sweep.reading = Some(Reading::begin(&self.again, at, self.window.front()));
        }
    }

    fn send_unlogged(&mut self, now: u64) {
        let timeout = u64::try_from(self.config.attempt_timeout.as_millis()).unwrap_or(u64::MAX);
        let producer = self.connected.as_ref().map(|connected| &connected.aside);
        let mut unlogged = self.shared.unlogged.lock();
        if !unlogged.is_empty() {
            let give = |record: &Accepted| give(producer, record);
            let ended = unlogged.send(give, now.saturating_sub(timeout));
            drop(unlogged);
            self.shared.state.lock().unlogged_lost += ended.lost;
        }
    }

    /// Releases what is done, makes a new producer if need be, and tells how things are.
    fn settle(&mut self, now: u64) {
        if self.front.is_empty() {
            self.window.pass(self.reader.passed());
        }
        self.shared.outcomes.begun(self.window.front());
        let low = self.window.low();
        if low > self.released {
            self.released = low;
            self.wal.release(low);
            self.shared.outcomes.released(low);
            self.shared.released.send_replace(low);
        }
        let due = self.rebuilt_ms == 0 || now.saturating_sub(self.rebuilt_ms) >= REBUILD_MS;
        if std::mem::take(&mut self.rebuild) && self.connected.is_some() && due {
            self.rebuilt_ms = now.max(1);
            self.shared.state.lock().rebuilt += 1;
            self.reconnect();
        }
        self.tell(now);
    }

    fn tell(&mut self, now: u64) {
        let mut state = self.shared.state.lock();
        state.in_flight = self.window.taken();
        state.sent = self.sent;
        state.delivered = self.delivered;
        state.retried = self.retried;
        state.released = self.released;
        if self.told.elapsed() >= LOOK_AGAIN {
            self.told = Instant::now();
            let stuck = self.window.stuck(now).take(STUCK_MAX);
            state.stuck = stuck.map(|(topic, partition)| (topic.to_owned(), partition)).collect();
        }
    }

    /// Gives the present producer up, if there is one, and makes another.
    fn reconnect(&mut self) {
        if let Some(old) = self.connected.take() {
            // Others may still have a clone of it.
            tokio::spawn(old.producer.close(Duration::ZERO));
        }
        self.lent.send_replace(None);
        self.broken.clear();
        let (config, shared) = (self.config.clone(), self.shared.clone());
        let failed = move |error: String| shared.failed(format!("no connection: {error}"));
        self.connecting = Some(Box::pin(async move { connect(&config, failed).await }));
    }

    /// What the producer believes of a topic that is gone is of no use.
    pub(super) fn forget_producer_topic(&mut self, topic: &str) {
        self.sticky.remove(topic);
    }

    /// Waits for anything to happen; hardly, when there may be more to do.
    async fn wait(&mut self, moved: bool) {
        let now = self.now_ms();
        let look_again = !self.front.is_empty() || !self.sweep.records.is_empty();
        let wakes = self.window.wakes_at().map(|at| Duration::from_millis(at.saturating_sub(now)));
        let most = if look_again { LOOK_AGAIN } else { TELL };
        let most = wakes.map_or(most, |wakes| wakes.max(Duration::from_millis(1)).min(most));
        let reads = self.front.is_empty() && !self.ended;
        // What was read ahead has to wait until what is before it was handed on.
        let sweeps = self.sweep.records.is_empty() && self.sweep.next.is_none();
        // Who has a 202 already waits for nothing.
        let hurry = self.shared.outcomes.is_wanted();
        let Self { tracks, finished, shared, happened, reader, sweep, connecting, .. } = self;
        tokio::select! {
            biased;
            () = poll_fn(|cx| {
                tracks.poll(cx, now, hurry, finished);
                let ended = shared.unlogged.lock().poll(cx);
                if ended.delivered + ended.lost > 0 {
                    let mut state = shared.state.lock();
                    state.unlogged_delivered += ended.delivered;
                    state.unlogged_lost += ended.lost;
                }
                if finished.is_empty() { Poll::Pending } else { Poll::Ready(()) }
            }) => {}
            Some(event) = happened.recv() => self.handle(event, now),
            connected = later(connecting) => {
                *connecting = None;
                self.arrived = Some(connected);
            }
            again = read_on(&mut sweep.reading), if sweeps => self.read(again),
            read = reader.next(READ_BYTES), if reads => match read {
                Some(records) => self.front = records.into(),
                None => self.ended = true,
            },
            () = shared.unlogged_came.notified() => {}
            () = tokio::task::yield_now(), if moved => {}
            () = tokio::time::sleep(most) => {}
        }
    }

    fn read(&mut self, again: Result<Again, String>) {
        self.sweep.reading = None;
        match again {
            Ok(again) => {
                self.sweep.records = again.records.into();
                self.sweep.next = Some(again.next);
                // The next part is read while this one is sent.
                let end = self.window.front();
                if again.next < end {
                    self.sweep.reading = Some(Reading::begin(&self.again, again.next, end));
                }
            }
            Err(error) => {
                self.shared.failed(format!("the log cannot be read: {error}"));
                let again = self.again.clone();
                let (from, end) = (self.sweep.at, self.window.front());
                let part = Box::pin(async move {
                    tokio::time::sleep(TELL).await;
                    again.read(from, end).await
                });
                self.sweep.reading = Some(Reading { from, part });
            }
        }
    }

    /// Waits a moment for what is on its way, and says goodbye to who waits.
    async fn end(mut self) {
        self.shared.unlogged.lock().close();
        let deadline = Instant::now() + END_WAIT;
        let now = self.now_ms();
        while !self.tracks.is_empty() || !self.shared.unlogged.lock().is_empty() {
            let Self { tracks, finished, shared, .. } = &mut self;
            let some = poll_fn(|cx| {
                tracks.poll(cx, now, true, finished);
                let ended = shared.unlogged.lock().poll(cx);
                let some = !finished.is_empty() || ended.delivered + ended.lost > 0;
                if some { Poll::Ready(()) } else { Poll::Pending }
            });
            if tokio::time::timeout_at(deadline, some).await.is_err() {
                break;
            }
            self.take_finished(now);
        }
        self.settle(now);
        self.shared.outcomes.close();
        self.lent.send_replace(None);
        if let Some(connected) = self.connected.take() {
            connected.producer.close(Duration::ZERO).await;
        }
    }
}

/// Polls a future that there may be.
async fn later<T>(future: &mut Option<Later<T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Polls a reading that there may be.
async fn read_on(reading: &mut Option<Reading>) -> Result<Again, String> {
    match reading {
        Some(reading) => (&mut reading.part).await,
        None => std::future::pending().await,
    }
}

/// Puts dead letters away one after the other, and tells of each.
async fn put_letters(
    mut desk: LetterDesk,
    mut posted: mpsc::Receiver<Posted>,
    mut lent: watch::Receiver<Option<Connected>>,
    events: mpsc::Sender<Event>,
) {
    while let Some(Posted { taken, letter }) = posted.recv().await {
        let Ok(connected) = lent.wait_for(Option::is_some).await.map(|lent| lent.clone()) else {
            return;
        };
        let Some(connected) = connected else { return };
        let (error, reason) = (letter.error, letter.reason.clone());
        let result = desk.put(&connected.aside, letter).await;
        if events.send(Event::Lettered { taken, error, reason, result }).await.is_err() {
            return;
        }
    }
}
