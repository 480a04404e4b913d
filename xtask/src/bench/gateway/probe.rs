//! The bare disk beside a load: a little is written and synced, again and again, as a log would.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::load::Latency;
use crate::failure::{Doing, Failure, Result};

/// What is written before a sync: about what the log has for one at 64 connections.
const PIECE: [u8; 8 << 10] = [0x6b; 8 << 10];
/// Pieces in the file, which all are there before the first sync.
const PIECES: u64 = 2048;
/// Between two syncs, which are not to be a load of their own.
const PAUSE: Duration = Duration::from_millis(10);

/// What `load` comes to, and how long syncs took in `dir` meanwhile.
pub(super) fn beside<T>(dir: &Path, load: impl FnOnce() -> Result<T>) -> Result<(T, Latency)> {
    let (path, ended) = (dir.join("probe"), AtomicBool::new(false));
    let file = filled(&path).doing(path.display())?;
    let (done, syncs) = thread::scope(|scope| {
        let syncing = scope.spawn(|| syncs(&file, &ended));
        let done = load();
        ended.store(true, Ordering::Relaxed);
        (done, syncing.join())
    });
    fs::remove_file(&path).doing(path.display())?;
    let syncs = syncs.map_err(|_| Failure::new("the probe has panicked"))?.doing(path.display())?;
    Ok((done?, percentiles(syncs)))
}

/// A file whose blocks the disk has, so that a sync has none to find.
fn filled(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    (0..PIECES).try_for_each(|piece| file.write_all_at(&PIECE, piece * PIECE.len() as u64))?;
    file.sync_all()?;
    Ok(file)
}

/// How long each took, in milliseconds.
fn syncs(file: &File, ended: &AtomicBool) -> io::Result<Vec<f64>> {
    let mut took = Vec::new();
    for piece in (0..PIECES).cycle() {
        file.write_all_at(&PIECE, piece * PIECE.len() as u64)?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
        if ended.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(took)
}

fn percentiles(mut took: Vec<f64>) -> Latency {
    took.sort_by(f64::total_cmp);
    let of = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    Latency { p50: of(50), p99: of(99), max: took.last().copied().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::{beside, percentiles};

    #[test]
    fn percentiles_are_those_of_all() {
        let latency = percentiles((0..200).rev().map(f64::from).collect());
        assert_eq!((latency.p50, latency.p99, latency.max), (100.0, 198.0, 199.0));
        assert_eq!(percentiles(Vec::new()).p99, 0.0);
    }

    #[test]
    fn a_load_is_not_lost_and_nothing_is_left() {
        let dir = std::env::temp_dir().join(format!("klamm-probe-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (done, latency) = beside(&dir, || Ok(7)).unwrap();
        assert_eq!(done, 7);
        assert!(latency.p50 > 0.0 && latency.max >= latency.p50, "{latency:?}");
        // Fails if anything is left in it.
        std::fs::remove_dir(&dir).unwrap();
    }
}
