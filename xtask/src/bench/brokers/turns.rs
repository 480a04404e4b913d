//! Taking turns: every case once per broker and round, each round begun by another broker.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::cases::{self, Case, Load, Outcome};
use super::contenders::{self, Contender, Server, Stable};
use super::processor::Together;
use super::programs::Programs;
use super::table::{self, Table};
use super::usage;
use crate::bench::broker::Stopped;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::place::Place;
use crate::process;

/// After a start, until memory is read.
const SETTLED: Duration = Duration::from_secs(1);
/// What a broker that stays gets of a case before anything counts.
const WARM_UP: f64 = 0.3;
/// More than a case's records take at full size. A virtual machine may have to get memory from its host that nobody used for some
/// seconds, for several times the CPU of everything else: who is measured next would pay for it, or not.
const OWN_MEMORY_BYTES: f64 = 1.4e9;

/// Runs the comparison that `flags` describe.
pub(crate) fn run(place: &Place, flags: &Flags, rounds: u32, scale: f64) -> Result<()> {
    let cases = cases::chosen(flags.value("cases"))?;
    let contenders = contenders::chosen(flags.value("brokers"))?;
    let loads: Vec<_> = cases.iter().map(|case| case.load).collect();
    let programs = Programs::build(place, &loads, flags.has("plain"))?;
    let stable = Stable::prepare(place, &contenders, flags.value("klamm"))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let path = place.dir("bench")?.join(format!("broker-{since}.jsonl"));
    let kept = File::create(&path).doing(path.display())?;
    eprintln!("every line goes to {}", path.display());
    let errors = path.with_extension("err");
    let mut course = Course { stable, programs, scale, errors: &errors, kept };
    println!("{}", table::sizes(&course.stable.sizes(place)?));
    for case in cases {
        println!("{}", course.case(case, &contenders, rounds)?);
    }
    let _ = std::fs::remove_file(&errors);
    Ok(())
}

/// What every run needs.
struct Course<'a> {
    stable: Stable,
    programs: Programs,
    scale: f64,
    /// Takes what a load program complains about.
    errors: &'a Path,
    kept: File,
}

impl Course<'_> {
    /// The broker that stays has been restarted by the case before, perhaps.
    fn warm_up(&self, case: &Case, contenders: &[&Contender]) {
        let stays = contenders.iter().filter(|contender| contender.stays());
        for contender in stays.filter(|_| case.load != Load::None) {
            eprintln!("warming up {}: {}", contender.name, case.name);
            // What is wrong here is wrong in the first round too, and told there.
            let _ = self.once(case, contender, self.scale * WARM_UP);
        }
    }

    fn case(
        &mut self,
        case: &'static Case,
        contenders: &[&Contender],
        rounds: u32,
    ) -> Result<Table> {
        self.warm_up(case, contenders);
        let mut table = Table::new(case);
        for round in 0..rounds as usize {
            for turn in 0..contenders.len() {
                let contender = contenders[(turn + round) % contenders.len()];
                let told = format!("{} round {}: {}", case.name, round + 1, contender.name);
                match self.once(case, contender, self.scale) {
                    Ok(outcome) => {
                        eprintln!("{told} {}", table::short(case, &outcome));
                        let line = json!({
                            "case": case.name, "round": round, "broker": contender.name,
                            "outcome": outcome,
                        });
                        writeln!(self.kept, "{line}").doing("the file of lines")?;
                        table.add(contender.name, outcome);
                    }
                    Err(failure) => {
                        eprintln!("{told}: {failure}");
                        table.fail(contender.name);
                    }
                }
            }
        }
        Ok(table)
    }

    /// One run of one case.
    fn once(&self, case: &Case, contender: &Contender, scale: f64) -> Result<Outcome> {
        if case.load == Load::None {
            return started(&self.stable.start_anew(contender)?);
        }
        let server = self.stable.start(contender)?;
        let command = self.programs.command(case.load, &server.bootstrap);
        let mut command = command.ok_or_else(|| Failure::new("the load was not built"))?;
        case.ask(&mut command, scale);
        let errors = File::create(self.errors).doing(self.errors.display())?;
        loaded(case, &server, command.stderr(errors), scale).map_err(|failure| {
            let said = std::fs::read_to_string(self.errors).unwrap_or_default();
            Failure::new(format!("{failure}\n{}", process::last_lines(said.trim(), 8)))
        })
    }
}

/// What a broker is that has just been started.
fn started(server: &Server) -> Result<Outcome> {
    let start = server.start.ok_or_else(|| Failure::new("it was not started"))?;
    std::thread::sleep(SETTLED);
    let memory = usage::memory(server.pid)?;
    Ok(Outcome {
        start_ms: start.as_secs_f64() * 1e3,
        resident_mib: mib(memory.resident),
        peak_mib: mib(memory.peak),
        ..Outcome::default()
    })
}

/// Runs a load program, and adds to its own figures what the broker used between the beginning and the end of its section.
///
/// The program bounds its own time, and so the reads here.
fn loaded(case: &Case, server: &Server, command: &mut Command, scale: f64) -> Result<Outcome> {
    let shown = process::shown(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.spawn().doing(format_args!("cannot run {shown}"))?;
    let mut load = Stopped(child);
    let (input, output) = (load.0.stdin.take(), load.0.stdout.take());
    let (Some(mut input), Some(output)) = (input, output) else {
        return Err(Failure::new("a program without input and output"));
    };
    let mut output = BufReader::new(output);
    let mut line = String::new();
    output.read_line(&mut line).doing(&shown)?;
    if line.trim() != "ready" {
        return Err(Failure::new(format!("{shown} is not ready; it says {line:?}")));
    }
    let _together =
        case.together.then(|| Together::keep(&[server.pid, load.0.id()])).transpose()?;
    own_memory((OWN_MEMORY_BYTES * scale) as usize);
    usage::forget_peak(server.pid)?;
    let (before, cpu) = (usage::memory(server.pid)?, usage::cpu(server.pid)?);
    input.write_all(b"go\n").doing(&shown)?;
    line.clear();
    output.read_line(&mut line).doing(&shown)?;
    let used = usage::cpu(server.pid)?;
    let peak = usage::memory(server.pid)?.peak;
    // The end of its input lets the program look at what it has done, and clear it away.
    drop(input);
    let status = load.0.wait().doing(&shown)?;
    if !status.success() {
        return Err(Failure::new(format!("{status} from {shown}")));
    }
    Ok(Outcome {
        server_cpu_s: used.total.saturating_sub(cpu.total).as_secs_f64(),
        server_kernel_s: used.kernel.saturating_sub(cpu.kernel).as_secs_f64(),
        resident_mib: mib(before.resident),
        peak_mib: mib(peak),
        ..Outcome::read(case, &line)?
    })
}

/// Uses as much memory as the section may and gives it back, so that it is the machine's own then.
fn own_memory(bytes: usize) {
    let mut memory = klamm_huge_pages::with_capacity(bytes);
    memory.resize(bytes, 1);
    std::hint::black_box(&memory);
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::{cases, loaded};
    use crate::bench::brokers::contenders::Server;
    use std::process::Command;

    /// This very process in the place of a broker.
    fn server() -> Server {
        Server::running(std::process::id(), "127.0.0.1:1")
    }

    fn run(script: &str) -> crate::failure::Result<super::Outcome> {
        let case = cases::chosen(Some("sync")).unwrap()[0];
        let mut shell = Command::new("sh");
        loaded(case, &server(), shell.args(["-c", script]), 0.0)
    }

    #[test]
    fn a_section_runs_between_ready_and_the_line() {
        let good = r#"echo ready; read go; echo "{\"requests\":3,\"secs\":0.5}"; read end; exit 0"#;
        let outcome = run(good).unwrap();
        assert_eq!((outcome.requests, outcome.secs), (3, 0.5));
        assert!(outcome.peak_mib >= 1.0 && outcome.resident_mib >= 1.0, "{outcome:?}");
    }

    #[test]
    fn a_program_that_fails_after_its_line_has_no_result() {
        let bad = r#"echo ready; read go; echo "{\"requests\":3,\"secs\":0.5}"; read end; exit 3"#;
        assert!(run(bad).unwrap_err().to_string().contains("exit status: 3"));
        assert!(run("exit 1").unwrap_err().to_string().contains("not ready"));
        assert!(run("echo ready; read go").is_err());
    }
}
