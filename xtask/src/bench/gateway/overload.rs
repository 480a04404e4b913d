//! More than there is room for: three times what the gateway can take, and a log that is full because Kafka is away.

use std::fmt::Write as _;

use super::cases::LINES;
use super::load::Outcome;
use super::peers::{Built, NOBODY};
use super::turns::{Course, mib};
use crate::bench::brokers::usage;
use crate::failure::{Doing, Result};

/// Connections of the load that is too much.
const CONNECTIONS: &str = "512";
/// What is offered, in what can be taken.
const TIMES: f64 = 3.0;
/// A log that is full soon.
const SMALL: &str = "[wal]\nmax_bytes = \"16 MiB\"\n";
/// What a refusal may take, in milliseconds.
const REFUSAL_MS: f64 = 20.0;

/// Measures both; the result is a section of the report.
pub(super) fn run(course: &mut Course<'_>, built: &Built) -> Result<String> {
    let (peak, offered) = course.with_topic(|course, topic| too_much(course, built, topic))?;
    let (full, grown) = course.with_topic(|course, topic| full(course, built, topic))?;
    let mut text = "### more than there is room for\n\n".to_owned();
    let share = offered.requests_per_second / peak.requests_per_second;
    // Writing to memory does not fail.
    let _ = writeln!(
        text,
        "- {TIMES} times {:.0} requests/s offered: {share:.2} of it accepted, {} answered otherwise, {} unanswered; {}",
        peak.requests_per_second,
        offered.answered_otherwise,
        offered.unanswered,
        refusals(&offered)
    );
    let _ = writeln!(
        text,
        "- Kafka away and the log full: {} accepted, {} refused, {} unanswered; {}; memory grew by {grown:.0} MiB",
        full.accepted,
        full.answered_otherwise,
        full.unanswered,
        refusals(&full)
    );
    Ok(text)
}

fn too_much(course: &Course<'_>, built: &Built, topic: &str) -> Result<(Outcome, Outcome)> {
    let gateway = built.start(course.broker.bootstrap(), topic, &[])?;
    let seconds = course.seconds.to_string();
    let peak = course.load.run(&gateway.url, &["-c", "64", "--seconds", &seconds])?;
    let rate = ((peak.requests_per_second * TIMES) as u64).to_string();
    let much = ["-c", CONNECTIONS, "--seconds", &seconds, "--throughput", &rate];
    Ok((peak, course.load.run_to_the_end(&gateway.url, &much)?))
}

fn full(course: &Course<'_>, built: &Built, topic: &str) -> Result<(Outcome, f64)> {
    let config = built.scratch.join("small.toml");
    std::fs::write(&config, SMALL).doing(config.display())?;
    let path = config.to_string_lossy();
    let gateway = built.start(NOBODY, topic, &["--config", &path])?;
    let seconds = course.seconds.to_string();
    let pid = gateway.listening.pid();
    let args = ["-c", "256", "--seconds", &seconds];
    // Many lines fill it soon, and single ones what they leave; what memory grows by until then stays.
    let lines = LINES.to_string();
    let many = ["-c", "16", "--records-per-request", &lines, "--seconds", &seconds];
    course.load.run_to_the_end(&gateway.url, &many)?;
    course.load.run_to_the_end(&gateway.url, &args)?;
    usage::forget_peak(pid)?;
    let before = usage::memory(pid)?.resident;
    let outcome = course.load.run_to_the_end(&gateway.url, &args)?;
    let grown = mib(usage::memory(pid)?.peak) - mib(before);
    // It would wait for Kafka.
    gateway.kill()?;
    Ok((outcome, grown))
}

/// How long answers of 503 took.
fn refusals(outcome: &Outcome) -> String {
    match outcome.statuses.get("503") {
        None => "no 503".to_owned(),
        Some(status) => {
            let p99 = status.from_sent_ms.p99;
            let word = if p99 <= REFUSAL_MS { "holds" } else { "MISSED" };
            format!("p99 of 503 {p99:.2} ms, at most {REFUSAL_MS}: {word}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, refusals};
    use crate::bench::gateway::load::{Latency, Status};

    #[test]
    fn refusals_are_held_to_their_bar() {
        let mut outcome = Outcome::default();
        assert_eq!(refusals(&outcome), "no 503");
        for (p99, word) in [(19.0, "holds"), (20.5, "MISSED")] {
            let from_sent_ms = Latency { p99, ..Latency::default() };
            outcome.statuses.insert("503".to_owned(), Status { count: 1, from_sent_ms });
            assert!(refusals(&outcome).ends_with(word), "{p99}");
        }
    }
}
