//! kcat as a process that goes on until it is told to stop: members of a group, a transaction that is given up.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::bounded::Held;
use super::kcat::{Kcat, equal, lines, unique};
use crate::failure::{Doing, Failure, Result};

/// Between two looks at what a process has printed.
const STEP: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(25);

/// A kcat that runs, with what it has printed so far.
struct Going {
    child: Held,
    output: PathBuf,
    log: PathBuf,
}

impl Going {
    fn start(kcat: &Kcat<'_>, name: &str, args: &[&str]) -> Result<Self> {
        let output = kcat.log.with_extension(format!("{name}.out"));
        let log = kcat.log.with_extension(format!("{name}.log"));
        let create = |path: &Path| File::create(path).doing(path.display());
        let mut command = kcat.command(args);
        command.stdin(Stdio::piped()).stdout(create(&output)?).stderr(create(&log)?);
        let child = Held(command.spawn().doing("cannot run kcat")?);
        Ok(Self { child, output, log })
    }

    fn printed(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many partitions its last assignment has; kcat tells on standard error.
    fn owned(&self) -> usize {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = text.lines().rfind(|line| line.contains("rebalanced"));
        last.and_then(|line| line.split_once("assigned: ")).map_or(0, |(_, list)| {
            list.split(',').filter(|partition| !partition.trim().is_empty()).count()
        })
    }

    /// SIGTERM, on which kcat closes what it has open in good order.
    fn stop(mut self) -> Result<Vec<String>> {
        kill_process(Pid::from_child(&self.child.0), Signal::TERM).doing("cannot signal kcat")?;
        // It looks at the signal when its read returns, which is now; input that ended first would be a commit.
        drop(self.child.0.stdin.take());
        match self.child.wait_until(Instant::now() + LIMIT)? {
            Some(_) => Ok(self.printed()),
            None => Err(Failure::new("kcat does not end on SIGTERM")),
        }
    }
}

fn wait(what: &str, mut come: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !come() {
        if Instant::now() > deadline {
            return Err(Failure::new(format!("waited too long for {what}")));
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

/// Two members share two topics, one leaves, the other takes over; a third begins where they committed.
pub(super) fn group(kcat: &Kcat<'_>) -> Result<()> {
    let (group, topics) = (unique("group"), [unique("group"), unique("group")]);
    let produce = |numbers: std::ops::Range<u32>| {
        topics.iter().try_for_each(|topic| kcat.produce(topic, &[], &lines(numbers.clone())))
    };
    let join = |name| {
        let strategy = "partition.assignment.strategy=roundrobin";
        let args = ["-X", strategy, "-X", "auto.offset.reset=earliest", "-u", "-f", "%t %s\n"];
        let group = ["-G", group.as_str(), &topics[0], &topics[1]];
        Going::start(kcat, name, &[&args[..], &group].concat())
    };
    produce(0..10)?;
    let first = join("first")?;
    wait("the first member", || first.owned() == 2)?;
    let second = join("second")?;
    wait("a partition each", || (first.owned(), second.owned()) == (1, 1))?;
    produce(10..20)?;
    wait("40 records", || first.printed().len() + second.printed().len() >= 40)?;
    let mut found = first.stop()?;
    wait("all partitions for the other", || second.owned() == 2)?;
    produce(20..30)?;
    wait("60 records", || found.len() + second.printed().len() >= 60)?;
    found.extend(second.stop()?);
    found.sort();
    let all = |numbers: std::ops::Range<u32>| {
        let mut all = Vec::new();
        for topic in &topics {
            all.extend(lines(numbers.clone()).iter().map(|line| format!("{topic} {line}")));
        }
        all.sort();
        all
    };
    equal(&found, &all(0..30), "records of the group, each once")?;
    produce(30..35)?;
    let third = join("third")?;
    wait("the records after the committed offsets", || third.printed().len() >= 10)?;
    let mut found = third.stop()?;
    found.sort();
    equal(&found, &all(30..35), "records after the committed offsets")
}

/// One transaction that ends with the input, one that a SIGTERM ends, and another that is committed.
pub(super) fn transactions(kcat: &Kcat<'_>) -> Result<()> {
    let (topic, id) = (unique("txn"), format!("transactional.id={}", unique("txn")));
    // A topic made on first use is none that a transaction waits for.
    kcat.produce(&topic, &[], &lines(0..1))?;
    kcat.produce(&topic, &["-X", &id], &lines(1..11))?;
    let mut given_up = Going::start(kcat, "given-up", &["-P", "-t", &topic, "-X", &id])?;
    let input = given_up.child.0.stdin.as_mut().ok_or_else(|| Failure::new("no input"))?;
    // It takes its input by the kilobyte, and waits for more with what it has.
    let aborted = lines(11..3011);
    input.write_all((aborted.join("\n") + "\n").as_bytes()).doing("cannot write to kcat")?;
    let uncommitted = ["-X", "isolation.level=read_uncommitted"];
    wait("records of the open transaction", || {
        kcat.values(&topic, &uncommitted).is_ok_and(|values| values.len() > 1000)
    })?;
    let committed = ["-X", "isolation.level=read_committed"];
    equal(&kcat.values(&topic, &committed)?, &lines(0..11), "read_committed meanwhile")?;
    given_up.stop()?;
    kcat.produce(&topic, &["-X", &id], &lines(3011..3021))?;
    let expected = [lines(0..11), lines(3011..3021)].concat();
    equal(&kcat.values(&topic, &committed)?, &expected, "read_committed")?;
    let all = kcat.values(&topic, &uncommitted)?;
    let begun = all.len().saturating_sub(expected.len());
    let expected = [&lines(0..11)[..], &aborted[..begun.min(3000)], &lines(3011..3021)].concat();
    equal(&all, &expected, "read_uncommitted")
}
