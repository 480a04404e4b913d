//! `cargo xtask tidy`: the rules of this repository that no compiler knows.
//!
//! A rule is a function from sources to findings; `rust` reads just enough of the language for them.

mod arrows;
mod documents;
mod finding;
mod length;
mod licences;
mod purity;
mod rust;
mod tree;
mod words;

use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::place::Place;

use self::finding::Severity;
use self::tree::Tree;

/// Checks the whole repository and prints what it finds; an error when anything breaks a rule.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    Flags::parse(args, &[], &[])?;
    let tree = Tree::read(place.root())?;
    let packages = arrows::packages(place.root())?;
    let mut findings = Vec::new();
    findings.extend(arrows::check(&packages));
    findings.extend(licences::check(place.root())?);
    findings.extend(documents::check(&tree, &packages));
    for file in &tree.files {
        findings.extend(words::check(file));
        if let Some(source) = &file.rust {
            findings.extend(purity::check(file, source));
            findings.extend(length::check(file, source));
        }
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    let broken = findings.iter().filter(|finding| finding.severity == Severity::Broken).count();
    println!("tidy: {} files, {broken} broken rules", tree.files.len());
    match broken {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{broken} broken rules"))),
    }
}
