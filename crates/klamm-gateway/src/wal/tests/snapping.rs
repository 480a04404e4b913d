//! A storage that keeps what a power loss before one of its calls would leave.

use bytes::Bytes;
use klamm_log::storage::{FaultyStorage, Open, Storage, StorageFile};
use parking_lot::Mutex;
use std::fmt::{self, Debug};
use std::io;
use std::sync::Arc;

type Look<T> = Box<dyn FnMut() -> T + Send>;

/// Passes every call on, and loses power before one of them.
pub(super) struct Snapping<T>(Arc<Shared<T>>);

struct Shared<T> {
    storage: FaultyStorage,
    seed: u64,
    state: Mutex<State<T>>,
}

struct State<T> {
    calls_left: u64,
    look: Look<T>,
    lost: Option<(FaultyStorage, T)>,
}

impl<T: Send + 'static> Snapping<T> {
    /// Loses power before the call `at`; `look` says what the world knows at that moment.
    pub(super) fn new(storage: FaultyStorage, at: u64, seed: u64, look: Look<T>) -> Self {
        let state = Mutex::new(State { calls_left: at, look, lost: None });
        Self(Arc::new(Shared { storage, seed, state }))
    }

    pub(super) fn handle(&self) -> Arc<dyn Storage> {
        Arc::new(Self(self.0.clone()))
    }

    /// What is left, and what the world knew; the end of the day when the call never came.
    pub(super) fn lost(&self) -> (FaultyStorage, T) {
        self.0.snap(true);
        self.0.state.lock().lost.take().unwrap()
    }

    fn inner(&self) -> &FaultyStorage {
        self.0.snap(false);
        &self.0.storage
    }
}

impl<T> Shared<T> {
    fn snap(&self, now: bool) {
        let state = &mut *self.state.lock();
        if state.lost.is_none() && (now || state.calls_left == 0) {
            state.lost = Some((self.storage.crash(self.seed), (state.look)()));
        }
        state.calls_left = state.calls_left.saturating_sub(1);
    }
}

impl<T> Debug for Snapping<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapping")
    }
}

impl<T: Send + 'static> Storage for Snapping<T> {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.inner().create_dir(path)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.inner().remove_dir(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.inner().list(path)
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.inner().open(path, how)?;
        Ok(Arc::new(SnappingFile { file, shared: self.0.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner().rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner().remove(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.inner().sync_dir(path)
    }
}

struct SnappingFile<T> {
    file: Arc<dyn StorageFile>,
    shared: Arc<Shared<T>>,
}

impl<T> SnappingFile<T> {
    fn inner(&self) -> &dyn StorageFile {
        self.shared.snap(false);
        &*self.file
    }
}

impl<T> Debug for SnappingFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnappingFile")
    }
}

impl<T: Send + 'static> StorageFile for SnappingFile<T> {
    fn size(&self) -> io::Result<u64> {
        self.inner().size()
    }

    fn read_at(&self, position: u64, len: usize) -> io::Result<Vec<Bytes>> {
        self.inner().read_at(position, len)
    }

    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()> {
        self.inner().write_at(position, parts)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.inner().truncate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner().sync_data()
    }
}
