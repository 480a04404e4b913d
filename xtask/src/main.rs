//! `cargo xtask`: all automation of this repository.
//!
//! One module per command; `disk`, `failure`, `flags`, `http`, `place` and `process` are what they share.

mod bench;
mod chaos;
mod codegen;
mod disk;
mod failure;
mod flags;
mod http;
mod interop;
mod kafka;
mod listening;
mod place;
mod process;
mod test;
mod tidy;

use std::process::ExitCode;

use crate::failure::{Failure, Result};
use crate::place::Place;

const HELP: &str = "\
cargo xtask COMMAND

  test      everything CI checks, with one table at the end
  codegen   klamm-protocol's messages from Kafka's schemas; --check compares only
  kafka     a real Apache Kafka on this machine: up, down, status, kill, pause, resume, start, run
  interop   the tests that need a real Kafka; other clients read what klamm wrote
  bench     klamm beside its peers, in turns, on one broker
  chaos     brokers are killed and paused; no acknowledged record may be lost
  tidy      the rules no compiler knows: arrows between crates, purity, lengths, words, licences
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    match dispatch(&Place::find(), command, rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_reported() {
                eprintln!("xtask {command}: {failure}");
            }
            ExitCode::FAILURE
        }
    }
}

fn dispatch(place: &Place, command: &str, args: &[String]) -> Result<()> {
    match command {
        "codegen" => codegen::run(place, args),
        "kafka" => kafka::run(place, args),
        "test" => test::run(place, args),
        "interop" => interop::run(place, args),
        "bench" => bench::run(place, args),
        "chaos" => chaos::run(place, args),
        "tidy" => tidy::run(place, args),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Failure::new(format!("no such command {other:?}\n\n{HELP}"))),
    }
}
