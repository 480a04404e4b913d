//! One consumer on a thread of its own, with its own connections, as a service of its own would be.

use super::check::Checker;
use super::view::Member;
use crate::failure::{FAILED, Failure};
use klamm::{Client, ClientConfig, Consumer, ConsumerConfig, Start};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a reader says how many partitions it has.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// Troubles that are kept; more of them would say no more.
const TROUBLES_MAX: usize = 10;

/// What a reader is to do, and with what.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) number: usize,
    pub(super) client: ClientConfig,
    pub(super) consumer: ConsumerConfig,
    /// Partitions to read from their beginning; none for a member of a group.
    pub(super) assign: Vec<(Arc<str>, i32)>,
    pub(super) checker: Arc<Checker>,
    pub(super) troubles: Troubles,
}

/// What went wrong, in words; shared by readers.
#[derive(Debug, Clone, Default)]
pub(super) struct Troubles(Arc<Mutex<Vec<String>>>);

impl Troubles {
    pub(super) fn add(&self, text: String) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.len() < TROUBLES_MAX {
            troubles.push(text);
        }
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The partitions a reader has; none before it had any for the first time.
type Assigned = Arc<Mutex<Option<Vec<i32>>>>;

/// How a reader is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It commits and says goodbye.
    Leave,
    /// At once, like a process that is gone: nothing is sent any more, its sockets close.
    Killed,
}

/// A consumer that reads until it is told to end.
#[derive(Debug)]
pub(super) struct Reader {
    assigned: Assigned,
    end: Option<oneshot::Sender<End>>,
    thread: Option<JoinHandle<()>>,
    killed: bool,
}

impl Reader {
    /// Starts one.
    pub(super) fn start(job: Job) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::new(FAILED, format!("no thread to read on: {e}"));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (end, ended) = oneshot::channel();
        let assigned = Assigned::default();
        let told = Arc::clone(&assigned);
        let name = format!("reader-{}", job.number);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(work(job, &told, ended));
            // Tasks that are left are dropped where they are.
            runtime.shutdown_background();
        });
        let thread = Some(thread.map_err(failed)?);
        Ok(Self { assigned, end: Some(end), thread, killed: false })
    }

    /// Ends it without a goodbye.
    pub(super) fn kill(&mut self) {
        self.killed = true;
        self.tell(End::Killed);
        self.join();
    }

    /// Has all of them commit and leave, side by side, and waits for that.
    pub(super) async fn leave(mut readers: Vec<Reader>) {
        readers.iter_mut().for_each(|reader| reader.tell(End::Leave));
        // Dropping them waits for their threads.
        drop(tokio::task::spawn_blocking(move || drop(readers)).await);
    }

    fn tell(&mut self, how: End) {
        if let Some(end) = self.end.take() {
            // One that has ended by itself need not be told.
            let _ = end.send(how);
        }
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }

    /// How it does.
    pub(super) fn state(&self) -> Member {
        match &*self.assigned.lock().unwrap_or_else(PoisonError::into_inner) {
            _ if self.killed => Member::Killed,
            Some(partitions) => Member::Reading(partitions.len()),
            None => Member::Joining,
        }
    }

    /// The partitions it reads.
    pub(super) fn partitions(&self) -> Vec<i32> {
        match &*self.assigned.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(partitions) if !self.killed => partitions.clone(),
            _ => Vec::new(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.tell(End::Killed);
        self.join();
    }
}

/// Makes the consumer and reads until told to end.
async fn work(job: Job, assigned: &Assigned, mut ended: oneshot::Receiver<End>) {
    let opened = tokio::select! {
        biased;
        _ = &mut ended => return,
        opened = open(&job) => opened,
    };
    let (client, consumer) = match opened {
        Ok(opened) => opened,
        Err(e) => return job.troubles.add(format!("consumer {}: {e}", job.number)),
    };
    let how = tokio::select! {
        biased;
        how = ended => how.unwrap_or(End::Killed),
        () = read(&job, &consumer, assigned) => End::Leave,
    };
    if how == End::Leave {
        consumer.close().await;
        client.close().await;
    }
}

async fn open(job: &Job) -> Result<(Client, Consumer), Failure> {
    // On this thread's own runtime, so that everything ends with it.
    let config = job.client.clone().runtime(tokio::runtime::Handle::current());
    let client = crate::connect::connect(config).await?;
    let consumer = client.consumer(job.consumer.clone())?;
    if !job.assign.is_empty() {
        let from_the_beginning =
            |(topic, partition): &(Arc<str>, i32)| (Arc::clone(topic), *partition, Start::Earliest);
        consumer.assign(job.assign.iter().map(from_the_beginning));
    }
    Ok((client, consumer))
}

async fn read(job: &Job, consumer: &Consumer, assigned: &Assigned) {
    let mut ticks = tokio::time::interval(TELL_EVERY);
    loop {
        tokio::select! {
            biased;
            _ = ticks.tick() => {
                let has: Vec<i32> = consumer.assignment().iter().map(|tp| tp.partition).collect();
                let mut assigned = assigned.lock().unwrap_or_else(PoisonError::into_inner);
                // A member that has never had any is still on its way in.
                if !has.is_empty() || assigned.is_some() {
                    *assigned = Some(has);
                }
            }
            polled = consumer.poll() => match polled {
                Ok(Some(batch)) => job.checker.check(job.number, &batch),
                Ok(None) => return job.troubles.add(format!("consumer {} has ended", job.number)),
                Err(e) => job.troubles.add(format!("consumer {}: {e}", job.number)),
            },
        }
    }
}
