//! Transactions of Java and librdkafka through each other, as klamm reads them: with `read_committed` exactly the
//! committed records before the first open transaction, and all of them without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::matrix::Column;
use super::packages::venv;
use super::readers::Klamm;
use super::rows::Row;
use crate::failure::{Doing, Failure, Result};
use crate::kafka::Cluster;
use crate::place::Place;
use crate::process;
use crate::test::Counts;

const PARTITIONS: &str = "3";
const STEPS: &str = "120";
const STEPS_SHORT: &str = "40";
/// Seeds of the long form.
const SEEDS: u64 = 4;
/// For Kafka's cleaner to come by, which rests for 15 s between rounds.
const COMPACTION: Duration = Duration::from_secs(90);

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// One topic of each writer on each broker.
    Short,
    /// Several, and a compacted one.
    Full,
}

/// Lets Java and librdkafka write transactions on Kafka and on klamm's broker, and klamm read them.
pub(super) fn check(
    place: &Place,
    cluster: &Cluster,
    program: &Path,
    extent: Extent,
) -> Result<Counts> {
    let (klamm, mut counts) = (Klamm::build(place)?, Counts::default());
    let ours = Column::klamm(program)?;
    let java = Writer::java(place, cluster);
    let mut writers = vec![java];
    match Writer::librdkafka(place) {
        Ok(writer) => writers.push(writer),
        Err(reason) => counts.add(Counts::skip("transactions-librdkafka", &reason.to_string())),
    }
    let brokers = [("kafka", cluster.bootstrap()), ("klamm", ours.bootstrap.clone())];
    let (seeds, steps) = match extent {
        Extent::Short => (1, STEPS_SHORT),
        Extent::Full => (SEEDS, STEPS),
    };
    for (broker, bootstrap) in &brokers {
        for (writer, seed) in writers.iter().flat_map(|writer| (0..seeds).map(move |s| (writer, s)))
        {
            let topic = format!("transactions-{}-{seed}", writer.name);
            let verdict = writer
                .write(bootstrap, &topic, seed, steps, false)
                .and_then(|ledger| ledger.judge(&klamm, bootstrap, &topic));
            judge(&mut counts, &format!("{topic} on {broker}"), verdict);
        }
    }
    if extent == Extent::Full {
        let verdict = compacted(&writers[0], &klamm, &cluster.bootstrap());
        judge(&mut counts, "compacted transactions on kafka", verdict);
    }
    Ok(counts)
}

fn judge(counts: &mut Counts, what: &str, verdict: Result<()>) {
    match verdict {
        Ok(()) => {
            println!("{what}: klamm reads what was committed");
            counts.passed += 1;
        }
        Err(failure) => {
            println!("{what}: {failure}");
            counts.failed += 1;
        }
    }
}

/// A program that writes transactions.
struct Writer {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
}

impl Writer {
    fn java(place: &Place, cluster: &Cluster) -> Self {
        let source = place.root().join("testing/interop/java/Transactions.java");
        let class_path = cluster.artifacts().class_path();
        let quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error".into();
        let arguments = vec!["-cp".into(), class_path, quiet, "-Xmx512m".into(), source];
        Self { name: "java", program: "java".into(), arguments }
    }

    fn librdkafka(place: &Place) -> Result<Self> {
        let source = place.root().join("testing/interop/python/transactions.py");
        let list = source.with_file_name("requirements.txt");
        let program = venv(place, "python", &["-r", &list.to_string_lossy()])?.join("bin/python");
        Ok(Self { name: "librdkafka", program, arguments: vec![source] })
    }

    /// Has it write to a new topic.
    fn write(
        &self,
        bootstrap: &str,
        topic: &str,
        seed: u64,
        steps: &str,
        compact: bool,
    ) -> Result<Ledger> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args([bootstrap, topic, PARTITIONS]);
        command.arg(seed.to_string()).arg(steps).args(compact.then_some("compact"));
        let output =
            String::from_utf8(process::capture(&mut command)?).doing("a writer's ledger")?;
        Ledger::read(&output)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Committed,
    Aborted,
    Open,
}

/// What a record is known by.
type Known = (i32, i64, String);

/// What a writer says it wrote, by partition and offset.
#[derive(Debug, Default)]
struct Ledger {
    records: BTreeMap<(i32, i64), (String, String, Outcome)>,
}

impl Ledger {
    fn read(text: &str) -> Result<Self> {
        let mut ledger = Self::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let &[partition, offset, key, value, outcome] = fields.as_slice() else {
                return Err(Failure::new(format!("a writer printed {line:?}")));
            };
            let outcome = match outcome {
                "committed" => Outcome::Committed,
                "aborted" => Outcome::Aborted,
                "open" => Outcome::Open,
                other => return Err(Failure::new(format!("an outcome {other:?}"))),
            };
            let at = (partition.parse().doing(partition)?, offset.parse().doing(offset)?);
            let record = (key.to_owned(), value.to_owned(), outcome);
            if ledger.records.insert(at, record).is_some() {
                return Err(Failure::new(format!("two records at {at:?}")));
            }
        }
        ledger
            .has_all_kinds()
            .then_some(ledger)
            .ok_or_else(|| Failure::new("too little was written"))
    }

    /// Else there would be nothing to be wrong about.
    fn has_all_kinds(&self) -> bool {
        let has = |kind| self.records.values().any(|(_, _, outcome)| *outcome == kind);
        has(Outcome::Committed) && has(Outcome::Aborted)
    }

    /// The committed records before the first open transaction of each partition.
    fn committed(&self) -> Vec<Known> {
        let open = |partition: i32| {
            let mut records = self.records.range((partition, 0)..(partition + 1, 0));
            records.find(|(_, (_, _, outcome))| *outcome == Outcome::Open)
        };
        let committed = self.records.iter().filter(|((partition, offset), (_, _, outcome))| {
            let before = open(*partition).is_none_or(|((_, first), _)| offset < first);
            before && *outcome == Outcome::Committed
        });
        committed
            .map(|((partition, offset), (_, value, _))| (*partition, *offset, value.clone()))
            .collect()
    }

    fn all(&self) -> Vec<Known> {
        let known = |(&(partition, offset), (_, value, _)): (_, &(String, String, Outcome))| {
            let (partition, offset): (i32, i64) = (partition, offset);
            (partition, offset, value.clone())
        };
        self.records.iter().map(known).collect()
    }

    fn judge(&self, klamm: &Klamm, bootstrap: &str, topic: &str) -> Result<()> {
        same("all records", &known(&klamm.rows(bootstrap, topic, false)?), &self.all())?;
        same("committed records", &known(&klamm.rows(bootstrap, topic, true)?), &self.committed())
    }

    /// Whether the rows are committed records, each key with its last one.
    fn judge_compacted(&self, rows: &[Row]) -> Result<()> {
        let committed = self.committed();
        let rows = known(rows);
        if let Some(row) = rows.iter().find(|row| committed.binary_search(row).is_err()) {
            return Err(Failure::new(format!("{row:?} was not committed")));
        }
        let last = |rows: &[Known]| {
            let key = |(partition, offset, value): &Known| {
                let (key, _, _) = self.records.get(&(*partition, *offset))?;
                Some(((*partition, key.clone()), value.clone()))
            };
            rows.iter().filter_map(key).collect::<BTreeMap<_, _>>()
        };
        let (found, wanted) = (last(&rows), last(&committed));
        let missing = wanted.iter().find(|(key, value)| found.get(key) != Some(value));
        missing.map_or(Ok(()), |(key, value)| {
            Err(Failure::new(format!("{key:?}: {:?} instead of {value}", found.get(key))))
        })
    }
}

fn known(rows: &[Row]) -> Vec<Known> {
    let value =
        |row: &Row| String::from_utf8_lossy(row.value.as_deref().unwrap_or_default()).into();
    rows.iter().map(|row| (row.partition, row.offset, value(row))).collect()
}

fn same(what: &str, found: &[Known], wanted: &[Known]) -> Result<()> {
    let differs = found.iter().zip(wanted).find(|(found, wanted)| found != wanted);
    match differs {
        Some((found, wanted)) => {
            Err(Failure::new(format!("{what}: {found:?} instead of {wanted:?}")))
        }
        None if found.len() == wanted.len() => Ok(()),
        None => Err(Failure::new(format!("{what}: {} instead of {}", found.len(), wanted.len()))),
    }
}

/// Reads a compacted topic until compaction has been there, and judges what is read each time.
fn compacted(writer: &Writer, klamm: &Klamm, bootstrap: &str) -> Result<()> {
    let topic = "transactions-compacted";
    let ledger = writer.write(bootstrap, topic, 0, STEPS, true)?;
    let (all, deadline) = (ledger.committed().len(), Instant::now() + COMPACTION);
    loop {
        let rows = klamm.rows(bootstrap, topic, true)?;
        ledger.judge_compacted(&rows)?;
        if rows.len() < all {
            println!("{topic}: {} of {all} records are left", rows.len());
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!("not compacted after {COMPACTION:?}")));
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, known, same};
    use crate::interop::rows::Row;

    const TEXT: &str = "0\t0\tk\t10\tcommitted\n0\t2\tk\t11\taborted\n0\t4\tk\t12\topen\n\
                        0\t5\tk\t13\tcommitted\n1\t0\tj\t14\tcommitted\n1\t1\tj\t15\tcommitted";

    fn row(partition: i32, offset: i64, value: &str) -> Row {
        let (key, value) = (None, Some(value.into()));
        Row { partition, offset, timestamp: 0, key, value, headers: String::new() }
    }

    #[test]
    fn what_is_committed_ends_at_the_first_open_transaction_of_its_partition() {
        let ledger = Ledger::read(TEXT).unwrap();
        let committed = [row(0, 0, "10"), row(1, 0, "14"), row(1, 1, "15")];
        assert!(same("", &known(&committed), &ledger.committed()).is_ok());
        assert!(same("", &known(&committed[1..]), &ledger.committed()).is_err());
        assert!(same("", &known(&committed[..2]), &ledger.committed()).is_err());
        assert_eq!(ledger.all().len(), 6);
    }

    #[test]
    fn a_compacted_topic_has_the_last_of_each_key_and_nothing_that_was_not_committed() {
        let ledger = Ledger::read(TEXT).unwrap();
        assert!(ledger.judge_compacted(&[row(0, 0, "10"), row(1, 1, "15")]).is_ok());
        assert!(ledger.judge_compacted(&[row(0, 0, "10"), row(1, 0, "14")]).is_err());
        let aborted = [row(0, 0, "10"), row(0, 2, "11"), row(1, 1, "15")];
        assert!(ledger.judge_compacted(&aborted).is_err());
    }

    #[test]
    fn a_ledger_that_cannot_be_is_refused() {
        for text in ["", "0\t0\tk\t1\tcommitted", "0\t0\tk\t1\tlost", "0\t0\tk"] {
            assert!(Ledger::read(text).is_err(), "{text:?}");
        }
        assert!(Ledger::read(&format!("{TEXT}\n0\t0\tk\t9\taborted")).is_err(), "twice");
    }
}
