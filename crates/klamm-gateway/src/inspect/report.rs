//! What is in a log: all that waits, read and checked.

use super::overlay::Overlay;
use crate::wal::{Opened, Wal, WalConfig, WalOpenError};
use klamm_log::storage::{FileStorage, OpenError, Storage};
use klamm_log::{LogError, ReadError};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The directory of the log's files within that of a gateway.
const LOG_DIR: &str = "wal";
/// Bytes of records that are in memory at a time.
const READ_BYTES: usize = 1024 * 1024;
/// How many topics are told apart; the rest is summed up.
const TOPICS_MAX: usize = 10_000;
/// A gateway drops segments that Kafka has: a look that meets one which is gone begins anew, but so many there are at most.
const LOOKS_MAX: usize = 20;

/// Why there is nothing to look at.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InspectError {
    /// No gateway ever used the directory.
    #[error("{} holds no log of a gateway", .0.display())]
    NoLog(PathBuf),
    /// It cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] WalOpenError),
}

impl InspectError {
    /// Whether a file was not there that had been just before.
    fn is_gone(&self) -> bool {
        let error = match self {
            Self::Io(_, error) | Self::Open(WalOpenError::Io(error)) => error,
            Self::Open(WalOpenError::Log(LogError::Storage { source, .. })) => source,
            Self::Open(WalOpenError::Read(ReadError::Storage(error))) => error,
            Self::NoLog(_) | Self::Open(_) => return false,
        };
        error.kind() == io::ErrorKind::NotFound
    }
}

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its name.
    pub name: String,
    /// Bytes of it.
    pub bytes: u64,
}

/// What waits for one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Records.
    pub records: u64,
    /// Bytes of their keys, values and headers.
    pub bytes: u64,
    /// The sequence of the first of them.
    pub first: u64,
    /// The earliest of their timestamps, in milliseconds since 1970.
    pub earliest_ms: i64,
}

/// What is in a log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WalReport {
    /// The id of the log; with a sequence it names a record for good.
    pub instance: String,
    /// Whether a process has it open now: then it goes on changing.
    pub in_use: bool,
    /// What opening it found, and would mend.
    pub opened: Opened,
    /// How long the oldest record that waits has done so.
    pub oldest_age: Option<Duration>,
    /// What waits by topic.
    pub topics: BTreeMap<Arc<str>, Waiting>,
    /// Records that waited and were read: all of them, unless some cannot be read.
    pub read: u64,
    /// What could not be read, beside what opening it found.
    pub unreadable: u64,
    /// Files that a gateway would make for what is damaged.
    pub would_set_aside: Vec<String>,
    /// Its segments, the oldest first.
    pub segments: Vec<SegmentFile>,
    /// Files with what was damaged and set aside before; what this look found is in `would_set_aside`.
    pub damaged: Vec<SegmentFile>,
}

impl WalReport {
    /// Whether everything that was promised is there.
    ///
    /// An append that was cut off is no damage: nobody had been told of it.
    pub fn is_sound(&self) -> bool {
        self.opened.lost == 0 && self.unreadable == 0 && !self.opened.cursor_lost
    }
}

/// Reads everything that waits in the log of a gateway's directory, and changes nothing.
///
/// A gateway may have it open. What it writes meanwhile may be missing from the report, or look cut off.
///
/// # Errors
/// [`InspectError`].
pub async fn inspect(dir: &Path) -> Result<WalReport, InspectError> {
    for _ in 1..LOOKS_MAX {
        match look(dir).await {
            Err(error) if error.is_gone() => {}
            looked => return looked,
        }
    }
    look(dir).await
}

async fn look(dir: &Path) -> Result<WalReport, InspectError> {
    let io = |error| InspectError::Io(dir.to_owned(), error);
    if !dir.join(LOG_DIR).is_dir() {
        return Err(InspectError::NoLog(dir.to_owned()));
    }
    let in_use = in_use(dir);
    let overlay = Arc::new(Overlay::new(dir));
    let files = files(dir).map_err(io)?;
    // Nothing is appended: no memory for what was written last, and nothing is refused.
    let config = WalConfig { recent_bytes: 0, max_bytes: u64::MAX / 2, ..WalConfig::default() };
    let storage: Arc<dyn Storage> = overlay;
    let (wal, mut reader, opened) = Wal::open(storage, config)?;
    let state = wal.state();
    let instance = wal.instance().to_owned();
    // The reader ends where the log does.
    wal.close().await;
    let (mut topics, mut read) = (BTreeMap::<Arc<str>, Waiting>::new(), 0);
    while let Some(records) = reader.next(READ_BYTES).await {
        for (sequence, record) in records {
            read += 1;
            let full = topics.len() >= TOPICS_MAX && !topics.contains_key(&record.topic);
            let topic = if full { "others".into() } else { record.topic.clone() };
            let waiting = topics.entry(topic).or_insert_with(|| Waiting {
                first: sequence,
                earliest_ms: record.timestamp,
                ..Waiting::default()
            });
            waiting.records += 1;
            waiting.bytes += record.bytes() as u64;
            waiting.earliest_ms = waiting.earliest_ms.min(record.timestamp);
        }
    }
    let read_through = wal.state();
    let unreadable = read_through.lost.saturating_sub(opened.lost);
    let would_set_aside = [opened.quarantined.clone(), read_through.set_aside].concat();
    let (damaged, files): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.name.ends_with(".damaged"));
    let segments = files.into_iter().filter(|file| file.name.ends_with(".log")).collect();
    let oldest_age = state.oldest_age;
    Ok(WalReport {
        instance,
        in_use,
        opened,
        oldest_age,
        topics,
        read,
        unreadable,
        would_set_aside,
        segments,
        damaged,
    })
}

fn in_use(dir: &Path) -> bool {
    // Opening it would make a directory that is none one of ours.
    dir.join("klamm.format").exists() && matches!(FileStorage::open(dir), Err(OpenError::InUse(_)))
}

fn files(dir: &Path) -> io::Result<Vec<SegmentFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir.join(LOG_DIR))? {
        let entry = entry?;
        let bytes = match entry.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        files.push(SegmentFile { name: entry.file_name().to_string_lossy().into_owned(), bytes });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}
