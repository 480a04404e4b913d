//! Pure: which call goes wrong, and how.

use std::io;

/// Kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// `Storage::create_dir`.
    CreateDir,
    /// `Storage::list`.
    List,
    /// `Storage::open`.
    Open,
    /// `Storage::rename`.
    Rename,
    /// `Storage::remove` and `Storage::remove_dir`.
    Remove,
    /// `Storage::sync_dir`.
    SyncDir,
    /// `StorageFile::read_at` and `StorageFile::size`.
    Read,
    /// `StorageFile::write_at`.
    Write,
    /// `StorageFile::truncate`.
    Truncate,
    /// `StorageFile::sync_data`.
    Sync,
}

/// What a call does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misdeed {
    /// Nothing, and says so: an I/O error. A failed sync also forgets what it should have written, as Linux does: a later
    /// one succeeds and the data is not on the disk.
    Fail,
    /// Nothing, because the disk is full.
    Full,
    /// Writes the first bytes, then finds the disk full. Calls that write nothing just fail.
    Tear {
        /// How many are written.
        bytes: usize,
    },
    /// A sync that does nothing and reports success. Other calls fail.
    Pretend,
}

impl Misdeed {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Fail | Self::Pretend => io::Error::other("input/output error"),
            Self::Full | Self::Tear { .. } => {
                io::Error::new(io::ErrorKind::StorageFull, "no space left on device")
            }
        }
    }
}

/// A call that will go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The kind that counts; `None` for any.
    pub call: Option<Call>,
    /// How many of them still work before it.
    pub after: u64,
    /// What happens.
    pub misdeed: Misdeed,
    /// Whether it happens to all later ones, too.
    pub lasting: bool,
}

/// Faults to come, and how many calls there were.
#[derive(Debug, Default)]
pub(super) struct Plan {
    faults: Vec<Fault>,
    calls: u64,
}

impl Plan {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// Counts a call; what it does wrong, when it is its turn.
    pub(super) fn next(&mut self, call: Call) -> Option<Misdeed> {
        self.calls += 1;
        let mut struck = None;
        self.faults.retain_mut(|fault| {
            if fault.call.is_some_and(|kind| kind != call) {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            struck = struck.or(Some(fault.misdeed));
            fault.lasting
        });
        struck
    }
}
