//! Putting a compacted segment in the place of those it was made from, so that a crash at any moment leaves either.
//!
//! `BASE.cleaned` is being written. Renamed to `BASE-UPTO.swap` it counts: the segments from BASE up to UPTO go, and it takes
//! the name of the first. Whoever opens the log goes on wherever that was interrupted.

use super::super::{BESIDE, Log, SUMMARY};
use crate::segment::{Segment, file_name};
use crate::storage::{Storage, remove_if_there};
use std::io;
use std::ops::Range;

const CLEANED: &str = ".cleaned";
const SWAP: &str = ".swap";

/// The name of a segment while it is being written.
pub(super) fn cleaned_name(base: i64) -> String {
    format!("{base:020}{CLEANED}")
}

fn swap_name(base: i64, upto: i64) -> String {
    format!("{base:020}-{upto:020}{SWAP}")
}

impl Log {
    /// Puts a segment that is on the disk under its [`cleaned_name`] in the place of a group.
    pub(super) fn exchange(&mut self, group: Range<usize>, cleaned: Segment) -> io::Result<()> {
        let base = cleaned.base_offset;
        let upto = self.segments[group.end].base_offset;
        let swap = swap_name(base, upto);
        let others: Vec<i64> = self.segments[group.clone()]
            .iter()
            .skip(1)
            .map(|segment| segment.base_offset)
            .collect();
        let exchanged = self.storage.rename(&self.path(&cleaned_name(base)), &self.path(&swap));
        let exchanged = exchanged
            .and_then(|()| finish_swap(&*self.storage, &self.dir, &swap, base, &others))
            .and_then(|()| self.save_index_of(&cleaned));
        if let Err(error) = exchanged {
            // The files are half exchanged, and a second compaction would get in the way of the first.
            self.poisoned.get_or_insert(format!("a compaction was interrupted: {error}"));
            return Err(error);
        }
        self.segments.splice(group, [cleaned]);
        Ok(())
    }
}

/// Finishes or forgets what a compaction was about to do when it was interrupted.
pub(in crate::log) fn finish_swaps(
    storage: &dyn Storage,
    dir: &str,
    names: &[String],
) -> io::Result<()> {
    for name in names.iter().filter(|name| name.ends_with(CLEANED)) {
        storage.remove(&format!("{dir}/{name}"))?;
    }
    for name in names {
        let range = name.strip_suffix(SWAP).and_then(|range| range.split_once('-'));
        let range = range.and_then(|(base, upto)| Some((base.parse().ok()?, upto.parse().ok()?)));
        let Some((base, upto)) = range else { continue };
        let bases = names.iter().filter_map(|name| name.strip_suffix(".log")?.parse::<i64>().ok());
        let others: Vec<i64> = bases.filter(|other| base < *other && *other < upto).collect();
        finish_swap(storage, dir, name, base, &others)?;
    }
    Ok(())
}

fn finish_swap(
    storage: &dyn Storage,
    dir: &str,
    swap: &str,
    base: i64,
    others: &[i64],
) -> io::Result<()> {
    // In this order even when power goes: first it is certain that the exchange will happen, then that the others are gone,
    // and only then may the name go that says so.
    storage.sync_dir(dir)?;
    let stale = others.iter().flat_map(|&other| {
        let extensions = ["log"].into_iter().chain(BESIDE);
        extensions.map(move |extension| file_name(other, extension))
    });
    // Every segment has the other two and they are overwritten; these it may not need any more, or not have yet.
    let stale = stale.chain([file_name(base, "txnindex"), file_name(base, SUMMARY)]);
    for name in stale {
        remove_if_there(storage, &format!("{dir}/{name}"))?;
    }
    storage.sync_dir(dir)?;
    storage.rename(&format!("{dir}/{swap}"), &format!("{dir}/{}", file_name(base, "log")))?;
    storage.sync_dir(dir)
}
