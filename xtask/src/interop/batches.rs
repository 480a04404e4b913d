//! Record batches without a broker: Kafka's own classes read what klamm-protocol encodes and compresses.

use std::process::Command;

use crate::codegen::ClientsJar;
use crate::failure::{Doing, Failure, Result};
use crate::place::Place;
use crate::process;
use crate::test::Counts;

/// Writes batches with every codec and compares what both sides find in them, line by line.
pub(super) fn check(place: &Place) -> Result<Counts> {
    let file = place.dir("interop")?.join("batches.bin").to_string_lossy().into_owned();
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place.root()).args(["run", "--quiet", "-p", "klamm-protocol"]);
    let ours = process::capture(cargo.args(["--example", "write_batches", &file]))?;
    let jar = ClientsJar::fetch(place)?;
    let theirs = jar.run("RecordBatches.java", &[], &["dump".to_owned(), file])?;
    let text = |bytes| String::from_utf8(bytes).doing("a dump of batches");
    same(&text(ours)?, &text(theirs)?)?;
    println!("batches: Java's classes read what klamm-protocol wrote");
    Ok(Counts::one())
}

fn same(ours: &str, theirs: &str) -> Result<()> {
    if ours.is_empty() {
        return Err(Failure::new("no batch was written"));
    }
    let differing = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
    match differing {
        Some((ours, theirs)) => {
            Err(Failure::new(format!("klamm wrote\n    {ours}\nand Java reads\n    {theirs}")))
        }
        None if ours != theirs => Err(Failure::new("one side finds more in the batches")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn any_difference_is_one() {
        assert!(same("a\nb\n", "a\nb\n").is_ok());
        for (ours, theirs) in [("", ""), ("a\nb\n", "a\nc\n"), ("a\n", "a\nb\n"), ("a\nb\n", "a\n")]
        {
            assert!(same(ours, theirs).is_err(), "{ours:?} {theirs:?}");
        }
    }
}
