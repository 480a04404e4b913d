//! Licences and origins of everything we build on, held against `deny.toml`.
//!
//! `cargo deny` does more (advisories); this needs nothing installed, so it runs everywhere.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::finding::Finding;
use crate::failure::{Doing, Failure, Result};
use crate::process;

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    license: Option<String>,
    source: Option<String>,
}

/// Every package in the lock file.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let deny = std::fs::read_to_string(root.join("deny.toml")).doing("cannot read deny.toml")?;
    let allowed = allowed(&deny)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["metadata", "--locked", "--format-version", "1"]);
    let json = process::capture(&mut cargo)?;
    let metadata: Metadata =
        serde_json::from_slice(&json).doing("cannot read cargo's list of packages")?;
    Ok(metadata.packages.iter().flat_map(|package| judge(package, &allowed)).collect())
}

fn judge(package: &Package, allowed: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let broken = |message: String| Finding::broken(&package.name, 0, message);
    if package.source.as_deref().is_some_and(|source| !source.starts_with("registry+")) {
        findings.push(broken("does not come from the registry".to_owned()));
    }
    match package.license.as_deref() {
        Some(licence) if acceptable(licence, allowed) => {}
        Some(licence) => findings.push(broken(format!("licence {licence} is not allowed"))),
        None => findings.push(broken("names no licence".to_owned())),
    }
    findings
}

/// Whether an SPDX expression can be met with allowed licences alone: one side of each OR, both of each AND.
fn acceptable(expression: &str, allowed: &[String]) -> bool {
    // The old spelling of OR.
    let expression = expression.replace('/', " OR ");
    let tokens = expression.replace('(', " ( ").replace(')', " ) ");
    let mut tokens = tokens.split_whitespace().peekable();
    let met = any_of(&mut tokens, allowed);
    met && tokens.next().is_none()
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut met = all_of(tokens, allowed);
    while tokens.next_if_eq(&"OR").is_some() {
        met |= all_of(tokens, allowed);
    }
    met
}

fn all_of(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut met = one(tokens, allowed);
    while tokens.next_if_eq(&"AND").is_some() {
        met &= one(tokens, allowed);
    }
    met
}

fn one(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    if tokens.next_if_eq(&"(").is_some() {
        let met = any_of(tokens, allowed);
        return tokens.next_if_eq(&")").is_some() && met;
    }
    let Some(name) = tokens.next() else { return false };
    let mut name = name.to_owned();
    if tokens.next_if_eq(&"WITH").is_some() {
        name = format!("{name} WITH {}", tokens.next().unwrap_or_default());
    }
    allowed.contains(&name)
}

/// The strings of `allow = […]` under `[licenses]`.
fn allowed(deny: &str) -> Result<Vec<String>> {
    let list = deny
        .split_once("[licenses]")
        .and_then(|(_, section)| section.split_once("allow = ["))
        .and_then(|(_, list)| list.split_once(']'))
        .ok_or_else(|| Failure::new("deny.toml has no list of allowed licences"))?;
    Ok(list.0.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{acceptable, allowed};

    #[test]
    fn expressions_are_met_by_a_choice() {
        let list =
            allowed("[licenses]\nallow = [\n \"MIT\",\n \"Apache-2.0 WITH LLVM-exception\",\n]\n")
                .unwrap();
        for good in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "(GPL-3.0 OR MIT) AND MIT"] {
            assert!(acceptable(good, &list), "{good}");
        }
        assert!(acceptable("Apache-2.0 WITH LLVM-exception OR GPL-2.0", &list));
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "", "(MIT", "MIT MIT"] {
            assert!(!acceptable(bad, &list), "{bad}");
        }
    }
}
