//! Files in memory of which is counted what is read and evicted, and how often segments are synced.

use super::{MemoryStorage, Open, Storage, StorageFile};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A [`MemoryStorage`] whose clones count together.
#[derive(Debug, Clone, Default)]
pub struct CountingStorage {
    inner: Arc<MemoryStorage>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    evicted: AtomicU64,
    syncs: AtomicU64,
}

impl CountingStorage {
    /// Bytes that were read since the last call.
    pub fn take_read_bytes(&self) -> u64 {
        self.counts.read.swap(0, Ordering::Relaxed)
    }

    /// Bytes that were evicted since the last call.
    pub fn take_evicted_bytes(&self) -> u64 {
        self.counts.evicted.swap(0, Ordering::Relaxed)
    }

    /// Syncs of files that were opened as segments, and of spares that became such.
    pub fn segment_syncs(&self) -> u64 {
        self.counts.syncs.load(Ordering::Relaxed)
    }
}

impl Storage for CountingStorage {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.inner.list(path)
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        let (file, counts) = (self.inner.open(path, how)?, self.counts.clone());
        Ok(Arc::new(CountingFile { file, counts, path: path.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.inner.sync_dir(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    file: Arc<dyn StorageFile>,
    counts: Arc<Counts>,
    path: String,
}

impl StorageFile for CountingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, position: u64, len: usize) -> io::Result<Vec<Bytes>> {
        self.counts.read.fetch_add(len as u64, Ordering::Relaxed);
        self.file.read_at(position, len)
    }

    fn evict(&self, range: Range<u64>) {
        self.counts.evicted.fetch_add(range.end - range.start, Ordering::Relaxed);
        self.file.evict(range);
    }

    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()> {
        self.file.write_at(position, parts)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let segment = self.path.ends_with(".log") || self.path.ends_with("spare");
        self.counts.syncs.fetch_add(u64::from(segment), Ordering::Relaxed);
        self.file.sync_data()
    }
}
