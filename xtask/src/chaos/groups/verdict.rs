//! Pure: the members' words against each other, and against the end of the log.
//!
//! A partition goes from owner to owner. Each must process from where the one before ended, without a gap, and only
//! while it owns the partition. Who was killed, or lost what it had, leaves what it did not commit to be done again;
//! who let go of a partition leaves nothing.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use super::events::{Deed, Event, Partition};

/// How many examples of one kind of mistake are kept.
const EXAMPLES: usize = 5;

/// How an owner came to be one no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It finished, committed and let go.
    Revoked,
    /// It was told too late.
    Lost,
    Killed,
    /// It still is.
    Open,
}

/// One member's time with one partition.
#[derive(Debug)]
struct Ownership<'a> {
    member: &'a str,
    from: u64,
    until: u64,
    end: End,
    /// When, first, last.
    processed: Vec<(u64, i64, i64)>,
    committed: Option<i64>,
}

impl Ownership<'_> {
    /// The offset behind what it has processed.
    fn done(&self) -> Option<i64> {
        self.processed.last().map(|(_, _, last)| last + 1)
    }
}

/// What the comparison found.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Records processed, each time counted.
    pub(super) processed: u64,
    /// Of these, how many were processed before.
    pub(super) again: u64,
    /// How often a partition came to a member.
    pub(super) handovers: usize,
    /// How often a member was told that it had lost a partition.
    pub(super) lost: usize,
    /// Records in the log that nobody has processed.
    pub(super) left: i64,
    mistakes: BTreeMap<&'static str, (usize, Vec<String>)>,
}

impl Verdict {
    /// Judges what `members` (name, events in order) say; `ends` are the ends of the partitions' logs.
    pub(super) fn judge(
        &mut self,
        members: &[(String, Vec<Event>)],
        ends: &BTreeMap<Partition, i64>,
    ) {
        let mut owners = Owners::new();
        for (member, events) in members {
            self.of_member(member, events, &mut owners);
        }
        for partition in owners.keys().filter(|partition| !ends.contains_key(**partition)) {
            self.mistake("a partition that is not there", format!("{partition:?}"));
        }
        for (partition, end) in ends {
            let mut of_partition = owners.remove(partition).unwrap_or_default();
            of_partition.sort_by_key(|ownership| ownership.from);
            self.handovers += of_partition.len();
            self.one_at_a_time(partition, &of_partition);
            self.without_gap(partition, &of_partition, *end);
        }
    }

    /// Whether nothing is wrong.
    pub(super) fn holds(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// Adds what was found elsewhere.
    pub(super) fn mistake(&mut self, kind: &'static str, example: String) {
        let (count, examples) = self.mistakes.entry(kind).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(example);
        }
    }

    /// Sorts what a member did into the times it owned each partition.
    fn of_member<'a>(&mut self, member: &'a str, events: &'a [Event], owners: &mut Owners<'a>) {
        let mut open: BTreeMap<&Partition, Ownership<'_>> = BTreeMap::new();
        for Event { at, deed } in events {
            match deed {
                Deed::Assigned(partitions) => {
                    for partition in partitions {
                        let (from, until, end) = (*at, u64::MAX, End::Open);
                        let (processed, committed) = (Vec::new(), None);
                        let new = Ownership { member, from, until, end, processed, committed };
                        if open.insert(partition, new).is_some() {
                            let example = format!("{member}: {partition:?} at {at}");
                            self.mistake("assigned what it has", example);
                        }
                    }
                }
                Deed::Processed { partition, first, last } => match open.get_mut(partition) {
                    Some(ownership) => ownership.processed.push((*at, *first, *last)),
                    None => {
                        let example = format!("{member}: {partition:?} {first}-{last} at {at}");
                        self.mistake("processed by a member that does not own it", example);
                    }
                },
                Deed::Committed { partition, offset } => {
                    // The answer may be written down after the partition was let go of.
                    let last = owners.get_mut(partition).and_then(|before| before.last_mut());
                    let last =
                        last.filter(|last| last.member == member && last.done() == Some(*offset));
                    match open.get_mut(partition).or(last) {
                        Some(ownership) => ownership.committed = Some(*offset),
                        None => {
                            let example = format!("{member}: {partition:?} {offset} at {at}");
                            self.mistake("committed by a member that does not own it", example);
                        }
                    }
                }
                Deed::Revoked(partitions) => {
                    let gone = partitions.iter().filter_map(|p| open.remove_entry(p));
                    close(owners, gone, *at, End::Revoked);
                }
                Deed::Lost(partitions) => {
                    self.lost += partitions.len();
                    let gone = partitions.iter().filter_map(|p| open.remove_entry(p));
                    close(owners, gone, *at, End::Lost);
                }
                Deed::Left | Deed::Killed => {
                    let end = if *deed == Deed::Left { End::Revoked } else { End::Killed };
                    close(owners, std::mem::take(&mut open), *at, end);
                }
            }
        }
        close(owners, open, u64::MAX, End::Open);
    }

    fn one_at_a_time(&mut self, partition: &Partition, owners: &[Ownership<'_>]) {
        for (n, owner) in owners.iter().enumerate() {
            for next in &owners[n + 1..] {
                let late = owner.processed.iter().any(|(at, ..)| *at > next.from);
                // Whoever lost a partition may hear of it late, but must have stopped by itself.
                let overlaps = owner.until > next.from && owner.end != End::Lost;
                if late || overlaps {
                    let what = format!(
                        "{partition:?}: {} and {} at {}",
                        owner.member, next.member, next.from
                    );
                    self.mistake("two owners at a time", what);
                }
            }
        }
    }

    fn without_gap(&mut self, partition: &Partition, owners: &[Ownership<'_>], end: i64) {
        // Up to where it is processed and committed, and whether the owner before may have left something undone.
        let (mut done, mut committed, mut torn) = (0, 0, false);
        for owner in owners {
            let mut expected = None;
            for &(at, first, last) in &owner.processed {
                let what = || {
                    format!(
                        "{partition:?}: {} {first}-{last} at {at}, done to {done}",
                        owner.member
                    )
                };
                match expected {
                    Some(expected) if first != expected => {
                        self.mistake("not one after the other", what())
                    }
                    None if first > done => self.mistake("skipped", what()),
                    None if first < committed => self.mistake("committed, and done again", what()),
                    None if first < done && !torn => {
                        self.mistake("done again without need", what())
                    }
                    _ => {}
                }
                self.processed += (last + 1 - first).max(0) as u64;
                self.again += (done.min(last + 1) - first).max(0) as u64;
                expected = Some(last + 1);
                done = done.max(last + 1);
            }
            committed = committed.max(owner.committed.unwrap_or(0));
            // An owner that processed nothing leaves what the one before it left.
            torn = matches!(owner.end, End::Killed | End::Lost)
                || (torn && owner.processed.is_empty());
        }
        if done != end {
            self.left += (end - done).max(0);
            self.mistake("not processed to the end", format!("{partition:?}: to {done} of {end}"));
        }
    }
}

type Owners<'a> = BTreeMap<&'a Partition, Vec<Ownership<'a>>>;

/// Ends some ownerships.
fn close<'a>(
    owners: &mut Owners<'a>,
    ended: impl IntoIterator<Item = (&'a Partition, Ownership<'a>)>,
    until: u64,
    end: End,
) {
    for (partition, ownership) in ended {
        owners.entry(partition).or_default().push(Ownership { until, end, ..ownership });
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} records processed, {} of them again after a kill; {} hand-overs, {} partitions lost",
            self.processed, self.again, self.handovers, self.lost
        )?;
        for (kind, (count, examples)) in &self.mistakes {
            writeln!(f, "{count} × {kind}")?;
            examples.iter().try_for_each(|example| writeln!(f, "    {example}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::{Deed, Event, Partition, read_all};
    use super::Verdict;
    use std::collections::BTreeMap;

    fn judge(end: i64, members: &[&str]) -> String {
        let mut all = Vec::new();
        for (n, script) in members.iter().enumerate() {
            let (script, killed) = match script.split_once(" killed ") {
                Some((before, at)) => (before, Some(at.trim().parse().unwrap())),
                None => (*script, None),
            };
            let mut events = read_all(&(script.trim().replace("; ", "\n") + "\n")).unwrap();
            events.extend(killed.map(|at| Event { at, deed: Deed::Killed }));
            all.push((format!("m{n}"), events));
        }
        let ends = BTreeMap::from([(Partition { topic: "t".to_owned(), number: 0 }, end)]);
        let mut verdict = Verdict::default();
        verdict.judge(&all, &ends);
        if verdict.holds() { format!("again {}", verdict.again) } else { verdict.to_string() }
    }

    const FIRST: &str = "1 assigned t:0; 2 processed t:0 0 4; 3 committed t:0 5; ";

    #[test]
    fn what_is_handed_over_in_order_holds() {
        let first = format!("{FIRST}4 revoked t:0; 9 left");
        assert_eq!(judge(10, &[&first, "5 assigned t:0; 6 processed t:0 5 9; 7 left"]), "again 0");
        let idle = "5 assigned t:0; 6 revoked t:0";
        let last = "7 assigned t:0; 8 processed t:0 5 9";
        assert_eq!(judge(10, &[&first, idle, last]), "again 0");
        // The same member may have it again.
        let late = "1 assigned t:0; 2 processed t:0 0 4; 3 revoked t:0; 4 committed t:0 5";
        assert_eq!(judge(5, &[late]), "again 0");
        let twice = format!("{FIRST}4 revoked t:0; 5 assigned t:0; 6 processed t:0 5 6");
        assert_eq!(judge(7, &[&twice]), "again 0");
    }

    #[test]
    fn after_a_kill_what_was_not_committed_is_done_again() {
        let killed = format!("{FIRST}4 processed t:0 5 7 killed 5");
        assert_eq!(judge(9, &[&killed, "6 assigned t:0; 7 processed t:0 5 8"]), "again 3");
        assert_eq!(judge(9, &[&killed, "6 assigned t:0; 7 processed t:0 8 8"]), "again 0");
        let idle = "6 assigned t:0; 7 revoked t:0";
        assert_eq!(judge(9, &[&killed, idle, "8 assigned t:0; 9 processed t:0 6 8"]), "again 2");
    }

    #[test]
    fn every_kind_of_mistake_is_caught() {
        let first = &format!("{FIRST}4 revoked t:0")[..];
        let unfinished = "1 assigned t:0; 2 processed t:0 0 4; 4 revoked t:0";
        let killed = &format!("{FIRST}4 processed t:0 5 7 killed 5")[..];
        for (end, members, mistake) in [
            (10, vec![first], "not processed to the end"),
            (7, vec![first, "5 assigned t:0; 6 processed t:0 6 6"], "skipped"),
            (9, vec![killed, "6 assigned t:0; 7 processed t:0 4 8"], "committed, and done again"),
            (5, vec![unfinished, "5 assigned t:0; 6 processed t:0 2 4"], "done again without need"),
            (7, vec![first, "3 assigned t:0; 6 processed t:0 5 6"], "two owners at a time"),
            (5, vec![FIRST.trim_end_matches("; "), "3 assigned t:0"], "two owners at a time"),
            (6, vec!["1 assigned t:0; 2 revoked t:0; 3 processed t:0 0 5"], "does not own it"),
            (
                5,
                vec!["1 assigned t:0; 2 processed t:0 0 4; 3 revoked t:0; 4 committed t:0 6"],
                "committed by",
            ),
            (
                9,
                vec!["1 assigned t:0; 2 processed t:0 0 4; 3 processed t:0 6 8"],
                "not one after the other",
            ),
            (
                5,
                vec!["1 assigned t:0; 2 assigned t:0; 3 processed t:0 0 4"],
                "assigned what it has",
            ),
            (5, vec![FIRST.trim_end_matches("; "), "1 assigned x:0"], "not there"),
            // Who lost a partition may hear of it late, but not work on it after another one began.
            (
                6,
                vec![
                    "1 assigned t:0; 4 processed t:0 0 4; 5 lost t:0",
                    "3 assigned t:0; 6 processed t:0 0 5",
                ],
                "two owners",
            ),
        ] {
            let text = judge(end, &members);
            assert!(text.contains(mistake), "{mistake}: {text}");
        }
    }
}
