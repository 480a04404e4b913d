//! The file of dead letters in a gateway's directory.

use super::{Done, Place, Visitor};
use crate::failure::{DATA, FAILED, Failure, USAGE};
use klamm_gateway::dead_letter::{FileError, Letter, LetterFile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::{JoinHandle, spawn_blocking};

/// Letters that were read and wait.
const AHEAD: usize = 16;

/// Has every letter of a file visited; those that were sent leave it, also when one behind them fails.
pub(super) async fn visit(path: &Path, visitor: &mut Visitor<'_>) -> Result<(), Failure> {
    if !path.exists() {
        eprintln!("{}: there is no such file, and so no letter in it", path.display());
        return Ok(());
    }
    let sends = visitor.redrive.as_ref().is_some_and(|redrive| !redrive.is_dry());
    // Held for as long as it takes: what a gateway adds meanwhile would be lost.
    let held = match sends {
        true => Some(LetterFile::open(path, u64::MAX).map_err(wrong)?),
        false => None,
    };
    let mut sent = BTreeSet::new();
    let visited = each(path.to_owned(), visitor, &mut sent).await;
    if let Some(held) = held.filter(|_| !sent.is_empty()) {
        held.remove(&sent).map_err(wrong)?;
    }
    visited
}

async fn each(
    path: PathBuf,
    visitor: &mut Visitor<'_>,
    sent: &mut BTreeSet<usize>,
) -> Result<(), Failure> {
    let (mut letters, reading) = read(path);
    let mut index = 0;
    while let Some(letter) = letters.recv().await {
        match visitor.visit(Place::File(index + 1), &letter).await? {
            Done::Sent => drop(sent.insert(index)),
            Done::Left => {}
            Done::Enough => return Ok(()),
        }
        index += 1;
    }
    let ended = reading.await;
    ended.map_err(|error| Failure::new(FAILED, error.to_string()))?.map_err(wrong)
}

/// The letters of a file, one after the other.
fn read(path: PathBuf) -> (Receiver<Letter>, JoinHandle<Result<(), FileError>>) {
    let (give, letters) = channel(AHEAD);
    let reading = spawn_blocking(move || {
        // Nobody wants more when nobody listens.
        LetterFile::read(&path, |letter| give.blocking_send(letter).is_ok())
    });
    (letters, reading)
}

fn wrong(error: FileError) -> Failure {
    let busy = matches!(&error, FileError::Io { source, .. } if source.kind() == std::io::ErrorKind::ResourceBusy);
    match busy {
        true => Failure::new(USAGE, format!("{error}: stop the gateway first")),
        false => Failure::new(DATA, error.to_string()),
    }
}
