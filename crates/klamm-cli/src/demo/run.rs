//! From the arguments to the verdict.

use super::args::DemoArgs;
use super::figures::count;
use super::outcome::Outcome;
use super::report::page;
use super::stage::Stage;
use super::verdict::{as_json, table};
use super::view::{Line, Paint, View, event, stdout_style, title};
use super::{group, large};
use crate::args::{Global, Output};
use crate::failure::{FAILED, Failure, INTERRUPTED, RATE_MISSED};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How long it may take to take everything away.
const STRIKE_TIMEOUT: Duration = Duration::from_secs(20);

/// Plays both parts, says what they came to, and takes everything away again.
pub(crate) async fn run(global: &Global, args: DemoArgs) -> Result<(), Failure> {
    args.check()?;
    let mut view = View::new();
    view.say(
        &Line::new().with(Paint::Bold, "klamm demo").with(Paint::Dim, format!("   {}", cores())),
    );
    let stage = Stage::set(global, &args).await?;
    view.say(&Line::new().with(Paint::Dim, stage.title()));
    let played = tokio::select! {
        played = play(&stage, &args, &mut view) => played,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(INTERRUPTED, "interrupted")),
    };
    view.clear();
    let struck = tokio::time::timeout(STRIKE_TIMEOUT, stage.strike()).await;
    let struck = struck.unwrap_or_else(|_| Err(Failure::new(FAILED, "topics may be left behind")));
    let outcomes = played?;
    print(global.output, &outcomes, &stage)?;
    if let Some(path) = &args.report {
        write_report(path, &outcomes, &stage)?;
    }
    struck?;
    match outcomes.iter().all(Outcome::is_good) {
        true => Ok(()),
        false => Err(Failure::new(RATE_MISSED, "not all is as it must be")),
    }
}

async fn play(stage: &Stage, args: &DemoArgs, view: &mut View) -> Result<Vec<Outcome>, Failure> {
    let (small, big) = (args.group_plan(), args.large_plan());
    view.begin(1, &small.title(), &small.setting());
    let first = group::play(stage, &small, view).await?;
    sum_up(1, &first, view);
    view.begin(2, &big.title(), &big.setting());
    let second = large::play(stage, &big, view).await?;
    sum_up(2, &second, view);
    view.say(&Line::new());
    Ok(vec![first, second])
}

/// What stays of a part when its picture goes.
fn sum_up(part: usize, outcome: &Outcome, view: &mut View) {
    let read = format!(
        "   {} records written, {} read",
        count(outcome.sent()),
        count(outcome.verdict.seen)
    );
    if view.is_live() {
        view.say(&Line::new());
        view.say(&title(part, &outcome.title));
        view.say(&Line::new().with(Paint::Dim, format!("   {}", outcome.setting)));
        outcome.events.iter().for_each(|happened| view.say(&event(happened)));
    }
    view.say(&Line::new().with(Paint::Plain, read));
}

fn cores() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") }
}

fn print(output: Output, outcomes: &[Outcome], stage: &Stage) -> Result<(), Failure> {
    let mut text = String::new();
    match output {
        Output::Json => text = format!("{}\n", as_json(outcomes, &stage.as_json())),
        Output::Text => {
            let style = stdout_style();
            for line in table(outcomes, &style) {
                text.push_str(line.render(&style).trim_end());
                text.push('\n');
            }
        }
    }
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    written.map_err(|e| Failure::new(FAILED, format!("standard output: {e}")))
}

fn write_report(path: &Path, outcomes: &[Outcome], stage: &Stage) -> Result<(), Failure> {
    let facts = vec![
        ("klamm", env!("CARGO_PKG_VERSION").to_owned()),
        ("broker", stage.title()),
        ("command", std::env::args().collect::<Vec<_>>().join(" ")),
        ("processor", format!("{}, {}", processor(), cores())),
        ("system", format!("{} {}", std::env::consts::OS, kernel())),
        ("time", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string()),
    ];
    let failed = |e| Failure::new(FAILED, format!("{}: {e}", path.display()));
    std::fs::write(path, page(outcomes, &facts)).map_err(failed)?;
    eprintln!("report: {}", path.display());
    Ok(())
}

/// The processor's name, where the system tells.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The system's release, where it tells.
fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}
