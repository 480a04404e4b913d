//! Files in memory: what is written is kept by reference, and a read copies nothing.

use super::{Open, Storage, StorageFile};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// Parts smaller than this are copied together: a reference to each would cost more than it.
const COPY_BELOW_BYTES: usize = 1024;

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

/// Parts in order, each with the position where it begins.
#[derive(Debug, Default)]
struct Content {
    parts: Vec<(u64, Bytes)>,
    len: u64,
}

impl Content {
    fn push(&mut self, part: Bytes) {
        let start = self.len;
        self.len += part.len() as u64;
        self.parts.push((start, part));
    }

    fn truncate(&mut self, len: u64) {
        self.len = self.len.min(len);
        while let Some((start, last)) = self.parts.last_mut() {
            if *start < len {
                let keep = usize::try_from(len - *start).unwrap_or(usize::MAX);
                last.truncate(keep);
                return;
            }
            self.parts.pop();
        }
    }
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
        let first =
            content.parts.partition_point(|(start, _)| *start <= position).saturating_sub(1);
        let parts = content.parts[first..].iter().take_while(|(start, _)| *start < end);
        let cut = |(start, part): &(u64, Bytes)| {
            let from = usize::try_from(position.saturating_sub(*start)).unwrap_or(usize::MAX);
            let to = usize::try_from(end - start).unwrap_or(usize::MAX).min(part.len());
            (from < to).then(|| part.slice(from..to))
        };
        Ok(parts.filter_map(cut).collect())
    }

    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()> {
        let mut content = self.content.lock();
        if position > content.len {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a write past the end"));
        }
        content.truncate(position);
        let total: usize = parts.iter().map(Bytes::len).sum();
        if total < COPY_BELOW_BYTES {
            content.push(parts.concat().into());
        } else {
            parts.iter().for_each(|part| content.push(part.clone()));
        }
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
    fn reads_give_what_was_written_however_it_was_cut() {
        let storage = MemoryStorage::new();
        let file = storage.open("f", Open::Empty).unwrap();
        let all: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
        let whole = Bytes::from(all.clone());
        file.write_at(0, &[whole.slice(..10)]).unwrap();
        file.write_at(10, &[whole.slice(10..2000), whole.slice(2000..4000)]).unwrap();
        file.write_at(4000, &[whole.slice(4000..)]).unwrap();
        for (from, len) in [(0, 5000), (0, 0), (5, 10), (1999, 2), (3999, 1001), (5000, 0)] {
            let read = file.read_at(from, len).unwrap().concat();
            assert_eq!(read, all[from as usize..from as usize + len], "{len} at {from}");
        }
        assert!(file.read_at(4999, 2).is_err());
        file.truncate(2500).unwrap();
        assert_eq!(file.read_at(1990, 510).unwrap().concat(), all[1990..2500]);
        file.write_at(2500, &[whole.slice(..3)]).unwrap();
        assert_eq!(file.size().unwrap(), 2503);
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
