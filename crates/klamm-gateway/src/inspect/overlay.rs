//! A directory that is only read: what is written to it stays in memory and is gone afterwards.

use bytes::Bytes;
use klamm_log::storage::{Open, Storage, StorageFile};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The files of a directory, with changes that nobody else sees.
#[derive(Debug)]
pub(super) struct Overlay {
    root: PathBuf,
    changes: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    /// Files that were opened, made or moved; `None` for those that are gone.
    files: BTreeMap<String, Option<Arc<Sheet>>>,
    dirs: BTreeSet<String>,
}

/// A file with what was changed in it.
#[derive(Debug)]
struct Sheet(Mutex<Content>);

#[derive(Debug)]
enum Content {
    /// As it is in the directory, up to a length.
    Same(File, u64),
    Changed(Vec<u8>),
}

impl Overlay {
    /// Over the directory `root`, of which nothing is locked.
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), changes: Mutex::default() }
    }

    fn file(&self, changes: &mut Changes, path: &str) -> io::Result<Arc<Sheet>> {
        match changes.files.get(path) {
            Some(Some(sheet)) => return Ok(sheet.clone()),
            Some(None) => return Err(io::ErrorKind::NotFound.into()),
            None => {}
        }
        let file = File::open(self.root.join(path))?;
        let len = file.metadata()?.len();
        let sheet = Arc::new(Sheet(Mutex::new(Content::Same(file, len))));
        changes.files.insert(path.to_owned(), Some(sheet.clone()));
        Ok(sheet)
    }

    /// Names of what is in the directory itself.
    fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(path))? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }
}

impl Storage for Overlay {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.changes.lock().dirs.insert(path.to_owned());
        Ok(())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let inner = self.list(path).unwrap_or_default();
        let mut changes = self.changes.lock();
        for name in inner {
            changes.files.insert(format!("{path}/{name}"), None);
        }
        changes.dirs.remove(path);
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let changes = self.changes.lock();
        let mut names: BTreeSet<String> = match self.names(path) {
            Ok(names) => names.into_iter().collect(),
            Err(_) if changes.dirs.contains(path) => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        for (file, sheet) in &changes.files {
            let inside = file.strip_prefix(path).and_then(|name| name.strip_prefix('/'));
            match (inside.filter(|name| !name.contains('/')), sheet) {
                (Some(name), Some(_)) => drop(names.insert(name.to_owned())),
                (Some(name), None) => drop(names.remove(name)),
                (None, _) => {}
            }
        }
        Ok(names.into_iter().collect())
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        let mut changes = self.changes.lock();
        if how == Open::Existing {
            return Ok(self.file(&mut changes, path)?);
        }
        let sheet = Arc::new(Sheet(Mutex::new(Content::Changed(Vec::new()))));
        changes.files.insert(path.to_owned(), Some(sheet.clone()));
        Ok(sheet)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut changes = self.changes.lock();
        let sheet = self.file(&mut changes, from)?;
        changes.files.insert(to.to_owned(), Some(sheet));
        changes.files.insert(from.to_owned(), None);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut changes = self.changes.lock();
        self.file(&mut changes, path)?;
        changes.files.insert(path.to_owned(), None);
        Ok(())
    }

    fn sync_dir(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Content::Same(_, len) => *len,
            Content::Changed(bytes) => bytes.len() as u64,
        }
    }

    /// The content in memory, where it can be changed.
    fn changed(&mut self) -> io::Result<&mut Vec<u8>> {
        if let Content::Same(file, len) = self {
            let mut bytes = vec![0; size(*len)?];
            file.read_exact_at(&mut bytes, 0)?;
            *self = Content::Changed(bytes);
        }
        match self {
            Content::Changed(bytes) => Ok(bytes),
            Content::Same(..) => Err(io::ErrorKind::Other.into()),
        }
    }
}

impl StorageFile for Sheet {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().len())
    }

    fn read_at(&self, position: u64, len: usize) -> io::Result<Vec<Bytes>> {
        let content = self.0.lock();
        if position.saturating_add(len as u64) > content.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &*content {
            Content::Same(file, _) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, position)?;
                Ok(vec![bytes.into()])
            }
            Content::Changed(bytes) => {
                let from = size(position)?;
                Ok(vec![Bytes::copy_from_slice(&bytes[from..from + len])])
            }
        }
    }

    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()> {
        let mut content = self.0.lock();
        let (bytes, mut at) = (content.changed()?, size(position)?);
        if at > bytes.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for part in parts {
            let over = part.len().min(bytes.len() - at);
            bytes[at..at + over].copy_from_slice(&part[..over]);
            bytes.extend_from_slice(&part[over..]);
            at += part.len();
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        match &mut *self.0.lock() {
            Content::Same(_, kept) => *kept = len.min(*kept),
            Content::Changed(bytes) => bytes.truncate(size(len)?),
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

fn size(len: u64) -> io::Result<usize> {
    usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory.into())
}
