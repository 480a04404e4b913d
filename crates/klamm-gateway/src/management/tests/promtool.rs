//! Prometheus' own judgement of the metrics. `promtool` is `KLAMM_TEST_PROMTOOL` or the one in the path.

use super::super::metrics;
use super::super::observed::Observed;
use super::sample;
use klamm_metrics::Process;
use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};

pub(super) fn promtool() -> Option<OsString> {
    let tool = std::env::var_os("KLAMM_TEST_PROMTOOL").unwrap_or_else(|| "promtool".into());
    let version = Command::new(&tool).arg("--version").output();
    version.is_ok_and(|output| output.status.success()).then_some(tool)
}

/// What promtool does not like about a page, if anything.
fn check(tool: &OsString, page: &str) -> Result<(), String> {
    let mut command = Command::new(tool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    let clean = output.status.success() && words.is_empty();
    if clean { Ok(()) } else { Err(String::from_utf8_lossy(&words).into_owned()) }
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    let Some(tool) = promtool() else {
        println!("SKIP gateway metrics: no promtool; KLAMM_TEST_PROMTOOL may name one");
        return;
    };
    for observed in [Observed::default(), sample::busy()] {
        assert_eq!(check(&tool, &metrics::page(&observed, &Process::read())), Ok(()));
    }
    let bad = "# HELP a A.\n# TYPE a counter\na 1\n";
    assert!(check(&tool, bad).is_err(), "a counter without _total is refused");
}
