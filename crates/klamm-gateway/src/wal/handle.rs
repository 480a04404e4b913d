//! The log as others see it, and its three threads.

use super::config::{AppendRefused, Opened, Receipt, WalConfig, WalOpenError};
use super::core::{Core, Work};
use super::open::open;
use super::reader::WalReader;
use super::seen::Seen;
use super::state::WalState;
use crate::accepted::Accepted;
use klamm_log::storage::Storage;
use parking_lot::{Condvar, Mutex};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

/// How late the cursor may be.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// The cursor is saved at once when this much has gone since.
const KEEP_BYTES: u64 = 64 * 1024 * 1024;

/// Between two attempts to make a segment ahead.
const SPARE_RETRY: Duration = Duration::from_secs(30);

/// A write-ahead log: records that were appended survive a power loss, until Kafka has them.
///
/// One thread writes: it takes everything that waits, writes it as one batch and syncs it once. Nobody waits for others to
/// come. A second one saves the cursor, a third makes the file of the next segment ahead. Clones are the same log; with the last one it is closed.
#[derive(Debug, Clone)]
pub struct Wal(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    core: Arc<Core>,
    keeper: Arc<Keeper>,
    /// Closed when the writer has ended.
    writer_ended: watch::Receiver<()>,
}

/// Wakes the thread that saves the cursor.
#[derive(Debug, Default)]
struct Keeper {
    /// Bytes that went since the cursor was saved.
    gone: Mutex<u64>,
    wake: Condvar,
}

impl Wal {
    /// Opens the log of a storage, or makes an empty one, and starts its threads.
    ///
    /// What a power loss interrupted is cut off, what is damaged is set aside, counted and reported; neither keeps the log
    /// from opening. A [`FileStorage`](klamm_log::storage::FileStorage) has locked its directory.
    ///
    /// # Errors
    /// Those of the storage; another try is possible.
    pub fn open(
        storage: Arc<dyn Storage>,
        config: WalConfig,
    ) -> Result<(Self, WalReader, Opened), WalOpenError> {
        let (core, opened) = open(storage, config)?;
        let core = Arc::new(core);
        let reader = WalReader::new(core.clone());
        let keeper = Arc::new(Keeper::default());
        let (ended, writer_ended) = watch::channel(());
        let (writing, maker) = (core.clone(), Maker::start(core.clone())?);
        thread::Builder::new().name("klamm-wal".to_owned()).spawn(move || {
            // Dropped last: whoever waits for the end may want to open the log again.
            let _ended = ended;
            write(&Writing(writing).0, &maker);
            maker.end();
        })?;
        let (weak, kept) = (Arc::downgrade(&core), keeper.clone());
        let keeping = thread::Builder::new().name("klamm-wal-cursor".to_owned());
        if let Err(error) = keeping.spawn(move || keep(&weak, &kept)) {
            close(&core);
            return Err(error.into());
        }
        Ok((Self(Arc::new(Handle { core, keeper, writer_ended })), reader, opened))
    }

    /// Takes records, all of them or none. Ready once they are on the disk; dropping the future does not undo it.
    ///
    /// Nothing is taken for no records: the receipt then counts 0.
    ///
    /// # Errors
    /// [`AppendRefused`].
    pub async fn append(&self, records: Vec<Accepted>) -> Result<Receipt, AppendRefused> {
        if records.is_empty() {
            return Ok(Receipt { first: self.0.core.progress.borrow().end, count: 0 });
        }
        self.0.core.submit(records)?.await
    }

    /// Whether a request with this hash was taken before, as far as the log remembers; [`Wal::append`] refuses it then.
    pub fn seen(&self, hash: &[u8; 16]) -> Option<Seen> {
        self.0.core.desk.lock().seen.get(hash)
    }

    /// Everything below this sequence is in Kafka. The cursor on the disk follows within a second, or 64 MiB.
    pub fn release(&self, upto: u64) {
        let core = &self.0.core;
        let before = core.desk.lock().books.bytes();
        core.release(upto);
        let gone = before.saturating_sub(core.desk.lock().books.bytes());
        let mut sum = self.0.keeper.gone.lock();
        *sum += gone;
        if *sum >= KEEP_BYTES {
            self.0.keeper.wake.notify_one();
        }
    }

    /// How the log is.
    pub fn state(&self) -> WalState {
        self.0.core.state()
    }

    /// The stable id of this log's directory; with a sequence it names a record for good.
    pub fn instance(&self) -> &str {
        &self.0.core.instance
    }

    /// Takes nothing more, writes what waits, and saves the cursor. Reading and releasing go on: the reader ends when it
    /// has read everything.
    pub async fn close(&self) {
        close(&self.0.core);
        let mut ended = self.0.writer_ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        close(&self.core);
    }
}

fn close(core: &Core) {
    core.desk.lock().closed = true;
    core.work.notify_all();
}

/// Ends the log with its writer, however that ends.
struct Writing(Arc<Core>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The thread that makes segments ahead, as its owner sees it.
struct Maker {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Maker {
    fn start(core: Arc<Core>) -> std::io::Result<Self> {
        // One place: whoever is told twice before it looks has been told.
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new().name("klamm-wal-spare".to_owned());
        let thread = thread.spawn(move || make_spares(&core, &woken))?;
        Ok(Self { wake, thread })
    }

    fn wake(&self) {
        // It is awake when there is no place.
        let _ = self.wake.try_send(());
    }

    fn end(self) {
        drop(self.wake);
        // Its panic was reported where it happened.
        let _ = self.thread.join();
    }
}

fn make_spares(core: &Core, woken: &Receiver<()>) {
    loop {
        match woken.recv_timeout(SPARE_RETRY) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {
                core.save_chapters();
                core.make_spare();
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The thread that writes.
fn write(core: &Core, maker: &Maker) {
    let mut sealed = true;
    maker.wake();
    loop {
        match core.next_work(sealed) {
            Work::Group(group) => {
                if core.commit(group) {
                    maker.wake();
                }
                sealed = false;
            }
            Work::UseSpare => {
                if core.use_spare() {
                    maker.wake();
                }
            }
            Work::Seal => {
                core.seal();
                sealed = true;
            }
            Work::Stop => break,
        }
    }
    if !sealed {
        core.seal();
    }
    core.save_chapters();
    core.keep();
}

/// The thread that saves the cursor; ends with the log.
fn keep(core: &Weak<Core>, keeper: &Keeper) {
    loop {
        {
            let mut gone = keeper.gone.lock();
            if *gone < KEEP_BYTES {
                keeper.wake.wait_for(&mut gone, KEEP_EVERY);
            }
            *gone = 0;
        }
        let Some(core) = core.upgrade() else { return };
        core.keep();
    }
}
