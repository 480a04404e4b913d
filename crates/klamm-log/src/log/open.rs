//! Opening a log: after a clean end as it was left, after a crash by looking at what may have suffered.

use super::append::marker;
use super::compact::finish_swaps;
use super::scan::{Scanned, scan};
use super::spare;
use super::{CLEAN_FILE, EPOCHS_FILE, Log, RECOVERY_FILE, START_FILE, SUMMARY, snapshot_offset};
use crate::config::LogConfig;
use crate::epochs::Epochs;
use crate::error::LogError;
use crate::producers::Producers;
use crate::segment::{Located, Segment, file_name};
use crate::snapshot;
use crate::storage::{Open, Storage, StorageFile, read_small, remove_if_there};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The largest of the small files beside the segments, in bytes.
const MAX_SMALL_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes copied at a time.
const COPY_BYTES: u64 = 1024 * 1024;

/// What opening a log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whether it had been closed; then nothing was scanned.
    pub clean: bool,
    /// Batches whose checksums were looked at.
    pub scanned_batches: u64,
    /// Bytes cut off at the end: an append that a crash interrupted.
    pub truncated_bytes: u64,
    /// Damage with sound batches behind it: a disk's fault, not a crash's.
    pub quarantined: Vec<Quarantined>,
    /// What followed a write that never reached the disk, when every append waits for the disk: none of it had been
    /// acknowledged. It counts as cut off, and is kept beside the log in case that is a mistake.
    pub unwritten: Option<Quarantined>,
}

/// Bytes that were taken out of a segment because they are no batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The file they were moved to.
    pub file: String,
    /// How many.
    pub bytes: u64,
    /// Records before this offset may be missing, from `from_offset` on.
    pub upto_offset: i64,
    /// The offset behind the last sound record before them.
    pub from_offset: i64,
}

impl Log {
    /// Opens the log in a directory, and makes an empty one when there is none.
    ///
    /// Unless it was closed, everything from the recovery point on is checked, batch by batch: a bad end is cut off, and
    /// damage in the middle is moved to a file of its own, counted and reported. Offsets never change.
    ///
    /// # Errors
    /// [`LogError::Storage`]; another try is possible.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &str,
        config: LogConfig,
    ) -> Result<(Self, Recovery), LogError> {
        let opening =
            Opening { storage, dir: dir.to_owned(), config, recovery: Recovery::default() };
        opening.run().map_err(|source| LogError::Storage { dir: dir.to_owned(), source })
    }
}

pub(super) struct Opening {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) dir: String,
    pub(super) config: LogConfig,
    pub(super) recovery: Recovery,
}

impl Opening {
    fn run(mut self) -> io::Result<(Log, Recovery)> {
        self.storage.create_dir(&self.dir)?;
        let names = self.storage.list(&self.dir)?;
        for leftover in names.iter().filter(|name| name.ends_with(".tmp")) {
            self.storage.remove(&self.path(leftover))?;
        }
        finish_swaps(&*self.storage, &self.dir, &names)?;
        let names = self.storage.list(&self.dir)?;
        let clean_end = self.number(CLEAN_FILE)?;
        self.recovery.clean = clean_end.is_some();
        let trusted = clean_end.or(self.number(RECOVERY_FILE)?).unwrap_or(0);
        let segments = self.segments(&names, trusted)?;
        self.remove_strays(&names, &segments)?;
        let start = self.number(START_FILE)?.unwrap_or(0).max(segments[0].base_offset);
        let mut log = Log {
            storage: self.storage.clone(),
            dir: self.dir.clone(),
            config: self.config.clone(),
            start_offset: start,
            flushed_offset: trusted,
            recovery_offset: self.number(RECOVERY_FILE)?.unwrap_or(0),
            compacted_offset: 0,
            segments,
            producers: Producers::default(),
            epochs: Epochs::default(),
            poisoned: None,
            spare: self.spare(&names)?,
        };
        log.start_offset = log.start_offset.min(log.end_offset());
        log.flushed_offset = trusted.min(log.end_offset());
        self.restore(&mut log, &names)?;
        if clean_end.is_some() {
            // From here on a crash leaves work to do.
            self.storage.remove(&self.path(CLEAN_FILE))?;
            self.storage.sync_dir(&self.dir)?;
        }
        if !self.recovery.clean {
            // What was only in the system's memory before a crash of the process is made certain now.
            log.segments
                .iter_mut()
                .for_each(|segment| segment.dirty |= segment.next_offset > trusted);
            log.flush()?;
        }
        log.remove_segments_before_start()?;
        log.save_missing_summaries();
        Ok((log, self.recovery))
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    /// What there is of a spare from before. Whether it is all zeros is not known.
    fn spare(&self, names: &[String]) -> io::Result<spare::State> {
        match names.iter().any(|name| name == spare::FILE) {
            true if self.config.preallocate => Ok(spare::State::Used),
            true => self.storage.remove(&self.path(spare::FILE)).map(|()| spare::State::None),
            false => Ok(spare::State::None),
        }
    }

    /// The number in a small file.
    fn number(&self, name: &str) -> io::Result<Option<i64>> {
        let content = read_small(&*self.storage, &self.path(name), 64)?;
        Ok(content.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok()))
    }

    /// All segments, those that end behind `trusted` after a look at every batch.
    fn segments(&mut self, names: &[String], trusted: i64) -> io::Result<Vec<Segment>> {
        let bases = names.iter().filter_map(|name| name.strip_suffix(".log")?.parse().ok());
        let mut bases: Vec<i64> = bases.collect();
        bases.sort_unstable();
        let mut segments: Vec<Segment> = Vec::with_capacity(bases.len().max(1));
        for (n, &base) in bases.iter().enumerate() {
            let next = bases.get(n + 1).copied();
            let whole = next.is_some_and(|next| next <= trusted) || self.recovery.clean;
            let loaded = if whole { self.load(base, next).map(Some) } else { Ok(None) };
            let segment = match loaded {
                Ok(Some(segment)) => segment,
                Ok(None) => self.recover(base, next)?,
                // It was whole when it was closed; something has been at it since.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.recovery.clean = false;
                    self.recover(base, next)?
                }
                Err(error) => return Err(error),
            };
            segments.push(segment);
        }
        if segments.is_empty() {
            let base = self.number(START_FILE)?.unwrap_or(0);
            let interval = self.config.index_interval_bytes;
            segments.push(Segment::create(&*self.storage, &self.dir, base, interval)?);
            if self.config.sync_names {
                self.storage.sync_dir(&self.dir)?;
                self.storage.sync_dir("")?;
            }
        }
        Ok(segments)
    }

    fn open_file(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.storage.open(&self.path(name), Open::Existing)
    }

    /// A segment that is known to be whole: as its summary has it, else its headers are read.
    fn load(&self, base: i64, next: Option<i64>) -> io::Result<Segment> {
        let file = self.open_file(&file_name(base, "log"))?;
        // What is appended to the last one has to be in Kafka's indexes with what is there.
        if let Some(next) = next {
            let path = self.path(&file_name(base, SUMMARY));
            let interval = self.config.index_interval_bytes;
            let found = Segment::from_summary(&self.storage, path, &file, base, interval)?;
            if let Some(segment) = found.filter(|segment| segment.next_offset <= next) {
                return Ok(segment);
            }
        }
        let mut whole = Segment::new(file.clone(), base, self.config.index_interval_bytes);
        whole.len = file.size()?;
        let mut segment = Segment::new(file, base, self.config.index_interval_bytes);
        let end = next.unwrap_or(i64::MAX);
        for batch in whole.batches(0) {
            let batch = batch?;
            if batch.header.base_offset < segment.next_offset || batch.next_offset() > end {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "offsets out of order"));
            }
            segment.note(&batch);
        }
        Ok(segment)
    }

    /// Removes what is beside segments that are gone.
    fn remove_strays(&self, names: &[String], segments: &[Segment]) -> io::Result<()> {
        for name in names {
            let Some((base, extension)) = name.split_once('.') else { continue };
            let ours = extension == SUMMARY || self.config.companions.contains(&extension);
            let Some(base) = base.parse::<i64>().ok().filter(|_| ours) else { continue };
            if segments.binary_search_by_key(&base, |segment| segment.base_offset).is_err() {
                self.storage.remove(&self.path(name))?;
            }
        }
        Ok(())
    }

    /// A segment that a crash may have left in any state; `next` is where the one behind it begins.
    pub(super) fn recover(&mut self, base: i64, next: Option<i64>) -> io::Result<Segment> {
        let last = next.is_none();
        let name = file_name(base, "log");
        let file = self.open_file(&name)?;
        let offsets = base..next.unwrap_or(i64::MAX);
        let scanned = scan(&*file, offsets, last && self.config.sync_names, self.config.promise)?;
        self.recovery.scanned_batches += scanned.batches.len() as u64;
        let size = file.size()?;
        let written = self.written(&*file, scanned.end..size)?;
        if scanned.unwritten {
            let from_offset = scanned.batches.last().map_or(base, Located::next_offset);
            let range = scanned.end..written;
            let aside = self.set_aside(&name, &*file, range, from_offset, i64::MAX)?;
            self.recovery.unwritten = Some(aside);
        }
        let file = if scanned.damaged.is_empty() && (last || scanned.end == written) {
            self.recovery.truncated_bytes += written - scanned.end;
            if scanned.end < size {
                file.truncate(scanned.end)?;
                file.sync_data()?;
            }
            file
        } else {
            self.quarantine(&name, base, &*file, &scanned, last)?
        };
        let mut segment = Segment::new(file, base, self.config.index_interval_bytes);
        for batch in &scanned.batches {
            // Without the damage the batches stand closer together.
            segment.note(&Located { position: segment.len, ..*batch });
        }
        Ok(segment)
    }

    /// Where the zeros begin that no append has written over; without those, the end of the file.
    fn written(&self, file: &dyn StorageFile, behind: Range<u64>) -> io::Result<u64> {
        let mut end = behind.end;
        while self.config.preallocate && end > behind.start {
            let step = (end - behind.start).min(COPY_BYTES);
            let part = file.read_at(end - step, usize::try_from(step).unwrap_or(usize::MAX))?;
            match part.concat().iter().rposition(|&byte| byte != 0) {
                Some(last) => return Ok(end - step + last as u64 + 1),
                None => end -= step,
            }
        }
        Ok(end)
    }

    /// Moves everything damaged to a file of its own and puts a file with the sound batches in its place.
    fn quarantine(
        &mut self,
        name: &str,
        base: i64,
        file: &dyn StorageFile,
        scanned: &Scanned,
        last: bool,
    ) -> io::Result<Arc<dyn StorageFile>> {
        let written = self.written(file, scanned.end..file.size()?)?;
        let mut damaged = scanned.damaged.clone();
        if last {
            self.recovery.truncated_bytes += written - scanned.end;
        } else if scanned.end < written {
            damaged.push(scanned.end..written);
        }
        for range in &damaged {
            let before = scanned.batches.iter().rfind(|batch| batch.end() <= range.start);
            let behind = scanned.batches.iter().find(|batch| batch.position >= range.end);
            let from_offset = before.map_or(base, Located::next_offset);
            let upto_offset = behind.map_or(i64::MAX, |batch| batch.header.base_offset);
            let aside = self.set_aside(name, file, range.clone(), from_offset, upto_offset)?;
            self.recovery.quarantined.push(aside);
        }
        let temporary = self.path(&format!("{name}.tmp"));
        let sound = self.storage.open(&temporary, Open::Empty)?;
        for batch in &scanned.batches {
            copy(file, batch.position, batch.len, &*sound)?;
        }
        sound.sync_data()?;
        for extension in [SUMMARY].iter().chain(self.config.companions) {
            remove_if_there(&*self.storage, &self.path(&file_name(base, extension)))?;
        }
        self.storage.rename(&temporary, &self.path(name))?;
        self.storage.sync_dir(&self.dir)?;
        Ok(sound)
    }

    /// Copies a range to a file of its own, where it stays until someone looks at it.
    fn set_aside(
        &self,
        name: &str,
        file: &dyn StorageFile,
        range: Range<u64>,
        from_offset: i64,
        upto_offset: i64,
    ) -> io::Result<Quarantined> {
        let (side, bytes) = (format!("{name}.{from_offset}.damaged"), range.end - range.start);
        let aside = self.storage.open(&self.path(&side), Open::Empty)?;
        copy(file, range.start, bytes, &*aside)?;
        // The log forgets these bytes next; they must not be lost with that.
        aside.sync_data()?;
        self.storage.sync_dir(&self.dir)?;
        Ok(Quarantined { file: side, bytes, upto_offset, from_offset })
    }

    /// What is known of producers and epochs: from the last file that says so, and the batches behind it.
    fn restore(&self, log: &mut Log, names: &[String]) -> io::Result<()> {
        let mut offsets: Vec<i64> = names.iter().filter_map(|name| snapshot_offset(name)).collect();
        offsets.sort_unstable();
        let mut from = log.start_offset;
        // What is known at the beginning of a segment holds: the one before it was whole by then. It may be all that is
        // left of batches that retention has removed.
        let known = log.flushed_offset.max(log.active().base_offset);
        for offset in offsets.into_iter().rev().filter(|&offset| offset <= known) {
            let path = self.path(&super::snapshot_name(offset));
            let content = read_small(&*self.storage, &path, MAX_SMALL_BYTES)?;
            if let Some((at, producers)) = content.and_then(|content| snapshot::decode(&content)) {
                log.producers = producers;
                from = at;
                break;
            }
        }
        let epochs = read_small(&*self.storage, &self.path(EPOCHS_FILE), MAX_SMALL_BYTES)?;
        let epochs = epochs.and_then(|text| Epochs::from_text(&String::from_utf8(text).ok()?));
        log.epochs = epochs.unwrap_or_default();
        log.epochs.truncate(log.end_offset());
        replay(log, from)
    }
}

/// Takes every batch from an offset on into what is known of producers and epochs.
fn replay(log: &mut Log, from: i64) -> io::Result<()> {
    let mut noted = Vec::new();
    for segment in log.segments.iter().filter(|segment| segment.next_offset > from) {
        for batch in segment.batches(segment.floor_of_offset(from)) {
            let batch = batch?;
            if batch.header.base_offset < from {
                continue;
            }
            let control = match batch.header.attributes.is_control() {
                // A marker that cannot be read ends no transaction; its records stay undecided rather than wrong.
                true => marker(&segment.bytes(&batch)?).ok(),
                false => None,
            };
            noted.push((batch.header, control));
        }
    }
    for (header, control) in noted {
        log.epochs.assign(header.partition_leader_epoch, header.base_offset);
        if control.is_some() || !header.attributes.is_control() {
            log.note(&header, control);
        }
    }
    Ok(())
}

/// Copies a range of a file behind what another one holds.
fn copy(from: &dyn StorageFile, position: u64, len: u64, to: &dyn StorageFile) -> io::Result<()> {
    let (mut at, end) = (position, position + len);
    while at < end {
        let step = (end - at).min(COPY_BYTES);
        let parts: Vec<Bytes> = from.read_at(at, usize::try_from(step).unwrap_or(usize::MAX))?;
        to.write_at(to.size()?, &parts)?;
        at += step;
    }
    Ok(())
}
