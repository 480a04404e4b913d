//! Reading a file that a crash may have left in any state: which bytes are batches, and which are damaged.

use super::window::Window;
use crate::config::Promise;
use crate::segment::{Located, located};
use crate::storage::StorageFile;
use klamm_protocol::record_batch::{BATCH_HEADER_LEN, RecordBatch};
use std::io;
use std::ops::Range;

/// The largest batch that is looked for; a length field beyond it is damage.
const MAX_BATCH_BYTES: u64 = 1 << 30;
/// Bytes looked through at a time for the next sound batch.
const SEARCH_BYTES: usize = 1024 * 1024;

/// Bytes that are looked at as batches that may be, in a search for sound ones. Records may hold what looks like headers, as
/// many as their producer likes.
const MAX_SEARCH_BYTES: u64 = 4 << 30;
/// Batches behind the end that a damaged one claims, any of which may begin where it really ends.
const MAX_TRIES: u32 = 16;
/// Where the length of a batch stands, and what it counts from.
const LENGTH_AT: usize = 8;
const LENGTH_FROM: usize = 12;
/// What a disk writes as a whole.
const SECTOR: u64 = 512;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// Sound batches, in order.
    pub(super) batches: Vec<Located>,
    /// Damaged ranges with sound batches behind them.
    pub(super) damaged: Vec<Range<u64>>,
    /// Where the sound part ends; what follows is a torn tail.
    pub(super) end: u64,
    /// Whether sound batches follow the tail, or may: behind a write that never reached the disk, or more than one can look
    /// through.
    pub(super) unwritten: bool,
}

/// Looks at every batch of a file: length, format, checksum, and that offsets grow and are those of the segment.
///
/// With `stop_at_unwritten` the sound part ends where sectors are missing: nothing behind them was acknowledged, if acks
/// wait until everything before them is on the disk. A batch behind them that promises them makes them damage.
///
/// # Errors
/// Those of the storage.
pub(super) fn scan(
    file: &dyn StorageFile,
    mut offsets: Range<i64>,
    stop_at_unwritten: bool,
    promise: Promise,
) -> io::Result<Scanned> {
    let size = file.size()?;
    let mut scanned = Scanned::default();
    let (mut position, mut budget) = (0, MAX_SEARCH_BYTES);
    let mut window = Window::new(file, size);
    while position < size {
        if let Some(batch) = sound_batch(&mut window, position, size, &offsets)? {
            position = batch.end();
            if is_misplaced(&mut window, &batch, size, &offsets)? {
                scanned.damaged.push(batch.position..position);
                continue;
            }
            offsets.start = batch.next_offset();
            scanned.end = position;
            scanned.batches.push(batch);
            continue;
        }
        let claimed = claimed_end(file, position, size)?;
        let found = next_batch(file, position..claimed, size, &offsets, &mut budget)?;
        let Some(sound) = found else {
            scanned.unwritten |= budget == 0;
            break;
        };
        if stop_at_unwritten
            && has_unwritten_sector(file, position..sound, offsets.start)?
            && !is_promised(file, sound, size, &offsets, promise)?
        {
            scanned.unwritten = true;
            break;
        }
        scanned.damaged.push(position..sound);
        position = sound;
    }
    Ok(scanned)
}

/// Whether a batch that leaves offsets out says that it is where the batch behind it is: the checksum does not cover offsets.
fn is_misplaced(
    window: &mut Window<'_>,
    batch: &Located,
    size: u64,
    offsets: &Range<i64>,
) -> io::Result<bool> {
    if batch.header.base_offset == offsets.start || batch.end() == size {
        return Ok(false);
    }
    let behind = sound_batch(window, batch.end(), size, offsets)?;
    Ok(behind.is_some_and(|behind| behind.header.base_offset < batch.next_offset()))
}

/// Whether a sector of these bytes was never written: they should begin with a batch at `next_offset` or behind it, and a
/// sector that reads as zeros from there on is none that a disk has damaged.
fn has_unwritten_sector(
    file: &dyn StorageFile,
    range: Range<u64>,
    next_offset: i64,
) -> io::Result<bool> {
    let (mut at, size) = (range.start, file.size()?);
    while at < range.end {
        // Of the last sector the start of the sound batch behind is part: it begins with zeros, too, and goes on otherwise.
        let end = ((at / SECTOR + 1) * SECTOR).min(size);
        let part = file.read_at(at, usize::try_from(end - at).unwrap_or(usize::MAX))?.concat();
        let zeros = part.iter().all(|&byte| byte == 0);
        // The first bytes of a batch may well be zeros: those of a small offset.
        let expected = next_offset.to_be_bytes();
        let natural = at == range.start && expected.starts_with(&part);
        if zeros && !natural {
            return Ok(true);
        }
        at = end;
    }
    Ok(false)
}

/// Where the batch at a position says that it ends, whether or not anything else about it is sound; the position itself when
/// there is none.
fn claimed_end(file: &dyn StorageFile, position: u64, size: u64) -> io::Result<u64> {
    let len = usize::try_from(size - position).unwrap_or(usize::MAX).min(LENGTH_FROM);
    let head = file.read_at(position, len)?.concat();
    let length = head.get(LENGTH_AT..).and_then(|length| length.first_chunk().copied());
    let length = length.and_then(|length| u64::try_from(i32::from_be_bytes(length)).ok());
    let len = length.map(|length| length + LENGTH_FROM as u64);
    Ok(len.filter(|&len| len >= BATCH_HEADER_LEN as u64).map_or(position, |len| position + len))
}

/// Where the next sound batch begins, behind one that is not sound and claims this range. What stands in the range is part of
/// its records, unless its length is what is damaged: then one of the next few batches begins where it really ends.
fn next_batch(
    file: &dyn StorageFile,
    claimed: Range<u64>,
    size: u64,
    offsets: &Range<i64>,
    budget: &mut u64,
) -> io::Result<Option<u64>> {
    let (mut from, mut first_behind, mut tries) = (claimed.start + 1, None, 0);
    while let Some(sound) = find_batch(file, from, size, offsets, budget)? {
        if sound == claimed.end || is_whole_up_to(file, claimed.start, sound)? {
            return Ok(Some(sound));
        }
        if sound > claimed.end {
            first_behind.get_or_insert(sound);
            tries += 1;
            if tries == MAX_TRIES {
                break;
            }
        }
        *budget = budget.saturating_sub(sound - claimed.start);
        from = sound + 1;
    }
    Ok(first_behind)
}

/// Whether the batch at a position is sound if it ends at `end`, whatever it says itself.
fn is_whole_up_to(file: &dyn StorageFile, position: u64, end: u64) -> io::Result<bool> {
    let bytes = file.read_at(position, usize::try_from(end - position).unwrap_or(usize::MAX))?;
    let mut bytes = bytes.concat();
    let length = i32::try_from(bytes.len().saturating_sub(LENGTH_FROM)).unwrap_or(i32::MAX);
    if let Some(field) = bytes.get_mut(LENGTH_AT..LENGTH_FROM) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    Ok(RecordBatch::parse(bytes.into()).is_ok())
}

/// Whether one of the sound batches from a position on promises the first record of `offsets`.
fn is_promised(
    file: &dyn StorageFile,
    mut position: u64,
    size: u64,
    offsets: &Range<i64>,
    promise: Promise,
) -> io::Result<bool> {
    if promise.0.is_none() {
        return Ok(false);
    }
    let mut window = Window::new(file, size);
    while let Some(located) = sound_batch(&mut window, position, size, offsets)? {
        let len = usize::try_from(located.len).unwrap_or(usize::MAX);
        let batch = RecordBatch::parse(window.get(position, len)?);
        if batch.is_ok_and(|batch| promise.covers(&batch, offsets.start)) {
            return Ok(true);
        }
        position = located.end();
    }
    Ok(false)
}

/// The batch at a position, if everything about it is as it should be.
fn sound_batch(
    window: &mut Window<'_>,
    position: u64,
    size: u64,
    offsets: &Range<i64>,
) -> io::Result<Option<Located>> {
    if size - position < BATCH_HEADER_LEN as u64 {
        return Ok(None);
    }
    let head = window.get(position, BATCH_HEADER_LEN)?;
    let plausible = |batch: &Located| {
        batch.len <= MAX_BATCH_BYTES
            && batch.end() <= size
            && batch.header.base_offset >= offsets.start
            && batch.next_offset() <= offsets.end
    };
    let Some(batch) = located(&head, position).filter(plausible) else { return Ok(None) };
    let bytes = window.get(position, usize::try_from(batch.len).unwrap_or(usize::MAX))?;
    Ok(RecordBatch::parse(bytes).is_ok().then_some(batch))
}

/// Where the next sound batch begins, from `from` on.
fn find_batch(
    file: &dyn StorageFile,
    from: u64,
    size: u64,
    offsets: &Range<i64>,
    budget: &mut u64,
) -> io::Result<Option<u64>> {
    let mut start = from;
    // What begins here may be long: it is read apart from what is looked through.
    let mut batches = Window::new(file, size);
    let zeros = vec![0; SEARCH_BYTES + BATCH_HEADER_LEN];
    while start < size {
        // Windows overlap by a header, so that none is cut in two.
        let len = usize::try_from(size - start)
            .unwrap_or(usize::MAX)
            .min(SEARCH_BYTES + BATCH_HEADER_LEN);
        let window = file.read_at(start, len)?.concat();
        if window == zeros[..len] {
            // As most of a file is that is not full yet.
            start += SEARCH_BYTES as u64;
            continue;
        }
        for at in 0..window.len().saturating_sub(BATCH_HEADER_LEN - 1).min(SEARCH_BYTES) {
            // The format byte and the high bytes of the offset rule out nearly every position without a read.
            if window[at + 16] != 2 || window[at] & 0x80 != 0 {
                continue;
            }
            let position = start + at as u64;
            let plausible =
                |batch: &Located| batch.header.base_offset >= offsets.start && batch.end() <= size;
            let Some(batch) = located(&window[at..], position).filter(plausible) else { continue };
            *budget = budget.saturating_sub(batch.len);
            if *budget == 0 {
                return Ok(None);
            }
            if sound_batch(&mut batches, position, size, offsets)?.is_some() {
                return Ok(Some(position));
            }
        }
        start += SEARCH_BYTES as u64;
    }
    Ok(None)
}
