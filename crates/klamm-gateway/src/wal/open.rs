//! Opening a log: what is in it, what is missing, and how far Kafka has it.

use super::chapter_file::EXTENSION;
use super::config::{Opened, WalConfig, WalOpenError};
use super::core::{CURSOR_FILE, Core, CursorFile, DIR, Progress, sequence};
use super::cursor::{Cursor, FILE_BYTES};
use super::encoding::promised_offset;
use super::read_back::{Found, ReadBack};
use super::workers::Workers;
use klamm_log::storage::{Open, Storage, read_small, replace};
use klamm_log::{Log, LogConfig, Promise, Recovery};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use tokio::sync::watch;

/// A log has at least this many segments when it is full, so that what is in Kafka can go.
const MIN_SEGMENTS: u64 = 8;
/// Bytes between two marks of a segment, of which each takes memory for as long as the segment is there: a reader goes on where
/// it was and rarely looks for a place, and a backlog may be long.
const MARK_EVERY_BYTES: u64 = 64 * 1024;

/// Opens the log of a storage, or makes an empty one.
pub(super) fn open(
    storage: Arc<dyn Storage>,
    config: WalConfig,
) -> Result<(Core, Opened), WalOpenError> {
    let (mut log, recovery) = Log::open(storage.clone(), DIR, log_config(&config))?;
    let found = cursor(&*storage)?;
    let (start, end) = (sequence(log.start_offset()), sequence(log.end_offset()));
    let fresh = found.is_none() && end == 0;
    let usable = found.filter(|cursor| cursor.released <= end);
    let cursor_lost = usable.is_none() && !fresh;
    let cursor = match usable {
        Some(cursor) => Cursor { released: cursor.released.max(start), ..cursor },
        None => Cursor { instance: new_instance()?, released: start, saves: 0 },
    };
    let found = ReadBack::new(&mut log, &*storage, &config, cursor.released).run()?;
    let Found { mut desk, chapter, unread, set_aside } = found;
    desk.released = cursor.released;
    let mut quarantined = quarantined(&recovery);
    quarantined.extend(set_aside);
    let opened = Opened {
        records: desk.books.records(),
        bytes: desk.books.bytes(),
        released: cursor.released,
        next: end,
        lost: desk.lost,
        quarantined,
        cut_bytes: recovery.truncated_bytes,
        cursor_lost,
    };
    let (progress, _) = watch::channel(Progress { end, closed: false });
    let path = format!("{DIR}/{CURSOR_FILE}");
    if fresh || cursor_lost {
        // An id that was told to anybody has to be the same the next time.
        replace(&*storage, DIR, CURSOR_FILE, cursor.to_file().into())?;
    }
    let core = Core {
        workers: Workers::of_this_runtime(),
        config,
        instance: cursor.instance.clone(),
        log: Mutex::new(log),
        desk: Mutex::new(desk),
        work: Condvar::new(),
        progress,
        cursor: Mutex::new(CursorFile {
            file: storage.open(&path, Open::Existing)?,
            last: cursor,
            // The last process may not have come to it.
            dropped: 0,
        }),
        storage,
        chapter: Mutex::new(chapter),
        finished: Mutex::default(),
        unread: unread.into(),
    };
    Ok((core, opened))
}

fn log_config(config: &WalConfig) -> LogConfig {
    let mut log = LogConfig::default();
    log.segment_bytes = config.segment_bytes.min((config.max_bytes / MIN_SEGMENTS).max(1));
    log.index_interval_bytes = MARK_EVERY_BYTES;
    log.segment_ms = i64::MAX;
    log.retention_ms = None;
    log.delete = false;
    log.sync_names = true;
    log.preallocate = true;
    log.promise = Promise(Some(promised_offset));
    log.companions = &[EXTENSION];
    log
}

fn quarantined(recovery: &Recovery) -> Vec<String> {
    let aside = recovery.quarantined.iter().chain(&recovery.unwritten);
    aside.map(|damage| damage.file.clone()).collect()
}

fn cursor(storage: &dyn Storage) -> Result<Option<Cursor>, WalOpenError> {
    let content = read_small(storage, &format!("{DIR}/{CURSOR_FILE}"), FILE_BYTES as u64)?;
    Ok(content.and_then(|content| Cursor::from_file(&content)))
}

/// An id that no other log has.
fn new_instance() -> Result<String, WalOpenError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| WalOpenError::Random(error.to_string()))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}
