//! Answers to those who read.

use crate::Settings;
use crate::wire::{Reader, Writer};
use std::time::Duration;

/// The timestamp that asks for the end of a partition.
const LATEST: i64 = -1;

/// Where partitions begin and end.
pub fn list_offsets(r: &mut Reader<'_>, w: &mut Writer, version: i16, settings: &Settings) {
    r.skip(4);
    if version >= 2 {
        r.skip(1);
        w.i32(0);
    }
    each_partition(r, w, |r, w, name| {
        let partition = r.i32();
        if version >= 4 {
            r.skip(4);
        }
        let end = r.i64() == LATEST;
        w.i32(partition);
        w.i16(0);
        w.i64(-1);
        w.i64(if end { settings.kept.end(name, partition) } else { 0 });
        if version >= 4 {
            w.i32(0);
        }
    });
}

/// Copies the names and counts of topics and partitions into the answer, and has each partition answered.
fn each_partition(
    r: &mut Reader<'_>,
    w: &mut Writer,
    mut answer: impl FnMut(&mut Reader<'_>, &mut Writer, &str),
) {
    let topics = r.count(false).unwrap_or(0);
    w.count(topics);
    for _ in 0..topics {
        let name = r.string(false).unwrap_or_default();
        w.string(&name);
        let partitions = r.count(false).unwrap_or(0);
        w.count(partitions);
        for _ in 0..partitions {
            answer(r, w, &name);
        }
    }
}

/// What there is from some offsets on, without a session; says how long the answer is to wait if there is nothing.
pub fn fetch(r: &mut Reader<'_>, w: &mut Writer, version: i16, settings: &Settings) -> Duration {
    r.skip(4);
    let max_wait = r.i32();
    r.skip(4);
    let mut left = usize::try_from(r.i32()).unwrap_or(0);
    r.skip(1);
    if version >= 7 {
        r.skip(8);
    }
    w.i32(0);
    if version >= 7 {
        w.i16(0);
        w.i32(0);
    }
    let mut total = 0;
    each_partition(r, w, |r, w, name| {
        let read = partition(r, w, version, name, left, total == 0, settings);
        total += read;
        left = left.saturating_sub(read);
    });
    let wait = Duration::from_millis(u64::try_from(max_wait).unwrap_or(0));
    if total == 0 { wait } else { Duration::ZERO }
}

fn partition(
    r: &mut Reader<'_>,
    w: &mut Writer,
    version: i16,
    topic: &str,
    left: usize,
    first: bool,
    settings: &Settings,
) -> usize {
    let partition = r.i32();
    if version >= 9 {
        r.skip(4);
    }
    let offset = r.i64();
    if version >= 5 {
        r.skip(8);
    }
    let max = usize::try_from(r.i32()).unwrap_or(0).min(left);
    let end = settings.kept.end(topic, partition);
    w.i32(partition);
    w.i16(0);
    w.i64(end);
    w.i64(end);
    if version >= 5 {
        w.i64(0);
    }
    w.count(0);
    if version >= 11 {
        w.i32(-1);
    }
    w.sized(|out| settings.kept.read((topic, partition), offset, max, first, out))
}
