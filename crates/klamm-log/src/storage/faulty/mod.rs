//! The evil twin: a storage in memory that fails on command, and that knows what a power loss would leave.
//!
//! A file is what processes see and, beside it, what is on the disk. They differ in sectors of 512 bytes, which a power
//! loss keeps or drops one by one: a disk writes them in any order, and none of them in part. Names behave the same: until
//! their directory is synced each change to them may or may not have happened.

mod disk;
mod plan;

pub use self::plan::{Call, Fault, Misdeed};

use self::disk::{Disk, Node};
use self::plan::Plan;
use super::{Open, Storage, StorageFile};
use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

/// A storage in memory whose calls fail when told to.
///
/// Clones of a handle share one disk. All of it is deterministic.
#[derive(Debug, Clone, Default)]
pub struct FaultyStorage {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    disk: Disk,
    plan: Plan,
    /// Bytes of all files together, at most.
    room: Option<u64>,
}

impl FaultyStorage {
    /// An empty storage that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has a call fail; several faults may wait at the same time.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().plan.add(fault);
    }

    /// Forgets all faults that have not happened yet.
    pub fn heal(&self) {
        self.shared.lock().plan.clear();
    }

    /// Gives the disk so many bytes for all its files from now on: what grows beyond them fails as on a full disk, and what is
    /// written over does not. `None` for as many as one likes.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.shared.lock().room = bytes;
    }

    /// Calls so far, of any kind.
    pub fn calls(&self) -> u64 {
        self.shared.lock().plan.calls()
    }

    /// What a power loss at this moment leaves: everything that was synced, and of the rest what `seed` says. This storage
    /// goes on as if nothing had happened.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let disk = self.shared.lock().disk.after_power_loss(seed);
        Self { shared: Arc::new(Mutex::new(Shared { disk, ..Shared::default() })) }
    }

    /// Flips the bits of `mask` in one byte of a file, on the disk and for readers.
    ///
    /// # Errors
    /// `NotFound` without such a file, `UnexpectedEof` behind its end.
    pub fn damage(&self, path: &str, position: u64, mask: u8) -> io::Result<()> {
        self.shared.lock().disk.damage(path, position, mask)
    }

    /// One call by the rules: counted, failed when it is its turn, otherwise done.
    fn call<T>(&self, call: Call, done: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let shared = &mut *self.shared.lock();
        match shared.plan.next(call) {
            Some(misdeed) => Err(misdeed.error()),
            None => done(&mut shared.disk),
        }
    }
}

impl Storage for FaultyStorage {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.call(Call::CreateDir, |disk| disk.create_dir(path))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.call(Call::Remove, |disk| disk.remove_dir(path))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.call(Call::List, |disk| disk.list(path))
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        let node = self.call(Call::Open, |disk| disk.open(path, how == Open::Empty))?;
        Ok(Arc::new(FaultyFile { storage: self.clone(), node }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(Call::Rename, |disk| disk.rename(from, to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.call(Call::Remove, |disk| disk.remove(path))
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let shared = &mut *self.shared.lock();
        match shared.plan.next(Call::SyncDir) {
            Some(Misdeed::Pretend) => Ok(()),
            Some(misdeed) => Err(misdeed.error()),
            None => shared.disk.sync_dir(path),
        }
    }
}

#[derive(Debug)]
struct FaultyFile {
    storage: FaultyStorage,
    node: Node,
}

impl StorageFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.storage.call(Call::Read, |disk| Ok(disk.file(self.node).cache.len() as u64))
    }

    fn read_at(&self, position: u64, len: usize) -> io::Result<Vec<Bytes>> {
        self.storage.call(Call::Read, |disk| {
            let start = usize::try_from(position).unwrap_or(usize::MAX);
            let read = disk.file(self.node).cache.get(start..start.saturating_add(len));
            let read = read.ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(vec![Bytes::copy_from_slice(read)])
        })
    }

    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()> {
        let all = parts.concat();
        let shared = &mut *self.storage.shared.lock();
        let misdeed = shared.plan.next(Call::Write);
        let end = position.saturating_add(all.len() as u64);
        let growth = end.saturating_sub(shared.disk.file(self.node).cache.len() as u64);
        if growth > 0 && shared.room.is_some_and(|room| shared.disk.used() + growth > room) {
            return Err(Misdeed::Full.error());
        }
        let file = shared.disk.file_mut(self.node);
        match misdeed {
            None => file.write(position, &all),
            Some(Misdeed::Tear { bytes }) => {
                file.write(position, &all[..bytes.min(all.len())])?;
                Err(Misdeed::Tear { bytes }.error())
            }
            Some(misdeed) => Err(misdeed.error()),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.storage.call(Call::Truncate, |disk| {
            disk.file_mut(self.node).truncate(len);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let shared = &mut *self.storage.shared.lock();
        let file = shared.disk.file_mut(self.node);
        match shared.plan.next(Call::Sync) {
            None => {
                file.sync();
                Ok(())
            }
            Some(Misdeed::Pretend) => Ok(()),
            Some(misdeed) => {
                file.forget_unsynced();
                Err(misdeed.error())
            }
        }
    }
}

#[cfg(test)]
mod tests;
