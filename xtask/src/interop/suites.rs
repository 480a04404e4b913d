//! `cargo xtask interop suite`: the tests that other clients publish with their source, on a real Kafka and on klamm's
//! broker; what passes there must pass here.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::librdkafka;
use super::matrix::{Column, Known, SASL_USER};
use super::packages;
use super::restarts;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::place::Place;
use crate::process;

const HELP: &str = "\
cargo xtask interop suite franz-go|kafka-go [--bootstrap HOST:PORT] [--also HOST:PORT | --kafka-only]
                          [--program KLAMM] [--run REGEX] [--chaos] [--restarts SECONDS]
     runs the client's own tests on a real Kafka (started here, or the one at --bootstrap) and on `klamm broker`
     (started here, or what is at --also), one after the other, and prints each test that does not end alike.
     --run is go test's -run; --chaos turns franz-go's injected faults on; --restarts kills klamm's broker, which has
     its data in files then, every so many seconds and starts it again. Groups forget members that are gone only after
     their session timeout, 45 seconds: more often is too often
cargo xtask interop suite librdkafka --source DIR [--program KLAMM]
     the same for librdkafka's tests, built from a copy of its source
";

/// The file of kafka-go whose ports are examples.
const ADDRESSES: &str = "address_test.go";
/// A suite that hangs is ended by `go test` itself.
const TIMEOUT: &str = "30m";

/// One published suite.
struct Suite {
    name: &'static str,
    module: &'static str,
    package: &'static str,
    environment: &'static [(&'static str, &'static str)],
    /// Whether its tests take no address: they want localhost, 9092 and, with passwords, 9093.
    fixed: bool,
    /// Tests that no broker passes and that end the whole program, as a pattern for `go test -skip`.
    skip: Option<&'static str>,
}

const SUITES: [Suite; 2] = [
    Suite {
        name: "franz-go",
        module: "github.com/twmb/franz-go@v1.22.2",
        package: "./pkg/kgo",
        environment: &[("KGO_TEST_RF", "1"), ("KGO_TEST_RECORDS", "50000")],
        fixed: false,
        skip: None,
    },
    Suite {
        name: "kafka-go",
        module: "github.com/segmentio/kafka-go@v0.4.51",
        package: ".",
        environment: &[("KAFKA_VERSION", "4.0.0"), ("KAFKA_SKIP_NETTEST", "1")],
        fixed: true,
        // They ask a group that was never given its connect function.
        skip: Some("TestReaderConsumerGroup/(verify_offset|consumer_group_commits_on_close)"),
    },
];

/// How each test ended: `pass`, `fail` or `skip`.
pub(super) type Ends = BTreeMap<String, String>;

/// A line of `go test -json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    test: Option<String>,
}

/// What `go mod download -json` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    dir: PathBuf,
}

/// Runs `cargo xtask interop suite` with `args`.
pub(super) fn run(place: &Place, args: &[String]) -> Result<()> {
    let names = ["bootstrap", "also", "program", "run", "source", "restarts"];
    let flags = Flags::with_words(args, &names, &["help", "kafka-only", "chaos"])?;
    if let ([word], Some(source)) = (flags.words(), flags.value("source")) {
        return match word == librdkafka::NAME {
            true => librdkafka::run(place, &flags, Path::new(source)),
            false => Err(Failure::new("only librdkafka is tested from its source")),
        };
    }
    let suite = match flags.words() {
        [word] => SUITES.iter().find(|suite| suite.name == word),
        _ => None,
    };
    let Some(suite) = suite.filter(|_| !flags.has("help")) else {
        print!("{HELP}");
        return if flags.has("help") { Ok(()) } else { Err(Failure::new("which suite?")) };
    };
    let every = flags.value("restarts").map(seconds).transpose()?;
    if every.is_some() && suite.fixed {
        return Err(Failure::new("only franz-go's suite is run over restarts"));
    }
    let known = Known::read(place)?;
    let kafka = suite.test(place, &suite.kafka(place, &flags)?, &flags, None)?;
    println!("kafka: {}", summary(&kafka));
    if flags.has("kafka-only") {
        return Ok(());
    }
    let klamm = suite.klamm(place, &flags, every.is_some())?;
    let klamm = suite.test(place, &klamm, &flags, every)?;
    println!("klamm: {}", summary(&klamm));
    compare(&kafka, &klamm, |test| known.has(suite.name, test))
}

/// Between two restarts.
fn seconds(text: &str) -> Result<Duration> {
    let seconds: NonZeroU64 = text.parse().doing("--restarts")?;
    Ok(Duration::from_secs(seconds.get()))
}

/// Prints what does not end alike; an error when some of it is wrong.
pub(super) fn compare(kafka: &Ends, klamm: &Ends, known: impl Fn(&str) -> bool) -> Result<()> {
    let (different, wrong) = differences(kafka, klamm, known);
    different.iter().for_each(|line| println!("{line}"));
    match wrong {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} tests do not end as they must, see above"))),
    }
}

impl Suite {
    /// The broker that sets the standard.
    fn kafka(&self, place: &Place, flags: &Flags) -> Result<Column> {
        match flags.value("bootstrap") {
            Some(bootstrap) => Ok(Column::at("kafka", bootstrap)),
            None if self.fixed => Column::kafka_with_users(place, &[]),
            None => Column::kafka(place),
        }
    }

    /// The one that is held against it.
    fn klamm(&self, place: &Place, flags: &Flags, restarts: bool) -> Result<Column> {
        let program = match (flags.value("also"), flags.value("program")) {
            (Some(bootstrap), _) => return Ok(Column::at("klamm", bootstrap)),
            (None, Some(program)) => PathBuf::from(program),
            (None, None) => super::build(place)?,
        };
        match (self.fixed, restarts) {
            (true, _) => Column::klamm_with_users(&program, &place.dir("interop")?, &[]),
            (false, true) => {
                let dir = place.dir("interop/restarts")?;
                std::fs::remove_dir_all(&dir).doing(dir.display())?;
                Column::klamm_on(&program, &dir)
            }
            (false, false) => Column::klamm(&program),
        }
    }

    /// Runs the suite on one broker; all it prints goes to a file.
    fn test(
        &self,
        place: &Place,
        column: &Column,
        flags: &Flags,
        restarts: Option<Duration>,
    ) -> Result<Ends> {
        let go = packages::go(place)?;
        let source = self.source(place, &go, column)?;
        let log =
            place.dir("interop/logs")?.join(format!("suite-{}-{}.json", self.name, column.name));
        eprintln!("{} on {}; its output: {}", self.name, column.bootstrap, log.display());
        let mut test = Command::new(&go);
        test.current_dir(&source).args(["test", "-json", "-count=1", "-timeout", TIMEOUT]);
        test.args(flags.value("run").map(|pattern| ["-run", pattern]).iter().flatten());
        test.args(self.skip.map(|pattern| ["-skip", pattern]).iter().flatten());
        test.arg(self.package).envs(self.environment.iter().copied());
        test.env("KGO_SEEDS", &column.bootstrap);
        test.envs(flags.has("chaos").then_some(("KGO_TEST_CHAOS", "1")));
        let file = std::fs::File::create(&log).doing(log.display())?;
        test.stdin(std::process::Stdio::null()).stdout(file);
        // Its status says that some test failed, which the events say better.
        match restarts {
            None => drop(test.status().doing(process::shown(&test))?),
            Some(every) => {
                let (status, count) = restarts::during(column, every, || test.status())?;
                status.doing(process::shown(&test))?;
                println!("{}: killed and started again {count} times", column.name);
            }
        }
        let printed = std::fs::read_to_string(&log).doing(log.display())?;
        let ends = ends(&printed);
        match ends.is_empty() {
            true => Err(Failure::new(process::last_lines(&printed, 20))),
            false => Ok(ends),
        }
    }

    /// A copy of the module that may be written to, with the broker's address where it is part of the source.
    fn source(&self, place: &Place, go: &Path, column: &Column) -> Result<PathBuf> {
        let home = place.dir("interop/suites")?;
        let mut download = Command::new(go);
        download.current_dir(&home).args(["mod", "download", "-json", self.module]);
        let said = process::capture(&mut download)?;
        let said: Downloaded = serde_json::from_slice(&said).doing("go mod download")?;
        let copy = home.join(format!("{}-{}", self.name, column.name));
        if copy.is_dir() {
            std::fs::remove_dir_all(&copy).doing(copy.display())?;
        }
        let column = self.fixed.then_some(column);
        copy_tree(&said.dir, &copy, column)?;
        if self.fixed {
            process::capture(Command::new(go).current_dir(&copy).args(["mod", "tidy"]))?;
        }
        Ok(copy)
    }
}

/// Copies a directory so that it may be written to; tests get the ports of `column` instead of the fixed ones.
fn copy_tree(from: &Path, to: &Path, column: Option<&Column>) -> Result<()> {
    std::fs::create_dir_all(to).doing(to.display())?;
    for entry in std::fs::read_dir(from).doing(from.display())? {
        let from = entry.doing(from.display())?.path();
        let Some(name) = from.file_name() else { continue };
        let to = to.join(name);
        if from.is_dir() {
            copy_tree(&from, &to, column)?;
            continue;
        }
        let mut content = std::fs::read(&from).doing(from.display())?;
        let name = name.to_string_lossy();
        // What is about addresses themselves asks nobody.
        if let Some(column) = column.filter(|_| name.ends_with("_test.go") && name != ADDRESSES) {
            let text = String::from_utf8(content).doing(from.display())?;
            let sasl = column.sasl.as_deref().unwrap_or("127.0.0.1:9093");
            content = readdressed(&text, &column.bootstrap, sasl).into_bytes();
        }
        std::fs::write(&to, content).doing(to.display())?;
    }
    Ok(())
}

/// The source of a test with the ports of these addresses instead of 9092, which it also leaves out, and 9093.
fn readdressed(text: &str, plain: &str, sasl: &str) -> String {
    let port = |address: &str| address.rsplit(':').next().unwrap_or_default().to_owned();
    let text = text.replace("TCP(\"localhost\")", "TCP(\"localhost:9092\")");
    // One after the other: the new port of the first may look like the old one of the second.
    let text: Vec<String> =
        text.split("9092").map(|part| part.replace("9093", &port(sasl))).collect();
    let (user, password) = SASL_USER;
    let text = text.join(&port(plain)).replace("\"adminplain\"", &format!("\"{user}\""));
    text.replace("\"admin-secret\"", &format!("\"{password}\""))
}

/// How each test ended; one that began and did not end has failed.
fn ends(printed: &str) -> Ends {
    let mut ends = Ends::new();
    for event in printed.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
        let Some(test) = event.test else { continue };
        match event.action.as_str() {
            "run" => drop(ends.insert(test, "fail".to_owned())),
            "pass" | "fail" | "skip" => drop(ends.insert(test, event.action)),
            _ => {}
        }
    }
    ends
}

/// A line about all tests.
pub(super) fn summary(ends: &Ends) -> String {
    let count = |how: &str| ends.values().filter(|end| *end == how).count();
    format!("{} pass, {} fail, {} skip", count("pass"), count("fail"), count("skip"))
}

/// A line for each test that does not end alike, and how many of them are wrong: those that pass on Kafka alone, unless
/// that is `known`, and those that are known to fail and do not.
fn differences(kafka: &Ends, klamm: &Ends, known: impl Fn(&str) -> bool) -> (Vec<String>, usize) {
    let mut names: Vec<&String> = kafka.keys().chain(klamm.keys()).collect();
    names.sort();
    names.dedup();
    let end = |ends: &Ends, name: &str| ends.get(name).cloned().unwrap_or("missing".to_owned());
    let (mut lines, mut wrong) = (Vec::new(), 0);
    for name in names {
        let (there, here) = (end(kafka, name), end(klamm, name));
        let verdict = match (there == "pass" && here != "pass", known(name)) {
            (true, true) => ", which is known",
            (true, false) => ", WRONG",
            (false, true) if here == "pass" => ", WRONG: strike it from interop/known.txt",
            _ => "",
        };
        wrong += usize::from(verdict.contains("WRONG"));
        if there != here || !verdict.is_empty() {
            lines.push(format!("{name}: {there} on Kafka, {here} on klamm{verdict}"));
        }
    }
    (lines, wrong)
}

#[cfg(test)]
mod tests {
    use super::{differences, ends, readdressed, summary};

    fn printed(events: &[(&str, &str)]) -> String {
        let line = |(action, test): &(&str, &str)| {
            format!("{{\"Action\":\"{action}\",\"Package\":\"p\",\"Test\":\"{test}\"}}\n")
        };
        format!(
            "build output\n{}{{\"Action\":\"fail\",\"Package\":\"p\"}}\n",
            events.iter().map(line).collect::<String>()
        )
    }

    #[test]
    fn what_passes_on_kafka_must_pass_on_klamm() {
        let begun = [("run", "A"), ("run", "B"), ("run", "C"), ("output", "A")];
        let kafka =
            ends(&printed(&[&begun[..], &[("pass", "A"), ("skip", "B"), ("fail", "C")]].concat()));
        assert_eq!(summary(&kafka), "1 pass, 1 fail, 1 skip");
        let unknown = |_: &str| false;
        assert_eq!(differences(&kafka, &kafka, unknown), (Vec::new(), 0));
        // A program that dies leaves tests without an end.
        let klamm = ends(&printed(&[&begun[..], &[("pass", "B"), ("pass", "C")]].concat()));
        let (lines, wrong) = differences(&kafka, &klamm, unknown);
        assert_eq!((lines.len(), wrong), (3, 1));
        assert_eq!(lines[0], "A: pass on Kafka, fail on klamm, WRONG");
        let (lines, wrong) = differences(&kafka, &ends(""), unknown);
        assert_eq!((lines[0].as_str(), wrong), ("A: pass on Kafka, missing on klamm, WRONG", 1));
        let known = |name: &str| name == "A";
        let (lines, wrong) = differences(&kafka, &klamm, known);
        assert_eq!(
            (lines[0].as_str(), wrong),
            ("A: pass on Kafka, fail on klamm, which is known", 0)
        );
        assert_eq!(differences(&kafka, &kafka, known).1, 1);
    }

    #[test]
    fn every_spelling_of_the_address_is_replaced() {
        let text = "TCP(\"localhost\"), \"localhost:9092\", Port: 9092, \"localhost:9093\"";
        let expected = "TCP(\"localhost:7\"), \"localhost:7\", Port: 7, \"localhost:9092\"";
        assert_eq!(readdressed(text, "h:7", "h:9092"), expected);
        assert_eq!(readdressed("\"adminplain\", 9093", "h:7", "h:8"), "\"admin\", 8");
    }
}
