//! Disks that sync, disks that say so before they do, and disks that do not.

use bytes::Bytes;
use klamm_log::storage::{Call, Fault, FaultyStorage, Misdeed, Open, Storage, StorageFile};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A disk that knows what a power loss leaves of it.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    storage: FaultyStorage,
    habit: Habit,
}

/// How a disk syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// When it says so.
    Honest,
    /// Before the next write to the file: to a gateway's clients it is as if the log answered before it syncs.
    Late,
    /// Never.
    Careless,
}

impl Disk {
    pub(crate) fn honest() -> Self {
        Self { storage: FaultyStorage::new(), habit: Habit::Honest }
    }

    pub(crate) fn late() -> Self {
        Self { storage: FaultyStorage::new(), habit: Habit::Late }
    }

    pub(crate) fn careless() -> Self {
        Self { storage: FaultyStorage::new(), habit: Habit::Careless }
    }

    /// What a log is opened on.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        match self.habit {
            Habit::Late => Arc::new(Late(self.storage.clone())),
            Habit::Honest | Habit::Careless => Arc::new(self.storage.clone()),
        }
    }

    /// From now on, which is once its log is open, it has its habit.
    pub(crate) fn settle(&self) {
        if self.habit == Habit::Careless {
            let call = Some(Call::Sync);
            let fault = Fault { call, after: 0, misdeed: Misdeed::Pretend, lasting: true };
            self.storage.inject(fault);
        }
    }

    /// The power goes: whatever is called for from now on fails, and what is left is as `seed` says.
    pub(crate) fn power_loss(&self, seed: u64) -> Self {
        self.storage.heal();
        self.storage.inject(Fault { call: None, after: 0, misdeed: Misdeed::Fail, lasting: true });
        Self { storage: self.storage.crash(seed), habit: self.habit }
    }
}

/// A storage whose files are synced before they are written the next time.
#[derive(Debug)]
struct Late(FaultyStorage);

impl Storage for Late {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.0.remove_dir(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.list(path)
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.0.open(path, how)?;
        Ok(Arc::new(LateFile { file, asked: AtomicBool::new(false) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.0.sync_dir(path)
    }
}

#[derive(Debug)]
struct LateFile {
    file: Arc<dyn StorageFile>,
    /// A sync was asked for and said to be done.
    asked: AtomicBool,
}

impl StorageFile for LateFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, position: u64, len: usize) -> io::Result<Vec<Bytes>> {
        self.file.read_at(position, len)
    }

    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()> {
        if self.asked.swap(false, Ordering::Relaxed) {
            self.file.sync_data()?;
        }
        self.file.write_at(position, parts)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.asked.store(true, Ordering::Relaxed);
        Ok(())
    }
}
