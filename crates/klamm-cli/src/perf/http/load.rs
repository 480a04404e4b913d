//! The load: threads with connections that ask a schedule for their next request.

use super::answer::Answer;
use super::books::{Books, Ledger};
use super::connection::Connection;
use super::request::Request;
use super::schedule::{Plan, Schedule, Slot};
use crate::failure::{FAILED, Failure, INTERNAL};
use crate::perf::measure::Meter;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// After a connection that could not be opened, before the next try.
const PAUSE: Duration = Duration::from_millis(10);

/// What every thread of the load shares.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) address: String,
    pub(super) request: Request,
    pub(super) plan: Plan,
    pub(super) connections: u32,
    pub(super) threads: u32,
    pub(super) timeout: Duration,
    /// Whether it is remembered which requests were accepted.
    pub(super) verify: bool,
    pub(super) ledger: Option<Ledger>,
    /// Takes the time from when a request was due until it was accepted.
    pub(super) meter: Arc<Meter>,
}

impl Load {
    /// Sends everything and waits for the answers.
    pub(super) async fn run(&self) -> Result<Books, Failure> {
        let mut running = Vec::new();
        for thread in 0..self.threads {
            let (load, (done, books)) = (self.clone(), oneshot::channel());
            let name = std::thread::Builder::new().name(format!("load-{thread}"));
            // Nobody waits any more: then nobody needs the books.
            let spawned = name.spawn(move || drop(done.send(load.thread(thread))));
            spawned.map_err(|e| Failure::new(INTERNAL, format!("no thread: {e}")))?;
            running.push(books);
        }
        let mut books = self.books();
        for thread in running {
            let ended = || Failure::new(INTERNAL, "a thread of the load has ended");
            books.merge(thread.await.map_err(|_| ended())??);
        }
        Ok(books)
    }

    fn books(&self) -> Books {
        Books::new(self.request.records(), self.verify, self.ledger.clone())
    }

    fn thread(&self, thread: u32) -> Result<Books, Failure> {
        let threads = self.threads;
        let share = self.connections / threads + u32::from(thread < self.connections % threads);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Failure::new(INTERNAL, format!("no runtime: {e}")))?;
        let shared = Rc::new(Shared {
            schedule: RefCell::new(Schedule::new(self.plan, thread.into(), threads.into())),
            books: RefCell::new(self.books()),
            started: Instant::now(),
        });
        let local = LocalSet::new();
        let result = local.block_on(&runtime, async {
            let running: Vec<_> = (0..share)
                .map(|_| tokio::task::spawn_local(self.clone().connection(Rc::clone(&shared))))
                .collect();
            for connection in running {
                connection.await.map_err(|e| Failure::new(INTERNAL, e.to_string()))??;
            }
            Ok::<(), Failure>(())
        });
        drop(local);
        result?;
        let shared = Rc::into_inner(shared);
        let mut books =
            shared.ok_or_else(|| Failure::new(INTERNAL, "books in use"))?.books.into_inner();
        books.close()?;
        Ok(books)
    }

    async fn connection(mut self, shared: Rc<Shared>) -> Result<(), Failure> {
        let mut connection = Connection::new(&self.address, self.timeout);
        while let Some(slot) = shared.take() {
            let due = shared.started + slot.due;
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            let sent = Instant::now();
            let see = |answer: &Answer<'_>| {
                let now = Instant::now();
                let good = shared.books.borrow_mut().answered(slot, answer, now - sent)?;
                self.meter.record(due, now, u64::from(good), u64::from(!good));
                Ok::<(), Failure>(())
            };
            match connection.exchange(self.request.numbered(slot.number), see).await {
                Ok(noted) => noted?,
                Err(trouble) => {
                    shared.books.borrow_mut().failed(slot, &trouble)?;
                    self.meter.record(due, Instant::now(), 0, 1);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(())
    }
}

/// What the connections of a thread share.
struct Shared {
    schedule: RefCell<Schedule>,
    books: RefCell<Books>,
    started: Instant,
}

impl Shared {
    fn take(&self) -> Option<Slot> {
        self.schedule.borrow_mut().take(self.started.elapsed())
    }
}

/// An error unless somebody listens there.
pub(super) async fn reach(address: &str, timeout: Duration) -> Result<(), Failure> {
    let opened = Connection::new(address, timeout).open().await;
    opened.map_err(|trouble| Failure::new(FAILED, format!("{address}: {trouble}")))
}
