//! The fetcher: the one task of a consumer that asks brokers for records and makes batches of answers.
//!
//! It runs on the client's I/O thread and is a single loop over what the application has changed, newer
//! metadata, the answers of brokers, lookups of offsets and epochs, decompression on worker threads, and
//! one timer. What is known of partitions lies in [`Shared`], whose lock is held for moments only.

mod answer;
mod broker;
mod decoding;
mod leaders;
mod lookups;
mod settings;

use self::broker::Broker;
use self::decoding::{DecodeDone, DecodeTask};
use self::leaders::Unknown;
use self::lookups::LookupDone;
use self::settings::FetchSettings;
use super::fetch::{Budget, LANES};
use super::shared::Shared;
use crate::client::{ClientInner, ConnectionClass};
use crate::config::ConsumerConfig;
use crate::metadata::Cluster;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Sleep};

/// See the module's head.
pub(super) struct Fetcher {
    settings: FetchSettings,
    shared: Arc<Shared>,
    client: Arc<ClientInner>,
    /// By lane.
    classes: [ConnectionClass; LANES],
    budget: Budget,
    cluster: Arc<Cluster>,
    brokers: BTreeMap<i32, Broker>,
    /// When a request that may be answered by then is not waited for any more.
    lane_free_at: Option<Instant>,
    unknown: Unknown,
    /// At most one for each partition.
    lookups: JoinSet<LookupDone>,
    /// At most [`decoding::WORKERS`].
    working: JoinSet<DecodeDone>,
    /// Answers that wait for a worker or for memory, at most one for each partition.
    waiting: VecDeque<DecodeTask>,
    /// What the budget had lent out when it had no room for the first of those.
    blocked_at: Option<usize>,
    /// Whether something was made ready in this round.
    news: bool,
    timer: Pin<Box<Sleep>>,
}

impl Fetcher {
    pub(super) fn new(config: &ConsumerConfig, client: Arc<ClientInner>) -> Self {
        let settings = FetchSettings::new(config, &client.config);
        let shared = Arc::new(Shared::new(settings.positions, config.fetch_buffer_memory));
        let timer = {
            let _runtime = client.io.enter();
            Box::pin(tokio::time::sleep(Duration::ZERO))
        };
        Self {
            budget: shared.budget.clone(),
            settings,
            shared,
            classes: std::array::from_fn(|_| client.new_fetch_class()),
            // Looked at in the first round.
            cluster: Arc::default(),
            client,
            brokers: BTreeMap::new(),
            lane_free_at: None,
            unknown: Unknown::default(),
            lookups: JoinSet::new(),
            working: JoinSet::new(),
            waiting: VecDeque::new(),
            blocked_at: None,
            news: false,
            timer,
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs until the consumer or the client is closed.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        self.end_sessions();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.shared.doorbell.answer();
            if self.client.is_closed() || self.shared.lock().closed {
                return Poll::Ready(());
            }
            let now = Instant::now();
            self.look_at_positions(now);
            let mut busy = self.poll_lookups(cx, now);
            busy |= self.poll_answers(cx, now);
            busy |= self.poll_decoding(cx, now);
            busy |= self.send(cx, now);
            if std::mem::take(&mut self.news) {
                self.shared.ready.notify_one();
            }
            if !busy && self.sleep(cx, now) {
                return Poll::Pending;
            }
        }
    }

    /// Sets the timer and leaves the waker; false if there is something to do.
    fn sleep(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let timeout = self.shared.lock().positions.next_timeout(now.into_std());
        let throttled = self.brokers.values().filter_map(|b| b.throttled_until);
        let throttled = throttled.filter(|until| *until > now).min();
        let timeout = timeout.map(Instant::from_std);
        let timeouts = [timeout, throttled, self.lane_free_at, self.unknown.ask_at];
        let deadline = timeouts.into_iter().flatten().min();
        if let Some(at) = deadline {
            self.timer.as_mut().reset(at);
            if self.timer.as_mut().poll(cx).is_ready() {
                return false;
            }
        }
        self.shared.doorbell.sleep(cx.waker())
    }

    /// Newer metadata, partitions that do not move, and what has to be looked up.
    fn look_at_positions(&mut self, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        self.look_at_metadata(&mut state, now);
        let now = now.into_std();
        for (tp, event) in state.positions.stalled(now) {
            state.push_event(&tp, event);
            self.news = true;
            self.client.metadata.request_refresh();
        }
        let (resets, validations) =
            (state.positions.resets_due(now), state.positions.validations_due(now));
        drop(state);
        self.look_up(resets);
        self.validate(validations);
    }
}

/// However the fetcher ends - closed, or its thread gone - nobody waits for ever.
impl Drop for Fetcher {
    fn drop(&mut self) {
        self.shared.end(self.client.is_closed());
    }
}

/// A task panicked, and what it was to say of its partitions is lost: the fetcher ends with it, which the
/// application is told. One that was cancelled ends with the runtime.
fn give_up(error: JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}

/// Wakes the fetcher for newer metadata for as long as there is one.
pub(super) async fn follow_metadata(shared: Weak<Shared>, client: Weak<ClientInner>) {
    let Some(mut changes) = client.upgrade().map(|c| c.metadata.changes()) else { return };
    while changes.changed().await.is_ok() {
        match shared.upgrade() {
            Some(shared) => shared.doorbell.ring(),
            None => return,
        }
    }
}
