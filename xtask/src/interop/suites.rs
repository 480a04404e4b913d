//! `cargo xtask interop suite`: the tests that other clients publish with their source, on a real Kafka and on klamm's
//! broker; what passes there must pass here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::matrix::Column;
use super::packages;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::place::Place;
use crate::process;

const HELP: &str = "\
cargo xtask interop suite franz-go|kafka-go [--bootstrap HOST:PORT] [--also HOST:PORT | --kafka-only]
                          [--program KLAMM] [--run REGEX] [--chaos]
     runs the client's own tests on a real Kafka (started here, or the one at --bootstrap) and on `klamm broker`
     (started here, or what is at --also), one after the other, and prints each test that does not end alike.
     --run is go test's -run; --chaos turns franz-go's injected faults on
";

/// A suite that hangs is ended by `go test` itself.
const TIMEOUT: &str = "30m";

/// One published suite.
struct Suite {
    name: &'static str,
    module: &'static str,
    package: &'static str,
    environment: &'static [(&'static str, &'static str)],
    /// Whether its tests name localhost and port 9092, and take no other address.
    fixed: bool,
}

const SUITES: [Suite; 2] = [
    Suite {
        name: "franz-go",
        module: "github.com/twmb/franz-go@v1.22.2",
        package: "./pkg/kgo",
        environment: &[("KGO_TEST_RF", "1"), ("KGO_TEST_RECORDS", "50000")],
        fixed: false,
    },
    Suite {
        name: "kafka-go",
        module: "github.com/segmentio/kafka-go@v0.4.51",
        package: ".",
        environment: &[("KAFKA_VERSION", "4.0.0"), ("KAFKA_SKIP_NETTEST", "1")],
        fixed: true,
    },
];

/// How each test ended: `pass`, `fail` or `skip`.
type Ends = BTreeMap<String, String>;

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
    let names = ["bootstrap", "also", "program", "run"];
    let flags = Flags::parse(args, &names, &["help", "kafka-only", "chaos"])?;
    let suite = match flags.words() {
        [word] => SUITES.iter().find(|suite| suite.name == word),
        _ => None,
    };
    let Some(suite) = suite.filter(|_| !flags.has("help")) else {
        print!("{HELP}");
        return if flags.has("help") { Ok(()) } else { Err(Failure::new("which suite?")) };
    };
    let kafka = {
        let column = match flags.value("bootstrap") {
            Some(bootstrap) => Column::at("kafka", bootstrap),
            None => Column::kafka(place)?,
        };
        suite.test(place, &column, &flags)?
    };
    println!("kafka: {}", summary(&kafka));
    if flags.has("kafka-only") {
        return Ok(());
    }
    let column = match (flags.value("also"), flags.value("program")) {
        (Some(bootstrap), _) => Column::at("klamm", bootstrap),
        (None, Some(program)) => Column::klamm(Path::new(program))?,
        (None, None) => Column::klamm(&super::build(place)?)?,
    };
    let klamm = suite.test(place, &column, &flags)?;
    println!("klamm: {}", summary(&klamm));
    let (different, worse) = differences(&kafka, &klamm);
    different.iter().for_each(|line| println!("{line}"));
    match worse {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} tests pass on Kafka and not on klamm"))),
    }
}

impl Suite {
    /// Runs the suite on one broker; all it prints goes to a file.
    fn test(&self, place: &Place, column: &Column, flags: &Flags) -> Result<Ends> {
        let go = packages::go(place)?;
        let source = self.source(place, &go, column)?;
        let log =
            place.dir("interop/logs")?.join(format!("suite-{}-{}.json", self.name, column.name));
        eprintln!("{} on {}; its output: {}", self.name, column.bootstrap, log.display());
        let mut test = Command::new(&go);
        test.current_dir(&source).args(["test", "-json", "-count=1", "-timeout", TIMEOUT]);
        test.args(flags.value("run").map(|pattern| ["-run", pattern]).iter().flatten());
        test.arg(self.package).envs(self.environment.iter().copied());
        test.env("KGO_SEEDS", &column.bootstrap);
        test.envs(flags.has("chaos").then_some(("KGO_TEST_CHAOS", "1")));
        let file = std::fs::File::create(&log).doing(log.display())?;
        test.stdin(std::process::Stdio::null()).stdout(file);
        // Its status says that some test failed, which the events say better.
        test.status().doing(process::shown(&test))?;
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
        let address = self.fixed.then_some(column.bootstrap.as_str());
        copy_tree(&said.dir, &copy, address)?;
        if self.fixed {
            process::capture(Command::new(go).current_dir(&copy).args(["mod", "tidy"]))?;
        }
        Ok(copy)
    }
}

/// Copies a directory so that it may be written to; `address` takes the place of the fixed one in tests.
fn copy_tree(from: &Path, to: &Path, address: Option<&str>) -> Result<()> {
    std::fs::create_dir_all(to).doing(to.display())?;
    for entry in std::fs::read_dir(from).doing(from.display())? {
        let from = entry.doing(from.display())?.path();
        let Some(name) = from.file_name() else { continue };
        let to = to.join(name);
        if from.is_dir() {
            copy_tree(&from, &to, address)?;
            continue;
        }
        let mut content = std::fs::read(&from).doing(from.display())?;
        if let Some(address) = address.filter(|_| name.to_string_lossy().ends_with("_test.go")) {
            let text = String::from_utf8(content).doing(from.display())?;
            content = readdressed(&text, address).into_bytes();
        }
        std::fs::write(&to, content).doing(to.display())?;
    }
    Ok(())
}

/// The source of a test with `address` instead of localhost and 9092, which is also the port it leaves out.
fn readdressed(text: &str, address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "9092"));
    let text = text.replace("TCP(\"localhost\")", &format!("TCP(\"{address}\")"));
    text.replace("localhost", host).replace("9092", port)
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

fn summary(ends: &Ends) -> String {
    let count = |how: &str| ends.values().filter(|end| *end == how).count();
    format!("{} pass, {} fail, {} skip", count("pass"), count("fail"), count("skip"))
}

/// A line for each test that does not end alike, and how many pass on Kafka alone.
fn differences(kafka: &Ends, klamm: &Ends) -> (Vec<String>, usize) {
    let mut names: Vec<&String> = kafka.keys().chain(klamm.keys()).collect();
    names.sort();
    names.dedup();
    let end = |ends: &Ends, name: &str| ends.get(name).cloned().unwrap_or("missing".to_owned());
    let (mut lines, mut worse) = (Vec::new(), 0);
    for name in names {
        let (there, here) = (end(kafka, name), end(klamm, name));
        if there != here {
            worse += usize::from(there == "pass");
            lines.push(format!("{name}: {there} on Kafka, {here} on klamm"));
        }
    }
    (lines, worse)
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
        assert_eq!(differences(&kafka, &kafka), (Vec::new(), 0));
        // A program that dies leaves tests without an end.
        let klamm = ends(&printed(&[&begun[..], &[("pass", "B"), ("pass", "C")]].concat()));
        let (lines, worse) = differences(&kafka, &klamm);
        assert_eq!((lines.len(), worse), (3, 1));
        assert_eq!(lines[0], "A: pass on Kafka, fail on klamm");
        let (lines, worse) = differences(&kafka, &ends(""));
        assert_eq!((lines[0].as_str(), worse), ("A: pass on Kafka, missing on klamm", 1));
    }
    #[test]
    fn every_spelling_of_the_address_is_replaced() {
        let text = "TCP(\"localhost\"), \"localhost:9092\", Host: \"localhost\", Port: 9092";
        let expected = "TCP(\"h:7\"), \"h:7\", Host: \"h\", Port: 7";
        assert_eq!(readdressed(text, "h:7"), expected);
    }
}
