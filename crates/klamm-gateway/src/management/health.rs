//! Pure: whether a gateway lives, has started, and can take requests, for those who restart it or send it requests.

use super::observed::{Observed, Phase};

/// Tenths of the log's room that are used when it refuses records.
const FULL_TENTHS: u64 = 9;
/// The share of its room that is left when the log counts as full: what does not fit is refused whole, so that the limit itself
/// is next to never reached.
const LEFT_WHEN_FULL: u64 = 100;

/// Partitions that are named when they take nothing.
const MAX_NAMED: usize = 3;

/// How a gateway is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// All is well.
    Good,
    /// It takes requests, but something wants to be looked at.
    Degraded,
    /// It takes none.
    NotReady,
}

/// How a gateway is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) health: Health,
    /// What keeps it from taking requests.
    pub(super) failures: Vec<String>,
    /// What wants to be looked at.
    pub(super) concerns: Vec<String>,
}

/// Judges a gateway. Kafka's absence is a concern and no failure: records wait in the log for it.
pub(super) fn judge(observed: &Observed) -> Verdict {
    let failures = failures(observed);
    let concerns = concerns(observed);
    let health = match (failures.is_empty(), concerns.is_empty()) {
        (false, _) => Health::NotReady,
        (true, false) => Health::Degraded,
        (true, true) => Health::Good,
    };
    Verdict { health, failures, concerns }
}

fn failures(observed: &Observed) -> Vec<String> {
    let wal = &observed.wal;
    let mut failures = Vec::new();
    match observed.phase {
        Phase::Starting => failures.push("it is starting".to_owned()),
        Phase::Draining => failures.push("it is stopping, and takes no more requests".to_owned()),
        Phase::Serving => {}
    }
    if let Some(why) = &wal.failed {
        failures.push(format!("the log takes nothing until the gateway is started again: {why}"));
    }
    let full = full_bytes(wal.max_bytes).saturating_sub(wal.max_bytes / LEFT_WHEN_FULL);
    if observed.phase != Phase::Starting && wal.bytes >= full {
        failures.push(format!("the log is full: {} of {} bytes", wal.bytes, wal.max_bytes));
    }
    if let (Some(age), Some(max)) = (wal.oldest_age, wal.max_age)
        && age > max
    {
        failures.push(format!(
            "the oldest record has waited for {} s, longer than max_age allows, {} s",
            age.as_secs(),
            max.as_secs()
        ));
    }
    failures
}

fn concerns(observed: &Observed) -> Vec<String> {
    let (wal, forward) = (&observed.wal, &observed.forward);
    let mut concerns = Vec::new();
    let waiting = observed.lag_records();
    if observed.phase != Phase::Starting && !forward.connected {
        concerns.push(format!("Kafka is not reached; {waiting} records wait in the log"));
    } else if let Some(age) = observed.long_wait() {
        let seconds = age.as_secs();
        concerns.push(format!(
            "Kafka is away or slow: {waiting} records wait in the log, the oldest for {seconds} s"
        ));
    }
    if let Some(why) = &wal.read_error {
        concerns.push(format!("the log cannot be read, and nothing goes to Kafka: {why}"));
    }
    if let Some(why) = &wal.cursor_error {
        concerns.push(format!(
            "the log's cursor cannot be saved, so that a restart sends records again: {why}"
        ));
    }
    if !forward.stuck.is_empty() {
        concerns.push(format!("Kafka takes no records for {}", stuck(&forward.stuck)));
    }
    if let Some((_, why)) = &forward.dead_letter_error {
        concerns.push(format!("a dead letter can be put nowhere: {why}"));
    }
    for why in &observed.stale {
        concerns.push(format!("a file that changed is not in use: {why}"));
    }
    if wal.lost > 0 {
        concerns.push(format!("{} accepted records can not be read from the log", wal.lost));
    }
    concerns
}

/// The partitions by name, the first few of them.
fn stuck(partitions: &[(String, Option<i32>)]) -> String {
    let name = |(topic, partition): &(String, Option<i32>)| match partition {
        Some(partition) => format!("{topic}-{partition}"),
        None => topic.clone(),
    };
    let named: Vec<String> = partitions.iter().take(MAX_NAMED).map(name).collect();
    match partitions.len().saturating_sub(MAX_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Bytes from which on the log refuses records.
pub(super) fn full_bytes(max_bytes: u64) -> u64 {
    max_bytes / 10 * FULL_TENTHS
}

/// A probe's answer: whether it is yes, and the text for the person who looks at it.
pub(super) fn live() -> (bool, String) {
    (true, "live\n".to_owned())
}

/// As [`live`]; once it is yes it stays so.
pub(super) fn started(observed: &Observed) -> (bool, String) {
    let started = observed.phase != Phase::Starting;
    (started, if started { "started\n" } else { "starting\n" }.to_owned())
}

/// As [`live`]: yes when requests are taken.
pub(super) fn ready(observed: &Observed) -> (bool, String) {
    let verdict = judge(observed);
    let mut text = match verdict.health {
        Health::Good => "ready\n",
        Health::Degraded => "ready, but degraded\n",
        Health::NotReady => "not ready\n",
    }
    .to_owned();
    for (kind, whys) in [("failed", &verdict.failures), ("degraded", &verdict.concerns)] {
        for why in whys {
            text.push_str(&format!("{kind}: {why}\n"));
        }
    }
    (verdict.health != Health::NotReady, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::WalState;
    use std::time::{Duration, UNIX_EPOCH};

    fn serving() -> Observed {
        let wal = WalState { max_bytes: 1000, bytes: 889, ..WalState::default() };
        let mut observed = Observed { phase: Phase::Serving, wal, ..Observed::default() };
        observed.forward.connected = true;
        observed
    }

    fn of(change: impl Fn(&mut Observed)) -> (bool, String) {
        let mut observed = serving();
        change(&mut observed);
        ready(&observed)
    }

    #[test]
    fn only_what_keeps_requests_out_makes_it_unready() {
        assert_eq!(of(|_| ()), (true, "ready\n".to_owned()));
        let full = "not ready\nfailed: the log is full: 900 of 1000 bytes\n".to_owned();
        assert_eq!(of(|o| o.wal.bytes = 900), (false, full));
        assert!(!of(|o| o.wal.failed = Some("no space".to_owned())).0);
        assert!(!of(|o| o.phase = Phase::Draining).0);
        assert!(!of(|o| o.phase = Phase::Starting).0);
    }

    #[test]
    fn a_record_that_is_too_old_keeps_requests_out_as_it_does_in_the_log() {
        let aged = |seconds| {
            of(|o| {
                o.wal.max_age = Some(Duration::from_secs(3600));
                o.wal.oldest_age = Some(Duration::from_secs(seconds));
            })
        };
        assert!(aged(3600).0);
        let (ready, text) = aged(3601);
        assert!(!ready && text.contains("waited for 3601 s, longer than max_age"), "{text}");
    }

    #[test]
    fn a_log_that_refuses_is_never_quite_at_its_limit() {
        // The next record would go over it, and so do all others of its size.
        assert!(!of(|o| o.wal.bytes = 893).0);
    }

    #[test]
    fn what_goes_wrong_behind_the_log_is_told_and_keeps_nobody_out() {
        let away = of(|o| {
            o.forward.connected = false;
            o.wal.next = 7;
        });
        let expected =
            "ready, but degraded\ndegraded: Kafka is not reached; 7 records wait in the log\n";
        assert_eq!(away, (true, expected.to_owned()));
        let changes: [fn(&mut Observed); 7] = [
            |o| o.wal.read_error = Some("EIO".to_owned()),
            |o| o.wal.cursor_error = Some("EIO".to_owned()),
            |o| o.forward.stuck = vec![("t".to_owned(), None)],
            |o| o.forward.dead_letter_error = Some((UNIX_EPOCH, "full".to_owned())),
            |o| {
                o.wal.next = 1;
                o.wal.oldest_age = Some(Duration::from_secs(10));
            },
            |o| o.wal.lost = 1,
            |o| o.stale = vec!["keys: line 3".to_owned()],
        ];
        for change in changes {
            let (yes, text) = of(change);
            assert!(yes && text.starts_with("ready, but degraded\ndegraded: "), "{text}");
        }
    }

    #[test]
    fn the_first_partitions_are_named() {
        let at = |n| ("t".to_owned(), Some(n));
        assert_eq!(stuck(&[at(0), ("u".to_owned(), None)]), "t-0, u");
        assert_eq!(stuck(&(0..5).map(at).collect::<Vec<_>>()), "t-0, t-1, t-2 and 2 more");
    }

    #[test]
    fn it_has_started_until_its_end() {
        let at = |phase| started(&Observed { phase, ..Observed::default() }).0;
        assert_eq!([Phase::Starting, Phase::Serving, Phase::Draining].map(at), [false, true, true]);
        assert!(live().0);
    }
}
