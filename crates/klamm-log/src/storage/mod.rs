//! Where logs keep their files: a seam of two small traits, so that the same log runs on a disk, in memory, and on a
//! storage that fails on purpose.

mod counting;
mod faulty;
mod file;
mod memory;

pub use self::counting::CountingStorage;
pub use self::faulty::{Call, Fault, FaultyStorage, Misdeed};
pub use self::file::{FileStorage, OpenError};
pub use self::memory::MemoryStorage;

use bytes::Bytes;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A tree of directories and files; paths are relative and use `/`.
pub trait Storage: Debug + Send + Sync {
    /// Makes a directory and those above it; one that exists is left as it is.
    ///
    /// # Errors
    /// Those of the system.
    fn create_dir(&self, path: &str) -> io::Result<()>;

    /// Removes a directory with everything in it; one that does not exist is no error.
    ///
    /// # Errors
    /// Those of the system; part of it may be gone then.
    fn remove_dir(&self, path: &str) -> io::Result<()>;

    /// Names of the files and directories in a directory, in order.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, and those of the system.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` for [`Open::Existing`] when there is none, and those of the system.
    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn StorageFile>>;

    /// Gives a file another name, in place of a file that has it; readers never see neither.
    ///
    /// # Errors
    /// Those of the system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; who has it open can still read it.
    ///
    /// # Errors
    /// `NotFound` when there is none, and those of the system.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a directory survive a power loss.
    ///
    /// # Errors
    /// Those of the system; the names must be taken for lost then.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It has to exist.
    Existing,
    /// It is made, or emptied.
    Empty,
}

/// An open file.
pub trait StorageFile: Debug + Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn size(&self) -> io::Result<u64>;

    /// Reads exactly `len` bytes.
    ///
    /// # Errors
    /// `UnexpectedEof` when there are not as many, and those of the system.
    fn read_at(&self, position: u64, len: usize) -> io::Result<Vec<Bytes>>;

    /// Fills `buffer` with the bytes from `position` on.
    ///
    /// # Errors
    /// As [`StorageFile::read_at`].
    fn read_into(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut rest = buffer;
        for part in self.read_at(position, rest.len())? {
            let (now, later) = rest.split_at_mut(part.len());
            now.copy_from_slice(&part);
            rest = later;
        }
        Ok(())
    }

    /// Whether [`StorageFile::read_at`] shares what the file keeps in memory, so that it costs none.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Says that these bytes will hardly be read again, so that nothing need keep them in memory beside the file. They stay
    /// in the file, whether they were synced or not. There may be none.
    fn evict(&self, _range: Range<u64>) {}

    /// Writes all parts one after the other from `position` on, which is not past the end.
    ///
    /// # Errors
    /// Those of the system; any part of the bytes may have been written then.
    fn write_at(&self, position: u64, parts: &[Bytes]) -> io::Result<()>;

    /// Cuts the file off.
    ///
    /// # Errors
    /// Those of the system.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes what was written survive a power loss.
    ///
    /// # Errors
    /// Those of the system; everything since the last success must be taken for lost then, and trying again proves
    /// nothing.
    fn sync_data(&self) -> io::Result<()>;
}

/// Puts a file in place as a whole: after a crash it has the old content or the new one.
///
/// # Errors
/// Those of the storage; which of the two is there is open then.
pub fn replace(storage: &dyn Storage, dir: &str, name: &str, content: Bytes) -> io::Result<()> {
    let (temporary, path) = (format!("{dir}/{name}.tmp"), format!("{dir}/{name}"));
    let file = storage.open(&temporary, Open::Empty)?;
    file.write_at(0, &[content])?;
    file.sync_data()?;
    storage.rename(&temporary, &path)?;
    storage.sync_dir(dir)
}

/// Removes a file, if it is there.
///
/// # Errors
/// Those of the storage.
pub(crate) fn remove_if_there(storage: &dyn Storage, path: &str) -> io::Result<()> {
    match storage.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file that can be made again and that its reader checks: after a crash any part of it may be there.
///
/// # Errors
/// Those of the storage.
pub fn put(storage: &dyn Storage, dir: &str, name: &str, content: Bytes) -> io::Result<()> {
    storage.open(&format!("{dir}/{name}"), Open::Empty)?.write_at(0, &[content])
}

/// The whole content of a small file; none when it does not exist or is larger than `limit`.
///
/// # Errors
/// Those of the storage.
pub fn read_small(storage: &dyn Storage, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match storage.open(path, Open::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match usize::try_from(file.size()?) {
        Ok(len) if len as u64 <= limit => Ok(Some(file.read_at(0, len)?.concat())),
        _ => Ok(None),
    }
}
