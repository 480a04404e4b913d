//! Files in a directory of the system, locked against a second process.

use super::{Open, Storage, StorageFile};
use bytes::Bytes;
use rustix::buffer::spare_capacity;
#[cfg(target_os = "linux")]
use rustix::fs::{Advice, fadvise};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{pread, pwritev, retry_on_intr};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
#[cfg(target_os = "linux")]
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The format of the directory that this version writes, and the newest it reads.
const FORMAT: u32 = 1;
/// The file that names the format.
const FORMAT_FILE: &str = "klamm.format";
/// The file that is locked while a process uses the directory.
const LOCK_FILE: &str = "klamm.lock";
/// Parts of one vectored write.
const MAX_SLICES: usize = 64;

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is in use by another process; stop that one, or choose another directory")]
    InUse(PathBuf),
    /// A newer klamm wrote it.
    #[error(
        "{dir} has format {found}, and this version knows {FORMAT}; use the version that wrote it, or an empty directory"
    )]
    NewerFormat {
        /// The directory.
        dir: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It holds files, and nothing says that klamm wrote them.
    #[error("{0} is not empty and was not made by klamm; choose an empty directory")]
    Foreign(PathBuf),
    /// The system refuses.
    #[error("{dir}: {source}")]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Its reason.
        source: io::Error,
    },
}

/// A directory of the system.
#[derive(Debug)]
pub struct FileStorage {
    root: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl FileStorage {
    /// Opens a directory, makes it when there is none, and locks it for this process.
    ///
    /// # Errors
    /// [`OpenError`], with what to do about it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let root = root.into();
        let io = |source| OpenError::Io { dir: root.clone(), source };
        fs::create_dir_all(&root).map_err(io)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(root.join(LOCK_FILE));
        let lock = lock.map_err(io)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(OpenError::InUse(root));
        }
        match fs::read_to_string(root.join(FORMAT_FILE)) {
            Ok(text) => match text.trim().parse() {
                Ok(FORMAT) => {}
                Ok(found) => return Err(OpenError::NewerFormat { dir: root, found }),
                Err(_) => return Err(OpenError::Foreign(root)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => format(&root)?,
            Err(error) => return Err(io(error)),
        }
        Ok(Self { root, _lock: lock })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Marks an empty directory as one of klamm's.
fn format(root: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { dir: root.to_owned(), source };
    let mut entries = fs::read_dir(root).map_err(io)?;
    // What a new file system has in it belongs to nobody.
    let foreign = entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name() != LOCK_FILE && entry.file_name() != "lost+found")
    });
    if foreign {
        return Err(OpenError::Foreign(root.to_owned()));
    }
    let temporary = root.join("klamm.format.tmp");
    let mut file = File::create(&temporary).map_err(io)?;
    writeln!(file, "{FORMAT}").and_then(|()| file.sync_data()).map_err(io)?;
    fs::rename(&temporary, root.join(FORMAT_FILE)).map_err(io)?;
    File::open(root).and_then(|dir| dir.sync_all()).map_err(io)
}

impl Storage for FileStorage {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        fs::create_dir_all(self.root.join(path))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(path))? {
            // A name that is no UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.retain(|name| name != LOCK_FILE && name != FORMAT_FILE);
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        let empty = how == Open::Empty;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(empty).truncate(empty);
        Ok(Arc::new(DiskFile { file: options.open(self.root.join(path))? }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(path))
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        File::open(self.root.join(path))?.sync_all()
    }
}

#[derive(Debug)]
struct DiskFile {
    file: File,
}

impl StorageFile for DiskFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, position: u64, len: usize) -> io::Result<Vec<Bytes>> {
        // What is read over is not made zero before.
        let mut buffer = Vec::with_capacity(len);
        while buffer.len() < len {
            let at = position.saturating_add(buffer.len() as u64);
            if retry_on_intr(|| pread(&self.file, spare_capacity(&mut buffer), at))? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // The allocator may have given more than was asked for.
        buffer.truncate(len);
        Ok(vec![buffer.into()])
    }

    fn read_into(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, position)
    }

    #[cfg(target_os = "linux")]
    fn evict(&self, range: Range<u64>) {
        if let Some(len) = range.end.checked_sub(range.start).and_then(NonZeroU64::new) {
            // Where that cannot be, more memory is taken, and nothing else is different.
            let _ = fadvise(&self.file, range.start, Some(len), Advice::DontNeed);
        }
    }

    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()> {
        let mut at = position;
        for parts in parts.chunks(MAX_SLICES) {
            at = write_vectored(&self.file, at, parts)?;
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Writes all parts at a position and returns the one behind them.
fn write_vectored(file: &File, position: u64, parts: &[Bytes]) -> io::Result<u64> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let (mut slices, mut at) = (slices.as_mut_slice(), position);
    // Empty slices at the front would make a write of nothing look like a full disk.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let written = retry_on_intr(|| pwritev(file, &*slices, at))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at += written as u64;
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(at)
}
