//! `cargo xtask interop tools`: Kafka's own command-line tools on a broker, and on a directory of segment files.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::matrix::Column;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::kafka::{Artifacts, Version};
use crate::place::Place;
use crate::process;

const HELP: &str = "\
cargo xtask interop tools [--bootstrap HOST:PORT] [--program KLAMM] [--segments DIR]
     Kafka's TopicCommand, ConfigCommand, ConsumerGroupCommand, GetOffsetShell, ProducerPerformance,
     ConsumerPerformance and EndToEndLatency on `klamm broker` (started here, or what is at --bootstrap), each
     answer held against what it must say. With --segments, DumpLogSegments over every .log file below DIR
     instead
";

const TOOLS: &str = "org.apache.kafka.tools";
/// What ProducerPerformance sends, and everything after it must find.
const RECORDS: &str = "2000";
/// Words by which DumpLogSegments says that a segment is damaged.
const DAMAGE: [&str; 4] = ["isvalid: false", "Mismatches in", "Found", "Non-consecutive"];

/// One call of a tool: its class, its arguments, and what its output must contain.
type Step<'a> = (String, Vec<&'a str>, Vec<&'a str>);

/// Runs `cargo xtask interop tools` with `args`.
pub(super) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags = Flags::parse(args, &["bootstrap", "program", "segments"], &["help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let artifacts = Artifacts::fetch(place, &Version::DEFAULT)?;
    if let Some(dir) = flags.value("segments") {
        return segments(&artifacts, Path::new(dir));
    }
    let column = match (flags.value("bootstrap"), flags.value("program")) {
        (Some(bootstrap), _) => Column::at("broker", bootstrap),
        (None, Some(program)) => Column::klamm(Path::new(program))?,
        (None, None) => Column::klamm(&super::build(place)?)?,
    };
    broker(&artifacts, &column.bootstrap)
}

/// Every tool in turn; the later ones look at what the earlier ones did, and all run whatever fails.
fn broker(artifacts: &Artifacts, bootstrap: &str) -> Result<()> {
    let topic = format!("interop-tools-{}", std::process::id());
    let mut failed = 0;
    for (class, args, expected) in steps(bootstrap, &topic) {
        let name = class.rsplit('.').next().unwrap_or_default();
        let shown = args.iter().find(|arg| arg.starts_with("--") && **arg != "--bootstrap-server");
        let shown = shown.copied().unwrap_or_default();
        match step(artifacts, &class, &args, &expected) {
            Ok(()) => println!("ok    {name} {shown}"),
            Err(failure) => {
                failed += 1;
                println!("FAIL  {name} {shown}: {failure}");
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} calls of Kafka's tools failed"))),
    }
}

fn steps<'a>(bootstrap: &'a str, topic: &'a str) -> Vec<Step<'a>> {
    let on = |tool: &str, args: &[&'a str], expected: &[&'a str]| {
        let args = [&["--bootstrap-server", bootstrap], args].concat();
        (format!("{TOOLS}.{tool}"), args, expected.to_vec())
    };
    let groups = "consumer.group.ConsumerGroupCommand";
    let config = |args: &[&'a str], expected: &[&'a str]| {
        let entity = ["--entity-type", "topics", "--entity-name", topic];
        let args = [&["--bootstrap-server", bootstrap], args, &entity].concat();
        ("kafka.admin.ConfigCommand".to_owned(), args, expected.to_vec())
    };
    let produce =
        ["--throughput", "-1", "--record-size", "100", "--num-records", RECORDS, "--topic", topic];
    let consume = ["--num-records", RECORDS, "--group", topic, "--topic", topic];
    let latency = [
        "--num-records",
        "100",
        "--producer-acks",
        "all",
        "--record-size",
        "100",
        "--topic",
        topic,
    ];
    vec![
        on(
            "TopicCommand",
            &["--create", "--topic", topic, "--partitions", "1"],
            &["Created topic"],
        ),
        on("TopicCommand", &["--list"], &[topic]),
        on("TopicCommand", &["--alter", "--topic", topic, "--partitions", "2"], &[]),
        on("TopicCommand", &["--describe", "--topic", topic], &["PartitionCount: 2", "Leader: "]),
        config(&["--alter", "--add-config", "retention.ms=7200000"], &["Completed updating"]),
        config(&["--describe"], &["retention.ms=7200000"]),
        on("ProducerPerformance", &produce, &["2000 records sent"]),
        on("GetOffsetShell", &["--topic", topic, "--time", "earliest"], &[":0:0", ":1:0"]),
        on("ConsumerPerformance", &consume, &[", 2000, "]),
        on(groups, &["--list"], &[topic]),
        on(groups, &["--describe", "--group", topic], &["CURRENT-OFFSET", " 0  "]),
        on(
            groups,
            &["--reset-offsets", "--to-earliest", "--execute", "--group", topic, "--topic", topic],
            &["NEW-OFFSET"],
        ),
        on(groups, &["--delete", "--group", topic], &["successful"]),
        on("EndToEndLatency", &latency, &["Avg latency", "99.9th"]),
        on("TopicCommand", &["--delete", "--topic", topic], &[]),
    ]
}

fn step(artifacts: &Artifacts, class: &str, args: &[&str], expected: &[&str]) -> Result<()> {
    let mut java = tool(artifacts, class);
    let printed = process::capture(java.args(args))?;
    let printed = String::from_utf8_lossy(&printed);
    match expected.iter().find(|word| !printed.contains(**word)) {
        None => Ok(()),
        Some(word) => Err(Failure::new(format!("no {word:?} in:\n{printed}"))),
    }
}

fn tool(artifacts: &Artifacts, class: &str) -> Command {
    let mut java = artifacts.java();
    java.args(["-Xmx256m", class]);
    java
}

/// Lets DumpLogSegments read every segment below `dir`, records and all.
fn segments(artifacts: &Artifacts, dir: &Path) -> Result<()> {
    let mut logs = Vec::new();
    find(dir, &mut logs)?;
    if logs.is_empty() {
        return Err(Failure::new(format!("no .log file below {}", dir.display())));
    }
    let mut failed = 0;
    for log in &logs {
        let mut java = tool(artifacts, &format!("{TOOLS}.DumpLogSegments"));
        java.args(["--deep-iteration", "--files"]).arg(log);
        let verdict = process::capture(&mut java)
            .and_then(|printed| sound(&String::from_utf8_lossy(&printed)));
        match verdict {
            Ok(batches) => println!("ok    {}: {batches} batches", log.display()),
            Err(failure) => {
                failed += 1;
                println!("FAIL  {}: {failure}", log.display());
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} of {} segments are damaged", logs.len()))),
    }
}

fn find(dir: &Path, logs: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir).doing(dir.display())? {
        let path = entry.doing(dir.display())?.path();
        if path.is_dir() {
            find(&path, logs)?;
        } else if path.extension().is_some_and(|extension| extension == "log") {
            logs.push(path);
        }
    }
    logs.sort();
    Ok(())
}

/// How many batches were dumped; an error when the tool found damage, which it tells and does not fail for.
fn sound(printed: &str) -> Result<usize> {
    match printed.lines().find(|line| DAMAGE.iter().any(|word| line.contains(word))) {
        Some(line) => Err(Failure::new(line)),
        None => Ok(printed.lines().filter(|line| line.starts_with("baseOffset:")).count()),
    }
}

#[cfg(test)]
mod tests {
    use super::sound;

    #[test]
    fn damage_is_what_the_tool_says_and_does_not_fail_for() {
        let batch =
            "baseOffset: 0 lastOffset: 1 count: 2 isvalid: true crc: 7\n| offset: 0 keySize: 1\n";
        assert_eq!(sound(&format!("Dumping x.log\n{batch}{batch}")).unwrap(), 2);
        assert!(sound(&batch.replace("true", "false")).is_err());
        assert!(sound("Found 12 invalid bytes at the end of x.log\n").is_err());
    }
}
