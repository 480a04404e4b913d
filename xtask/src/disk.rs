//! Room on a disk.

use std::path::Path;

use crate::failure::{Doing, Failure, Result};

/// An error unless so many bytes are free where `dir` is; `less` says how to need fewer. A disk that fills up looks like many
/// other troubles.
pub(crate) fn has_room(dir: &Path, bytes: u64, less: &str) -> Result<()> {
    let disk = rustix::fs::statvfs(dir).doing(dir.display())?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= bytes {
        return Ok(());
    }
    let (needed, free, dir) = (bytes.div_ceil(1 << 30), free >> 30, dir.display());
    Err(Failure::new(format!("{needed} GiB are needed in {dir}, and {free} are free: {less}")))
}
