//! What klamm wrote, compared with what each reader finds.

use std::path::Path;
use std::process::Command;

use super::input::{SAMPLES, Sample};
use super::readers::{self, Reader};
use super::rows::Row;
use crate::failure::{Doing, Failure, Result};
use crate::kafka::Cluster;
use crate::place::Place;
use crate::process;
use crate::test::Counts;

pub(super) const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Sends `file` line by line with each codec; every reader must put it together again, byte for byte.
pub(crate) fn file(place: &Place, cluster: &Cluster, klamm: &Path, file: &Path) -> Result<Counts> {
    let expected = std::fs::read(file).doing(format_args!("cannot read {}", file.display()))?;
    let readers = readers::all(place);
    let mut counts = readers.missing;
    for codec in CODECS {
        let topic = format!("lines-{codec}");
        cluster.create_topic(&topic, 1, 1, &[])?;
        produce(klamm, cluster, &topic, &["-z", codec], file)?;
        for reader in &readers.here {
            let rows = reader.read(cluster, &topic)?;
            judge(&mut counts, reader.as_ref(), &topic, same_bytes(&rows, &expected));
        }
    }
    Ok(counts)
}

fn same_bytes(rows: &[Row], expected: &[u8]) -> Result<()> {
    let mut found = Vec::with_capacity(expected.len());
    for row in rows {
        found.extend_from_slice(row.value.as_deref().unwrap_or_default());
        found.push(b'\n');
    }
    if found == expected {
        return Ok(());
    }
    let at = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
    Err(Failure::new(format!(
        "{} bytes in {} records instead of {}; they differ from byte {at} on",
        found.len(),
        rows.len(),
        expected.len()
    )))
}

/// Sends records with null, empty and binary parts and headers with each codec; every reader must agree.
pub(crate) fn records(place: &Place, cluster: &Cluster, klamm: &Path) -> Result<Counts> {
    let lines: String = SAMPLES.iter().map(|sample| format!("{}\n", sample.line)).collect();
    let input = place.dir("interop")?.join("records.jsonl");
    std::fs::write(&input, lines).doing("cannot write the records")?;
    let readers = readers::all(place).here;
    let mut counts = Counts::default();
    for codec in CODECS {
        let topic = format!("records-{codec}");
        cluster.create_topic(&topic, 3, 1, &[])?;
        produce(klamm, cluster, &topic, &["-z", codec, "-i", "jsonl"], &input)?;
        for reader in &readers {
            let rows = reader.read(cluster, &topic)?;
            judge(&mut counts, reader.as_ref(), &topic, same_records(&rows, reader.as_ref()));
        }
    }
    Ok(counts)
}

fn same_records(rows: &[Row], reader: &dyn Reader) -> Result<()> {
    if rows.len() != SAMPLES.len() {
        return Err(Failure::new(format!("{} records instead of {}", rows.len(), SAMPLES.len())));
    }
    for (row, sample) in rows.iter().zip(&SAMPLES) {
        if !matches(row, sample, reader.sees_headers()) {
            return Err(Failure::new(format!("{row:?} is not what was sent: {}", sample.line)));
        }
    }
    Ok(())
}

fn matches(row: &Row, sample: &Sample, headers: bool) -> bool {
    row.partition == sample.partition
        && row.key.as_deref() == sample.key
        && row.value.as_deref() == sample.value
        && (!headers || row.headers == sample.headers)
        && sample.timestamp.is_none_or(|timestamp| row.timestamp == timestamp)
}

fn produce(
    klamm: &Path,
    cluster: &Cluster,
    topic: &str,
    options: &[&str],
    file: &Path,
) -> Result<()> {
    let mut produce = Command::new(klamm);
    produce.args(["produce", "--bootstrap-server", &cluster.bootstrap()]).args(options);
    process::capture(produce.arg(topic).arg(file)).map(drop)
}

fn judge(counts: &mut Counts, reader: &dyn Reader, topic: &str, verdict: Result<()>) {
    match verdict {
        Ok(()) => {
            println!("{topic}: {} reads what klamm wrote", reader.name());
            counts.passed += 1;
        }
        Err(failure) => {
            println!("{topic}: {}: {failure}", reader.name());
            counts.failed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, SAMPLES, matches, same_bytes};

    fn row(value: Option<&[u8]>) -> Row {
        let value = value.map(<[u8]>::to_vec);
        Row { partition: 0, offset: 0, timestamp: 5, key: None, value, headers: String::new() }
    }

    #[test]
    fn a_missing_or_changed_byte_is_seen() {
        let rows = [row(Some(b"ab")), row(Some(b"c"))];
        assert!(same_bytes(&rows, b"ab\nc\n").is_ok());
        for other in [&b"ab\n"[..], b"ab\nd\n", b"ab\nc\nd\n"] {
            assert!(same_bytes(&rows, other).is_err());
        }
    }

    #[test]
    fn null_is_not_empty() {
        let sample = &SAMPLES[1];
        assert!(matches(&row(Some(b"no key")), sample, true));
        assert!(!matches(&Row { key: Some(Vec::new()), ..row(Some(b"no key")) }, sample, true));
        assert!(!matches(&row(None), sample, true));
        assert!(!matches(&Row { headers: "a=-".to_owned(), ..row(Some(b"no key")) }, sample, true));
    }
}
