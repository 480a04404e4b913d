//! Files in memory: what is written is kept by reference, and a read copies nothing.

use super::{Open, Storage, StorageFile};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Parts smaller than this are copied together: a reference to each would cost more than it, and a reader of many would
/// get them one by one.
const COPY_BELOW_BYTES: usize = 4096;
/// How much is copied together.
const CHUNK_BYTES: usize = 64 * 1024;

/// A storage that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    tree: Mutex<Tree>,
}

#[derive(Debug, Default)]
struct Tree {
    dirs: BTreeSet<String>,
    files: BTreeMap<String, Arc<MemoryFile>>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }
}

fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{path}: not found"))
}

/// The name of a child of `dir`, if `path` is one or lies below one.
fn child<'a>(dir: &str, path: &'a str) -> Option<&'a str> {
    let rest = if dir.is_empty() { path } else { path.strip_prefix(dir)?.strip_prefix('/')? };
    rest.split('/').next().filter(|name| !name.is_empty())
}

impl Storage for MemoryStorage {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.tree.lock().dirs.insert(path.to_owned());
        Ok(())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let mut tree = self.tree.lock();
        tree.dirs.retain(|dir| dir != path && child(path, dir).is_none());
        tree.files.retain(|file, _| child(path, file).is_none());
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let tree = self.tree.lock();
        if !path.is_empty() && !tree.dirs.contains(path) {
            return Err(not_found(path));
        }
        let all = tree.dirs.iter().chain(tree.files.keys());
        let names: BTreeSet<&str> = all.filter_map(|entry| child(path, entry)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        let mut tree = self.tree.lock();
        if how == Open::Empty {
            tree.files.insert(path.to_owned(), Arc::default());
        }
        match tree.files.get(path) {
            Some(file) => Ok(file.clone()),
            None => Err(not_found(path)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut tree = self.tree.lock();
        let file = tree.files.remove(from).ok_or_else(|| not_found(from))?;
        tree.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let removed = self.tree.lock().files.remove(path);
        removed.map(drop).ok_or_else(|| not_found(path))
    }

    fn sync_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct MemoryFile {
    content: Mutex<Content>,
}

/// Parts in order, each with the position where it begins; what was copied and is not a part yet comes last.
#[derive(Debug, Default)]
struct Content {
    parts: Vec<(u64, Bytes)>,
    tail: Vec<u8>,
    len: u64,
}

impl Content {
    fn push(&mut self, part: &Bytes) {
        if part.len() < COPY_BELOW_BYTES {
            self.tail.extend_from_slice(part);
            self.len += part.len() as u64;
            if self.tail.len() >= CHUNK_BYTES {
                self.end_tail();
            }
        } else {
            self.end_tail();
            self.parts.push((self.len, part.clone()));
            self.len += part.len() as u64;
        }
    }

    fn tail_start(&self) -> u64 {
        self.len - self.tail.len() as u64
    }

    /// Makes a part of what was copied.
    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.parts.push((self.tail_start(), std::mem::take(&mut self.tail).into()));
        }
    }

    fn truncate(&mut self, len: u64) {
        let len = len.min(self.len);
        let tail = usize::try_from(len.saturating_sub(self.tail_start())).unwrap_or(usize::MAX);
        self.tail.truncate(tail);
        self.len = len;
        while let Some((start, last)) = self.parts.last_mut() {
            if *start < len {
                let keep = usize::try_from(len - *start).unwrap_or(usize::MAX);
                last.truncate(keep);
                return;
            }
            self.parts.pop();
        }
    }

    /// The bytes of a range that is there: by reference, but for the last that were copied.
    fn read(&self, position: u64, end: u64) -> Vec<Bytes> {
        let first = self.parts.partition_point(|(start, _)| *start <= position).saturating_sub(1);
        let parts = self.parts.get(first..).unwrap_or_default();
        let cut = |(start, part): &(u64, Bytes)| {
            let range = within(*start, part.len(), position, end)?;
            Some(part.slice(range))
        };
        let mut found: Vec<Bytes> =
            parts.iter().take_while(|(start, _)| *start < end).filter_map(cut).collect();
        if let Some(range) = within(self.tail_start(), self.tail.len(), position, end) {
            found.push(Bytes::copy_from_slice(&self.tail[range]));
        }
        found
    }
}

/// The part of `len` bytes at `start` that lies between two positions; none when that is empty.
fn within(start: u64, len: usize, position: u64, end: u64) -> Option<Range<usize>> {
    let from = usize::try_from(position.saturating_sub(start)).unwrap_or(usize::MAX);
    let to = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX).min(len);
    (from < to).then_some(from..to)
}

impl StorageFile for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.content.lock().len)
    }

    fn read_at(&self, position: u64, len: usize) -> io::Result<Vec<Bytes>> {
        let content = self.content.lock();
        let end = position.saturating_add(len as u64);
        if end > content.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(content.read(position, end))
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()> {
        let mut content = self.content.lock();
        if position > content.len {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a write past the end"));
        }
        let end = parts.iter().fold(position, |end, part| end + part.len() as u64);
        // What lies behind stays, as in any file; behind most writes there is nothing.
        let behind = content.read(end, content.len);
        content.truncate(position);
        parts.iter().chain(&behind).for_each(|part| content.push(part));
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.content.lock().truncate(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryStorage;
    use crate::storage::{Open, Storage};
    use bytes::Bytes;

    #[test]
    fn a_write_in_the_middle_leaves_what_is_behind() {
        for size in [10_usize, 300_000] {
            let storage = MemoryStorage::new();
            storage.create_dir("d").unwrap();
            let file = storage.open("d/f", Open::Empty).unwrap();
            let part = |byte: u8| Bytes::from(vec![byte; size]);
            file.write_at(0, &[part(1), part(2), part(3)]).unwrap();
            file.write_at(size as u64 / 2, &[part(9)]).unwrap();
            let mut expected = [vec![1; size], vec![2; size], vec![3; size]].concat();
            expected[size / 2..size / 2 + size].fill(9);
            assert_eq!(file.size().unwrap(), 3 * size as u64);
            assert_eq!(file.read_at(0, 3 * size).unwrap().concat(), expected);
        }
    }

    #[test]
    fn reads_give_what_was_written_however_it_was_cut() {
        let all: Vec<u8> = (0..300_000u32).map(|n| (n / 7) as u8).collect();
        let whole = Bytes::from(all.clone());
        // Small parts, large ones, and both in turn.
        for step in [100, 4_000, 5_000, 70_000] {
            let file = MemoryStorage::new().open("f", Open::Empty).unwrap();
            let mut at = 0;
            while at < all.len() {
                let (middle, end) = ((at + 16).min(all.len()), (at + step).min(all.len()));
                file.write_at(at as u64, &[whole.slice(at..middle), whole.slice(middle..end)])
                    .unwrap();
                at = end;
            }
            for (from, len) in
                [(0, 300_000), (0, 0), (5, 10), (65_500, 100), (299_999, 1), (300_000, 0)]
            {
                let read = file.read_at(from as u64, len).unwrap().concat();
                assert_eq!(read, all[from..from + len], "{len} at {from}, step {step}");
            }
            assert!(file.read_at(299_999, 2).is_err());
            for cut in [299_990, 200_001, 65_000, 10, 0] {
                file.truncate(cut).unwrap();
                let read = file.read_at(0, cut as usize).unwrap().concat();
                assert_eq!(read, all[..cut as usize], "cut to {cut}, step {step}");
                file.write_at(cut, &[whole.slice(..3)]).unwrap();
                assert_eq!(file.read_at(cut, 3).unwrap().concat(), all[..3]);
            }
        }
    }

    #[test]
    fn many_small_writes_are_read_in_few_parts_and_large_ones_without_a_copy() {
        let file = MemoryStorage::new().open("f", Open::Empty).unwrap();
        for n in 0..10_000 {
            file.write_at(n * 100, &[Bytes::from(vec![1; 100])]).unwrap();
        }
        assert!(file.read_at(0, 1_000_000).unwrap().len() < 20);
        let large = Bytes::from(vec![2; 200_000]);
        file.write_at(1_000_000, std::slice::from_ref(&large)).unwrap();
        let read = file.read_at(1_000_000, 200_000).unwrap();
        assert_eq!(read[0].as_ptr(), large.as_ptr());
    }

    #[test]
    fn directories_list_their_children() {
        let storage = MemoryStorage::new();
        storage.create_dir("a").unwrap();
        storage.create_dir("ab").unwrap();
        storage.open("a/2", Open::Empty).unwrap();
        storage.open("a/1", Open::Empty).unwrap();
        assert_eq!(storage.list("").unwrap(), ["a", "ab"]);
        assert_eq!(storage.list("a").unwrap(), ["1", "2"]);
        storage.remove_dir("a").unwrap();
        assert!(storage.list("a").is_err() && storage.list("ab").unwrap().is_empty());
    }
}
