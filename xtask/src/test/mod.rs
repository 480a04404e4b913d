//! `cargo xtask test`: everything CI checks, as named steps with one table at the end.
//!
//! The last line alone says `N passed, N failed, N skipped`. A step that fails does not stop the next one.
//! What cannot run is counted and named; unless `testing/skips.txt` lists it, it fails the run under `CI=true`.

mod counts;
mod report;
mod skips;
mod steps;

pub(crate) use self::counts::Counts;

use std::time::Instant;

use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::place::Place;

use self::report::{Report, Row};
use self::skips::Listed;
use self::steps::{Context, STEPS};

const HELP: &str = "\
cargo xtask test [--only STEP,…] [--without STEP,…] [--fuzz-seconds N] [--chaos-rounds N] [--list]
";

/// Runs the steps and prints the report; an error when anything failed.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    let values = ["only", "without", "fuzz-seconds", "chaos-rounds"];
    let flags = Flags::parse(args, &values, &["list", "help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let chosen = chosen(&flags)?;
    if flags.has("list") {
        chosen.iter().for_each(|step| println!("{:10} {}", step.name, step.what));
        return Ok(());
    }
    let text = std::fs::read_to_string(place.root().join(skips::FILE)).doing(skips::FILE)?;
    let listed = Listed::read(&text)?;
    let mut context = Context::new(place, &flags)?;
    let mut report = Report::new(listed, std::env::var("CI").is_ok_and(|ci| ci == "true"));
    for step in chosen {
        println!("\n=== {}: {}", step.name, step.what);
        let start = Instant::now();
        let outcome = (step.run)(&mut context);
        if let Err(failure) = &outcome {
            println!("{}: {failure}", step.name);
        }
        report.add(Row::new(step.name, outcome, start.elapsed()));
    }
    drop(context);
    println!("\n{}", report.table());
    println!("{}", report.last_line());
    match report.failed() {
        0 => Ok(()),
        // The last line is the verdict's, and nothing comes after it.
        _ => Err(Failure::reported()),
    }
}

fn chosen(flags: &Flags) -> Result<Vec<&'static steps::Step>> {
    let names = |flag: &str| -> Result<Option<Vec<String>>> {
        let Some(list) = flags.value(flag) else { return Ok(None) };
        let list: Vec<String> = list.split(',').map(str::to_owned).collect();
        let known = |name: &String| STEPS.iter().any(|step| step.name == name);
        match list.iter().find(|name| !known(name)) {
            Some(name) => Err(Failure::new(format!("there is no step {name:?}; see --list"))),
            None => Ok(Some(list)),
        }
    };
    let only = names("only")?;
    let without = names("without")?.unwrap_or_default();
    let wanted = |step: &&steps::Step| {
        let named = |list: &Vec<String>| list.iter().any(|name| name == step.name);
        only.as_ref().is_none_or(named) && !named(&without)
    };
    Ok(STEPS.iter().filter(wanted).collect())
}
