//! `cargo xtask codegen`: the wire messages, from the schemas in the kafka-clients jar, and what the
//! Java classes in the same jar make of them, for the tests.
//!
//! What is generated is committed, the schemas are not. Everything is first written below `target/`;
//! `--check` then compares instead of copying, and names the first file that differs.

mod catalogue;
mod jar;
mod lists;
mod rust;
mod schema;

use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::place::Place;
use crate::process;
use catalogue::Catalogue;
pub(crate) use jar::ClientsJar;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the messages go; nothing but generated files lives there.
const MESSAGES: &str = "crates/klamm-protocol/src/message";
/// Where the list of APIs goes.
const API_KEY: &str = "crates/klamm-protocol/src/api_key.rs";
/// The bytes of Java's message classes; see the README beside it.
const WIRE_MESSAGES: &str = "testdata/wire/messages.bin";
/// Code, name and retriability of Java's `Errors`.
const ERROR_CODES: &str = "testdata/wire/error_codes.txt";
/// The versions of every API and of their headers in Java's `ApiMessageType`.
const API_VERSIONS: &str = "testdata/wire/api_versions.txt";

/// Generates, or with `--check` compares.
pub(crate) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags = Flags::parse(args, &[], &["check"])?;
    let jar = ClientsJar::fetch(place)?;
    let catalogue = Catalogue::load(&jar.schemas())?;
    let output = Output::empty(place.dir("codegen/out")?)?;
    write_rust(place, &catalogue, &output)?;
    write_test_data(&jar, &catalogue, &output)?;
    let from = format!("kafka-clients {}", jar::VERSION);
    if flags.has("check") {
        output.compare(place.root())?;
        println!("{} generated files match {from}", output.names()?.len());
    } else {
        output.install(place.root())?;
        println!("{} files generated from {from}", output.names()?.len());
    }
    Ok(())
}

fn write_rust(place: &Place, catalogue: &Catalogue, output: &Output) -> Result<()> {
    for m in catalogue.messages() {
        output.write(&format!("{MESSAGES}/{}.rs", rust::ident(&m.name)), &rust::message(m))?;
    }
    let list = format!("{MESSAGES}/mod.rs");
    output.write(&list, &lists::message_mod(catalogue))?;
    output.write(API_KEY, &lists::api_key(catalogue))?;
    // rustfmt follows the `mod` lines of mod.rs.
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--config-path"]).arg(place.root().join("rustfmt.toml"));
    rustfmt.args([output.path(&list), output.path(API_KEY)]);
    process::capture(&mut rustfmt).map(drop)
}

fn write_test_data(jar: &ClientsJar, catalogue: &Catalogue, output: &Output) -> Result<()> {
    let classes: Vec<String> =
        catalogue.messages().map(|m| format!("{}={}", m.name, m.java_class())).collect();
    let bytes = output.path(WIRE_MESSAGES);
    output.make_parent(&bytes)?;
    jar.run("WireMessages.java", &[&bytes], &classes)?;
    jar.run("ErrorCodes.java", &[&output.path(ERROR_CODES)], &[])?;
    let apis: Vec<String> = catalogue.requests().iter().map(|m| m.api_name().to_owned()).collect();
    jar.run("ApiVersions.java", &[&output.path(API_VERSIONS)], &apis).map(drop)
}

/// A directory below `target/` that mirrors the paths of the repository.
#[derive(Debug)]
struct Output {
    dir: PathBuf,
}

impl Output {
    fn empty(dir: PathBuf) -> Result<Self> {
        fs::remove_dir_all(&dir).doing(dir.display())?;
        fs::create_dir_all(&dir).doing(dir.display())?;
        Ok(Self { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn make_parent(&self, path: &Path) -> Result<()> {
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).doing(parent.display())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        self.make_parent(&path)?;
        fs::write(&path, text).doing(path.display())
    }

    /// The generated files, as paths in the repository.
    fn names(&self) -> Result<BTreeSet<String>> {
        let mut names: BTreeSet<String> =
            [API_KEY, WIRE_MESSAGES, ERROR_CODES, API_VERSIONS].map(str::to_owned).into();
        names.extend(messages_in(&self.dir)?);
        Ok(names)
    }

    fn compare(&self, root: &Path) -> Result<()> {
        let remedy = "run `cargo xtask codegen`";
        let names = self.names()?;
        for name in &names {
            let fresh = fs::read(self.path(name)).doing(name)?;
            if fs::read(root.join(name)).ok() != Some(fresh) {
                return Err(Failure::new(format!(
                    "{name} differs from what is generated: {remedy}"
                )));
            }
        }
        match messages_in(root)?.difference(&names).next() {
            Some(stale) => Err(Failure::new(format!("{stale} is generated no more: {remedy}"))),
            None => Ok(()),
        }
    }

    fn install(&self, root: &Path) -> Result<()> {
        let names = self.names()?;
        for stale in messages_in(root)?.difference(&names) {
            fs::remove_file(root.join(stale)).doing(stale)?;
        }
        for name in &names {
            let to = root.join(name);
            self.make_parent(&to)?;
            fs::copy(self.path(name), to).doing(name)?;
        }
        Ok(())
    }
}

fn messages_in(root: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(root.join(MESSAGES)).doing(MESSAGES)?;
    entries
        .map(|entry| {
            let name = entry.doing(MESSAGES)?.file_name();
            Ok(format!("{MESSAGES}/{}", name.to_string_lossy()))
        })
        .collect()
}
