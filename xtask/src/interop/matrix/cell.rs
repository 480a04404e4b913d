//! One client in one scenario on one broker.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::bounded;
use super::clients::{Built, Program};
use super::columns::Column;
use super::kcat;
use crate::failure::{Failure, Result};
use crate::process;

/// A program that has not answered by then is killed; its own waits end after 25 s each.
const LIMIT: Duration = Duration::from_secs(60);
/// Lines of a program's errors that are shown when it dies without an answer.
const LAST_WORDS: usize = 6;

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All that the scenario asks for.
    Done,
    /// The client has no such feature; this is what it lacks.
    Lacks(String),
    /// Why not.
    Failed(String),
}

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) client: &'a Built,
    pub(super) scenario: &'static str,
    pub(super) column: &'a Column,
    pub(super) logs: &'a Path,
}

/// The line a program prints for a scenario.
#[derive(Debug, Deserialize)]
struct Answer {
    scenario: String,
    ok: Option<bool>,
    detail: String,
}

impl Cell<'_> {
    /// Runs it; on Kafka once more when it fails, for a client that stumbles there says nothing about klamm.
    pub(super) fn run(&self) -> Outcome {
        let once = || self.answer().unwrap_or_else(|failure| Outcome::Failed(failure.to_string()));
        match once() {
            Outcome::Failed(_) if self.column.name == "kafka" => once(),
            outcome => outcome,
        }
    }

    fn answer(&self) -> Result<Outcome> {
        self.column.check()?;
        let name = format!("{}-{}-{}", self.client.name(), self.scenario, self.column.name);
        let log = self.logs.join(format!("{name}.log"));
        match self.client.program() {
            Program::Kcat => kcat::run(&self.column.bootstrap, self.scenario, &log),
            Program::Command(words) => {
                let mut command = std::process::Command::new(&words[0]);
                command.args(&words[1..]).arg(&self.column.bootstrap).arg(self.scenario);
                let (status, printed) = bounded::output(&mut command, b"", &log, LIMIT)?;
                let printed = String::from_utf8_lossy(&printed);
                if let Some(answer) = read(&printed, self.scenario) {
                    return Ok(answer);
                }
                let ended = status.map_or_else(
                    || format!("no answer within {} s", LIMIT.as_secs()),
                    |status| format!("no answer, {status}"),
                );
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let said = process::last_lines(&said, LAST_WORDS);
                Err(Failure::new(format!("{ended}\n{said}")))
            }
        }
    }
}

/// Finds the answer among the lines that a program printed.
fn read(printed: &str, scenario: &str) -> Option<Outcome> {
    let mut answers = printed.lines().filter_map(|line| serde_json::from_str::<Answer>(line).ok());
    let answer = answers.rfind(|answer| answer.scenario == scenario)?;
    Some(match answer.ok {
        Some(true) => Outcome::Done,
        Some(false) => Outcome::Failed(answer.detail),
        None => Outcome::Lacks(answer.detail),
    })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, read};

    #[test]
    fn an_answer_is_found_among_chatter() {
        let line =
            |ok: &str| format!("x\n{{\"scenario\":\"a\",\"ok\":{ok},\"detail\":\"d\"}}\n{{}}\n");
        assert_eq!(read(&line("true"), "a"), Some(Outcome::Done));
        assert_eq!(read(&line("false"), "a"), Some(Outcome::Failed("d".to_owned())));
        assert_eq!(read(&line("null"), "a"), Some(Outcome::Lacks("d".to_owned())));
        assert_eq!(read(&line("true"), "b"), None);
        assert_eq!(read("", "a"), None);
    }
}
