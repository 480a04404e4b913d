//! Which crate may know which: the arrows of ARCHITECTURE.md, read from cargo's own view of the manifests.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::finding::Finding;
use crate::failure::{Doing, Result};
use crate::process;

/// A crate of this workspace, and the crates of this workspace it may depend on.
const ARROWS: [(&str, &[&str]); 11] = [
    ("klamm-protocol", &[]),
    ("klamm-huge-pages", &[]),
    ("klamm-tls", &[]),
    ("klamm-metrics", &[]),
    ("klamm-log", &["klamm-protocol"]),
    ("klamm", &["klamm-protocol", "klamm-tls"]),
    (
        "klamm-broker",
        &["klamm-protocol", "klamm-log", "klamm-huge-pages", "klamm-metrics", "klamm-tls"],
    ),
    ("klamm-gateway", &["klamm", "klamm-log", "klamm-metrics", "klamm-protocol", "klamm-tls"]),
    ("klamm-sink", &["klamm"]),
    ("klamm-cli", &["klamm", "klamm-broker", "klamm-gateway", "klamm-metrics", "klamm-sink"]),
    // The ledger of a gateway that is killed; memory that is used before a measurement.
    ("xtask", &["gateway-testing", "klamm-huge-pages"]),
];

/// What the protocol crate may depend on: code without a clock, a runtime or an operating system.
const PROTOCOL: [&str; 8] = [
    "bytes",
    "crc-fast",
    "flate2",
    "lz4_flex",
    "snap",
    "structured-zstd",
    "thiserror",
    "twox-hash",
];

/// What the client must never bring along: C, or a second opinion about errors.
const NEVER: [&str; 8] = [
    "anyhow",
    "openssl",
    "openssl-sys",
    "native-tls",
    "rdkafka",
    "kafka-protocol",
    "zstd-sys",
    "libz-sys",
];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A crate of this workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None`, `dev` or `build`.
    kind: Option<String>,
}

/// The crates of the workspace at `root`.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["metadata", "--no-deps", "--format-version", "1"]);
    let json = process::capture(&mut cargo)?;
    let metadata: Metadata =
        serde_json::from_slice(&json).doing("cannot read cargo's description of the workspace")?;
    Ok(metadata.packages)
}

/// Every dependency against the tables above.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(|package| check_one(package, packages)).collect()
}

fn check_one(package: &Package, all: &[Package]) -> Vec<Finding> {
    // What only tests may know what it tests.
    if package.manifest_path.contains("/testing/") {
        return Vec::new();
    }
    let broken = |message: String| Finding::broken(&package.name, 0, message);
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        return vec![broken("this crate has no place in the table of arrows".to_owned())];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let ours = all.iter().any(|other| other.name == name);
        if ours && !allowed.contains(&name) {
            findings.push(broken(format!("must not know {name}")));
        }
        if NEVER.contains(&name) {
            findings.push(broken(format!("{name} is not for this workspace")));
        }
        let shipped = dependency.kind.as_deref() != Some("dev");
        if package.name == "klamm-protocol" && shipped && !PROTOCOL.contains(&name) {
            findings.push(broken(format!("{name} is not on the list of what needs no system")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Package, check};

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies = dependencies.iter().map(|&(name, kind)| Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
        });
        let manifest_path = format!("/crates/{name}/Cargo.toml");
        Package { name: name.to_owned(), manifest_path, dependencies: dependencies.collect() }
    }

    #[test]
    fn arrows_go_one_way() {
        let protocol = package("klamm-protocol", &[("bytes", None), ("proptest", Some("dev"))]);
        let client = package("klamm", &[("klamm-protocol", None), ("tokio", None)]);
        assert!(check(&[protocol, client]).is_empty());
        let protocol = package("klamm-protocol", &[("klamm", None)]);
        let client = package("klamm", &[("klamm-protocol", None)]);
        assert_eq!(check(&[protocol, client]).len(), 2, "an arrow back, and not on the list");
    }

    #[test]
    fn runtimes_in_the_protocol_and_crates_nobody_knows_are_found() {
        assert_eq!(check(&[package("klamm-protocol", &[("tokio", None)])]).len(), 1);
        assert_eq!(check(&[package("klamm-misc", &[])]).len(), 1);
        assert_eq!(check(&[package("klamm", &[("anyhow", Some("dev"))])]).len(), 1);
    }
}
