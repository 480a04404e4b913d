//! The steps of `cargo xtask test`, cheapest first.

use std::path::PathBuf;
use std::process::Command;

use super::counts::{Counts, Reader};
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::kafka::{Running, Spec};
use crate::place::Place;
use crate::{chaos, codegen, interop, process, tidy};

/// One named step.
pub(crate) struct Step {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it checks.
    pub(crate) what: &'static str,
    /// Does it.
    pub(crate) run: fn(&mut Context) -> Result<Counts>,
}

/// Every step, in the order they run.
pub(crate) const STEPS: [Step; 13] = [
    Step { name: "fmt", what: "rustfmt has nothing to change", run: fmt },
    Step { name: "tidy", what: "the rules no compiler knows", run: tidy },
    Step { name: "codegen", what: "generated messages match Kafka's schemas", run: codegen },
    Step { name: "clippy", what: "no warning in any target", run: clippy },
    Step { name: "kafka", what: "a real Kafka with every listener for the tests", run: kafka },
    Step { name: "tests", what: "unit, integration and documentation tests", run: tests },
    Step { name: "docs", what: "the documentation builds without a warning", run: docs },
    Step { name: "no-c", what: "the release builds without a C compiler", run: no_c },
    Step { name: "interop", what: "other clients read what klamm wrote", run: interop },
    Step { name: "matrix", what: "other clients do on the broker what they can", run: matrix },
    Step { name: "tools", what: "Kafka's tools on the broker and its files", run: tools },
    Step { name: "chaos", what: "no acknowledged record is lost while brokers die", run: chaos },
    Step { name: "fuzz", what: "each fuzz target for a short while", run: fuzz },
];

/// What steps share.
pub(crate) struct Context {
    place: Place,
    kafka: Option<Running>,
    fuzz_seconds: u32,
    chaos_rounds: u32,
}

impl Context {
    /// Nothing is running yet.
    pub(crate) fn new(place: &Place, flags: &Flags) -> Result<Self> {
        Ok(Self {
            place: place.clone(),
            kafka: None,
            fuzz_seconds: flags.number("fuzz-seconds", 10)?,
            chaos_rounds: flags.number("chaos-rounds", 3)?,
        })
    }

    fn cargo(&self, args: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(self.place.root()).args(args);
        cargo
    }

    fn plain(&self, args: &[&str]) -> Result<Counts> {
        process::run(&mut self.cargo(args)).map(|()| Counts::one())
    }
}

fn fmt(context: &mut Context) -> Result<Counts> {
    context.plain(&["fmt", "--all", "--check"])
}

fn tidy(context: &mut Context) -> Result<Counts> {
    tidy::run(&context.place, &[]).map(|()| Counts::one())
}

fn codegen(context: &mut Context) -> Result<Counts> {
    codegen::run(&context.place, &["--check".to_owned()])?;
    Ok(Counts::one())
}

fn clippy(context: &mut Context) -> Result<Counts> {
    context.plain(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn kafka(context: &mut Context) -> Result<Counts> {
    let spec = Spec { name: "test".to_owned(), port_base: 21700, secure: true, ..Spec::default() };
    context.kafka = Some(Running::up(&context.place, spec)?);
    Ok(Counts::one())
}

fn tests(context: &mut Context) -> Result<Counts> {
    let args = ["test", "--workspace", "--no-fail-fast", "--", "--show-output"];
    let mut cargo = context.cargo(&args);
    if let Some(kafka) = &context.kafka {
        cargo.envs(kafka.test_environment());
    }
    let mut reader = Reader::default();
    let status = process::watch(&mut cargo, |line| reader.line(line))?;
    Ok(reader.finish(status.success()))
}

fn docs(context: &mut Context) -> Result<Counts> {
    // Libraries alone: the program klamm and the library klamm would be written to one place.
    let mut cargo = context.cargo(&["doc", "--workspace", "--no-deps", "--lib"]);
    process::run(cargo.env("RUSTDOCFLAGS", "-D warnings")).map(|()| Counts::one())
}

/// In a directory of its own, where no earlier build has left a compiled C file behind.
fn no_c(context: &mut Context) -> Result<Counts> {
    let target = no_c_target(&context.place)?;
    let mut cargo = context.cargo(&["build", "--release"]);
    cargo.env("CC", "/bin/false").env("CXX", "/bin/false").env("CARGO_TARGET_DIR", &target);
    process::run(&mut cargo)?;
    Ok(Counts::one())
}

fn no_c_target(place: &Place) -> Result<PathBuf> {
    place.dir("no-c")
}

fn interop(context: &mut Context) -> Result<Counts> {
    let Some(kafka) = &context.kafka else {
        return Err(Failure::new("needs the step kafka"));
    };
    let klamm = klamm(&context.place)?;
    interop::readers(&context.place, kafka.cluster(), &klamm, interop::Extent::Short)
}

fn matrix(context: &mut Context) -> Result<Counts> {
    interop::matrix(&context.place, &klamm(&context.place)?)
}

fn tools(context: &mut Context) -> Result<Counts> {
    interop::tools(&context.place, &klamm(&context.place)?)
}

/// The program as users get it, when a step before has built that.
fn klamm(place: &Place) -> Result<PathBuf> {
    let built = no_c_target(place)?.join("release/klamm");
    if built.is_file() { Ok(built) } else { interop::build(place) }
}

fn chaos(context: &mut Context) -> Result<Counts> {
    let mut counts = chaos::short(&context.place, context.chaos_rounds)?;
    counts.add(chaos::short_of_broker(&context.place, 2 * context.chaos_rounds)?);
    counts.add(chaos::short_of_transactions(&context.place, context.chaos_rounds.div_ceil(3))?);
    counts.add(chaos::short_of_gateway(&context.place, 4 * context.chaos_rounds)?);
    counts.add(chaos::short_of_outage(&context.place)?);
    counts.add(chaos::short_of_slow_sockets(&context.place)?);
    counts.add(chaos::short_of_groups(&context.place)?);
    Ok(counts)
}

fn fuzz(context: &mut Context) -> Result<Counts> {
    let fuzz = context.place.root().join("fuzz");
    let tool = fuzz_tool(context)?;
    let run = |args: &[&str]| {
        let mut command = Command::new(&tool);
        // The instrumentation is a flag of the compiler that a stable one only takes when told to.
        command.current_dir(&fuzz).arg("fuzz").args(args).env("RUSTC_BOOTSTRAP", "1");
        command.env("CARGO_TARGET_DIR", context.place.target().join("xtask/fuzz"));
        command
    };
    let listed = process::capture(&mut run(&["list"]))?;
    let listed = String::from_utf8(listed).doing("names of fuzz targets")?;
    let seconds = format!("-max_total_time={}", context.fuzz_seconds);
    let mut counts = Counts::default();
    for target in listed.split_whitespace() {
        let limits =
            [seconds.as_str(), "-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1"];
        let arguments = [&["run", target, "--"][..], &limits].concat();
        // Thousands of lines of progress would bury every other step: only a finding is printed.
        match process::capture(&mut run(&arguments)) {
            Ok(_) => counts.passed += 1,
            Err(failure) => {
                println!("fuzz {target}: {failure}");
                counts.failed += 1;
                counts.details.push(format!("fuzz {target}: {failure}"));
            }
        }
    }
    Ok(counts)
}

/// `cargo-fuzz`, installed under `target/` when the machine has none.
fn fuzz_tool(context: &Context) -> Result<PathBuf> {
    if let Some(tool) = process::find("cargo-fuzz") {
        return Ok(tool);
    }
    let tools = context.place.dir("tools")?;
    let tool = tools.join("bin/cargo-fuzz");
    if !tool.is_file() {
        let mut install = context.cargo(&["install", "cargo-fuzz", "--locked", "--root"]);
        install.arg(&tools).env_remove("CARGO_TARGET_DIR");
        process::run(&mut install)?;
    }
    Ok(tool)
}
