//! `cargo xtask`: all automation of this repository.
//!
//! One module per command; `failure`, `flags`, `place` and `process` are what they share.

mod codegen;
mod failure;
mod flags;
mod kafka;
mod place;
mod process;
mod tidy;

use std::process::ExitCode;

use crate::failure::{Failure, Result};
use crate::place::Place;

const HELP: &str = "\
cargo xtask COMMAND

  codegen   klamm-protocol's messages from Kafka's schemas; --check compares only
  kafka     a real Apache Kafka on this machine: up, down, status, kill, pause, resume, start, run
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
            eprintln!("xtask {command}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(place: &Place, command: &str, args: &[String]) -> Result<()> {
    match command {
        "codegen" => codegen::run(place, args),
        "kafka" => kafka::run(place, args),
        "tidy" => tidy::run(place, args),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Failure::new(format!("no such command {other:?}\n\n{HELP}"))),
    }
}
