//! Opening a log: what is in it, what is missing, and how far Kafka has it.

use super::books::Need;
use super::config::{Opened, WalConfig, WalOpenError};
use super::core::{CURSOR_FILE, Core, CursorFile, DIR, Progress, now_ms, offset, sequence};
use super::cursor::{Cursor, FILE_BYTES};
use super::desk::Desk;
use super::encoding::{Decoded, batches, decode, promised_offset};
use klamm_log::storage::{Open, Storage, read_small, replace};
use klamm_log::{Log, LogConfig, Promise, Recovery};
use parking_lot::{Condvar, Mutex};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;

/// Bytes that are read at a time.
const READ_BYTES: usize = 1024 * 1024;
/// A log has at least this many segments when it is full, so that what is in Kafka can go.
const MIN_SEGMENTS: u64 = 8;

/// Opens the log of a storage, or makes an empty one.
pub(super) fn open(
    storage: Arc<dyn Storage>,
    config: WalConfig,
) -> Result<(Core, Opened), WalOpenError> {
    let (log, recovery) = Log::open(storage.clone(), DIR, log_config(&config))?;
    let found = cursor(&*storage)?;
    let (start, end) = (sequence(log.start_offset()), sequence(log.end_offset()));
    let fresh = found.is_none() && end == 0;
    let usable = found.filter(|cursor| cursor.released <= end);
    let cursor_lost = usable.is_none() && !fresh;
    let cursor = match usable {
        Some(cursor) => Cursor { released: cursor.released.max(start), ..cursor },
        None => Cursor { instance: new_instance()?, released: start, saves: 0 },
    };
    let mut scan =
        Scan { log: &log, config: &config, desk: Desk::default(), missing: Vec::new(), lost: 0 };
    scan.run(cursor.released)?;
    let Scan { mut desk, lost, .. } = scan;
    (desk.released, desk.lost) = (cursor.released, lost);
    let opened = Opened {
        records: desk.books.records(),
        bytes: desk.books.bytes(),
        released: cursor.released,
        next: end,
        lost,
        quarantined: quarantined(&recovery),
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
    };
    Ok((core, opened))
}

fn log_config(config: &WalConfig) -> LogConfig {
    let mut log = LogConfig::default();
    log.segment_bytes = config.segment_bytes.min((config.max_bytes / MIN_SEGMENTS).max(1));
    log.segment_ms = i64::MAX;
    log.retention_ms = None;
    log.delete = false;
    log.sync_names = true;
    log.preallocate = true;
    log.promise = Promise(Some(promised_offset));
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

/// A look at every record that is there.
struct Scan<'a> {
    log: &'a Log,
    config: &'a WalConfig,
    desk: Desk,
    /// Sequences from the cursor on that are not there or cannot be read, and that nothing has shown to be promised yet.
    missing: Vec<Range<u64>>,
    /// How many were below a durable mark: they had been promised.
    lost: u64,
}

impl Scan<'_> {
    fn run(&mut self, released: u64) -> Result<(), WalOpenError> {
        let (mut at, end) = (sequence(self.log.start_offset()), self.log.end_offset());
        while at < sequence(end) {
            let slices = self.log.locate(offset(at), end, READ_BYTES, true)?;
            let bytes = slices.load().map_err(WalOpenError::Io)?.concat().into();
            for (first, batch) in batches(&bytes) {
                self.missing.push(at.max(released)..first);
                at = self.batch(batch, first, released);
            }
            if slices.is_empty() {
                // The last segment is new and empty, and the end of the one before it never reached the disk.
                self.desk.mark = at;
                return Ok(());
            }
            at = at.max(sequence(slices.end_offset()));
        }
        self.desk.mark = at;
        Ok(())
    }

    /// Books a batch; the sequence behind it.
    fn batch(&mut self, batch: bytes::Bytes, first: u64, released: u64) -> u64 {
        let next = super::encoding::next_sequence(&batch, first);
        match decode(batch, first) {
            Ok(decoded) => self.records(&decoded, released),
            Err(_) => self.missing.push(first.max(released)..next),
        }
        next
    }

    fn records(&mut self, decoded: &Decoded, released: u64) {
        let ttl = i64::try_from(self.config.seen_ttl.as_millis()).unwrap_or(i64::MAX);
        // The first batch behind a gap says what of it had been synced; later ones know no better.
        let promised = decoded.mark;
        for missing in std::mem::take(&mut self.missing) {
            self.lost += missing.end.min(promised).saturating_sub(missing.start);
        }
        let mut need = Need::default();
        for (sequence, record) in &decoded.records {
            if let Some(hash) = record.idempotency {
                self.desk.seen.done(hash, *sequence, decoded.taken_ms);
            }
            if *sequence >= released {
                need.add(record);
            }
        }
        self.desk.seen.expire(self.config.seen_max, now_ms().saturating_sub(ttl));
        if let Some((last, _)) = decoded.records.last().filter(|_| need.records > 0) {
            self.desk.books.found(&need, last + 1, decoded.taken_ms);
        }
    }
}
