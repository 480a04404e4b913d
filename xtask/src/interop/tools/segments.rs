//! Segment files, read by Kafka's own DumpLogSegments: every record, and every entry of the indexes.

use std::path::{Path, PathBuf};

use super::call::{Call, Tools};
use super::records::produce;
use super::report::Report;
use crate::failure::{Doing, Failure, Result};
use crate::kafka::Artifacts;

/// Words by which the tool says that something is wrong, which it does not fail for.
const DAMAGE: [&str; 7] = [
    "isvalid: false",
    "Mismatches in",
    "is followed by",
    "Found invalid",
    "invalid bytes",
    "Found timestamp mismatch",
    "Exception",
];
/// Endings of the files that the tool knows.
const KNOWN: [&str; 4] = ["log", "index", "timeindex", "txnindex"];
/// The smallest segment that Kafka makes, and records of 100 bytes for a few of them.
const SEGMENT_BYTES: u32 = 1_048_576;
const RECORDS: u32 = 30_000;

/// Fills a topic with several segments.
pub(super) fn fill(tools: &Tools<'_>, report: &mut Report) {
    let t = topic();
    let create =
        format!("--create --topic {t} --partitions 1 --config segment.bytes={SEGMENT_BYTES}");
    let create = Call::new("TopicCommand", create).says("Created topic");
    report.calls(tools, &[create, produce(&t, RECORDS, "none"), produce(&t, RECORDS, "lz4")]);
}

fn topic() -> String {
    format!("tools-segments-{}", std::process::id())
}

/// Reads what [`fill`] and everything else left below `dir`, whose broker has ended.
pub(super) fn check(artifacts: &Artifacts, dir: &Path, scratch: &Path, report: &mut Report) {
    let name = topic();
    match dump(artifacts, dir, scratch) {
        Ok(found) => {
            let of_topic = |file: &&Dumped| file.path.to_string_lossy().contains(&name);
            let records: usize = found.iter().filter(of_topic).map(|file| file.records).sum();
            let indexes = found.iter().filter(of_topic).filter(|file| file.entries > 0).count();
            tell(&found, report);
            let wanted = 2 * RECORDS as usize;
            let all = match (records == wanted, indexes >= 4) {
                (true, true) => Ok(()),
                (false, _) => Err(Failure::new(format!("{records} records instead of {wanted}"))),
                _ => Err(Failure::new(format!("{indexes} indexes with entries"))),
            };
            report.take("DumpLogSegments finds every record, and indexes", all);
        }
        Err(failure) => drop(report.take("DumpLogSegments", Err(failure))),
    }
}

/// Reads every file below `dir`.
pub(super) fn all(artifacts: &Artifacts, dir: &Path, scratch: &Path, report: &mut Report) {
    match dump(artifacts, dir, scratch) {
        Ok(found) => tell(&found, report),
        Err(failure) => drop(report.take("DumpLogSegments", Err(failure))),
    }
}

fn tell(found: &[Dumped], report: &mut Report) {
    for file in found {
        let name = format!("DumpLogSegments {}", file.path.display());
        let verdict = match &file.wrong {
            None => Ok(()),
            Some(line) => Err(Failure::new(line.clone())),
        };
        report.take(&name, verdict);
    }
}

/// What the tool says of one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dumped {
    path: PathBuf,
    records: usize,
    /// Of an index.
    entries: usize,
    wrong: Option<String>,
}

/// One call for all files: a virtual machine for each would take minutes.
fn dump(artifacts: &Artifacts, dir: &Path, scratch: &Path) -> Result<Vec<Dumped>> {
    let mut files = Vec::new();
    find(dir, &mut files)?;
    if files.is_empty() {
        return Err(Failure::new(format!("no segment file below {}", dir.display())));
    }
    let list: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let args = format!("--deep-iteration --print-data-log --files {}", list.join(","));
    let printed =
        Tools::new(artifacts, "", scratch).make(&Call::new("DumpLogSegments", args).alone())?;
    let found = read(&printed);
    match found.len() == files.len() {
        true => Ok(found),
        false => Err(Failure::new(format!("{} of {} files", found.len(), files.len()))),
    }
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir).doing(dir.display())? {
        let path = entry.doing(dir.display())?.path();
        let known =
            path.extension().is_some_and(|ending| KNOWN.iter().any(|known| ending == *known));
        if path.is_dir() {
            find(&path, files)?;
        } else if known {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// Takes apart what the tool prints: a heading for each file, a line for each batch, record and entry; in the end what it
/// thinks wrong, file by file.
fn read(printed: &str) -> Vec<Dumped> {
    let mut found: Vec<Dumped> = Vec::new();
    let mut current = 0;
    for line in printed.lines() {
        if let Some(path) = line.strip_prefix("Dumping ") {
            current = found.len();
            found.push(Dumped { path: path.into(), ..Dumped::default() });
            continue;
        }
        let named = |file: &Dumped| line.ends_with(&file.path.display().to_string());
        current = found.iter().position(named).unwrap_or(current);
        let Some(file) = found.get_mut(current) else { continue };
        if line.starts_with("| offset:") {
            file.records += usize::from(!line.contains("endTxnMarker"));
        } else if damage(line) {
            file.wrong.get_or_insert_with(|| line.to_owned());
        } else if line.starts_with("offset:") || line.starts_with("timestamp:") {
            file.entries += 1;
        }
    }
    found
}

fn damage(line: &str) -> bool {
    // Of every file it says so that does not begin at offset 0: it counts on from -1.
    let before_first = line.trim_start().starts_with("-1 is followed by");
    DAMAGE.iter().any(|word| line.contains(word)) && !before_first
}

#[cfg(test)]
mod tests {
    use super::read;

    const LOG: &str = "Dumping x.log\nLog starting offset: 0\n\
        baseOffset: 0 lastOffset: 1 count: 2 isvalid: true\n\
        | offset: 0 keySize: 1 payload: isvalid: false\n| offset: 1 keySize: 1\n\
        baseOffset: 2 lastOffset: 2 count: 1 isvalid: true\n| offset: 2 endTxnMarker: COMMIT\n";
    const INDEX: &str = "Dumping x.index\noffset: 1 position: 0\n";

    #[test]
    fn records_and_entries_are_counted() {
        let found = read(&format!("noise\n{LOG}{INDEX}"));
        assert_eq!((found.len(), found[0].records, found[1].entries), (2, 2, 1));
        assert!(found.iter().all(|file| file.wrong.is_none()));
    }

    #[test]
    fn damage_is_what_the_tool_says_and_does_not_fail_for() {
        let lines = ["baseOffset: 7 isvalid: false", "Mismatches in :x.log", "Found invalid bytes"];
        for line in lines {
            let found = read(&format!("{LOG}{line}\n{INDEX}"));
            assert_eq!(found[0].wrong.as_deref(), Some(line));
            assert_eq!(found[1].wrong, None);
        }
    }

    #[test]
    fn a_gap_is_damage_unless_it_is_before_the_first_record() {
        let gaps = "Non-consecutive offsets in x.log\n  -1 is followed by 7\n";
        assert_eq!(read(&format!("{LOG}{INDEX}{gaps}"))[0].wrong, None);
        let found = read(&format!("{LOG}{INDEX}{gaps}  7 is followed by 9\n"));
        assert_eq!(found[0].wrong.as_deref(), Some("  7 is followed by 9"));
        assert_eq!(found[1].wrong, None);
    }
}
