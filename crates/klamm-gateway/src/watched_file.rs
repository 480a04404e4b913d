//! A small file that others may replace while the gateway runs.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// No watched file is larger, in bytes.
const BYTES_MAX: u64 = 16 << 20;

/// How often watched files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// When a watched file is looked at: now and then, and at once when somebody asks for it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looks(Arc<Notify>);

impl Looks {
    /// Until the next look is due.
    pub(crate) async fn next(&self) {
        let _ = tokio::time::timeout(LOOK_EVERY, self.0.notified()).await;
    }

    /// The next look is due, even if nobody waits for it at the moment.
    pub(crate) fn now(&self) {
        self.0.notify_one();
    }
}

/// A file and what it held when it was last read.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    path: PathBuf,
    digest: Option<[u8; 32]>,
}

impl WatchedFile {
    /// Nothing of it is read yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, digest: None }
    }

    /// What it holds now, if that is not what it held the last time. Its times are not asked: a file may change twice
    /// within the grain of a clock. Blocks.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub(crate) fn changed(&mut self) -> io::Result<Option<Vec<u8>>> {
        // What cannot be read now is news when it can be read again.
        let last = self.digest.take();
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 16 MiB"));
        }
        let digest = Sha256::digest(&bytes).into();
        self.digest = Some(digest);
        Ok((last != self.digest).then_some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{LOOK_EVERY, Looks, WatchedFile};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_look_is_due_in_time_or_at_once() {
        let looks = Looks::default();
        let took = async || {
            let began = tokio::time::Instant::now();
            looks.next().await;
            began.elapsed()
        };
        assert!(took().await >= LOOK_EVERY);
        looks.now();
        assert_eq!(took().await, Duration::ZERO);
        assert!(took().await >= LOOK_EVERY, "it was asked for once");
    }

    #[test]
    fn only_what_changed_is_handed_out() {
        let path = std::env::temp_dir().join(format!("klamm-watched-{}", std::process::id()));
        std::fs::write(&path, "one").unwrap();
        let mut file = WatchedFile::new(path.clone());
        assert_eq!(file.changed().unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(file.changed().unwrap(), None);
        std::fs::write(&path, "two").unwrap();
        assert_eq!(file.changed().unwrap().as_deref(), Some(&b"two"[..]));
        std::fs::remove_file(&path).unwrap();
        assert!(file.changed().is_err());
        std::fs::write(&path, "two").unwrap();
        assert!(file.changed().unwrap().is_some(), "it was gone in between");
        std::fs::remove_file(&path).unwrap();
    }
}
