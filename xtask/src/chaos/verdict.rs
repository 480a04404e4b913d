//! Pure: the ledger against the log.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use super::ledger::{Entry, Outcome};
use crate::interop::Row;

/// How many examples of one kind of mistake are kept.
const EXAMPLES: usize = 5;

/// What the comparison found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Records with the outcome Delivered.
    pub(crate) delivered: usize,
    /// Records with the outcome NotDelivered.
    pub(crate) not_delivered: usize,
    /// Records with the outcome Unknown, and how many of those are in the log.
    pub(crate) unknown: (usize, usize),
    /// Records in the log.
    pub(crate) in_log: usize,
    mistakes: BTreeMap<&'static str, (usize, Vec<String>)>,
}

/// Where a record is in the log.
type Places = BTreeMap<(u32, u64), Vec<(i32, i64)>>;

impl Verdict {
    /// Judges `entries` by `rows`.
    ///
    /// `complete` says that the program ran to its end, so that every record in the log has an outcome.
    pub(crate) fn judge(entries: &[Entry], rows: &[Row], complete: bool) -> Self {
        let mut verdict = Self { in_log: rows.len(), ..Self::default() };
        let places = verdict.places(rows);
        verdict.order(rows);
        let mut seen = BTreeMap::new();
        for entry in entries {
            *seen.entry((entry.task, entry.n)).or_insert(0_usize) += 1;
            verdict.entry(entry, places.get(&(entry.task, entry.n)).map_or(&[], Vec::as_slice));
        }
        for (record, times) in &seen {
            if *times > 1 {
                verdict.mistake("more than one outcome", format!("{record:?}: {times}"));
            }
        }
        for record in places.keys().filter(|record| complete && !seen.contains_key(record)) {
            verdict.mistake("in the log without an outcome", format!("{record:?}"));
        }
        verdict
    }

    /// Whether nothing is wrong.
    pub(crate) fn holds(&self) -> bool {
        self.mistakes.is_empty()
    }

    fn places(&mut self, rows: &[Row]) -> Places {
        let mut places = Places::new();
        for row in rows {
            match identity(row) {
                Some(record) => {
                    places.entry(record).or_default().push((row.partition, row.offset));
                }
                None => self.mistake("not a record anybody sent", format!("{row:?}")),
            }
        }
        for (record, at) in &places {
            if at.len() > 1 {
                self.mistake("in the log twice", format!("{record:?} at {at:?}"));
            }
        }
        places
    }

    /// One task sends to one partition by its key, so its numbers must rise there.
    fn order(&mut self, rows: &[Row]) {
        let mut last: BTreeMap<(i32, u32), u64> = BTreeMap::new();
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        for row in rows {
            let expected = next.insert(row.partition, row.offset + 1).unwrap_or(0);
            if row.offset < expected {
                self.mistake("the log is read out of order", format!("{row:?}"));
            }
            let Some((task, n)) = identity(row) else { continue };
            let before = last.insert((row.partition, task), n);
            if before.is_some_and(|before| before > n) {
                let message = format!("task {task}: {n} after {before:?} at offset {}", row.offset);
                self.mistake("out of order", message);
            }
        }
    }

    fn entry(&mut self, entry: &Entry, places: &[(i32, i64)]) {
        match entry.outcome {
            Outcome::Delivered => {
                self.delivered += 1;
                match places.first() {
                    None => self.mistake("delivered and lost", format!("{entry:?}")),
                    Some(&(partition, offset)) => {
                        let elsewhere = entry.offset.is_some_and(|said| said != offset);
                        if partition != entry.partition || elsewhere {
                            let message = format!("{entry:?} is at {partition}/{offset}");
                            self.mistake("delivered to another place", message);
                        }
                    }
                }
            }
            Outcome::NotDelivered => {
                self.not_delivered += 1;
                if !places.is_empty() {
                    self.mistake("said not to be delivered, and is", format!("{entry:?}"));
                }
            }
            Outcome::Unknown => {
                self.unknown.0 += 1;
                self.unknown.1 += usize::from(!places.is_empty());
            }
        }
    }

    fn mistake(&mut self, kind: &'static str, example: String) {
        let (count, examples) = self.mistakes.entry(kind).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(example);
        }
    }
}

/// The task and number in a record's key and value.
fn identity(row: &Row) -> Option<(u32, u64)> {
    let value = std::str::from_utf8(row.value.as_deref()?).ok()?;
    let (task, n) = value.split_once(':')?;
    let key = std::str::from_utf8(row.key.as_deref()?).ok()?;
    (key == task).then_some((task.parse().ok()?, n.parse().ok()?))
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} delivered, {} not delivered, {} unknown ({} of them in the log); {} in the log",
            self.delivered, self.not_delivered, self.unknown.0, self.unknown.1, self.in_log
        )?;
        for (kind, (count, examples)) in &self.mistakes {
            writeln!(f, "{count} {kind}")?;
            examples.iter().try_for_each(|example| writeln!(f, "    {example}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Row, Verdict};

    fn row(partition: i32, offset: i64, task: u32, n: u64) -> Row {
        Row {
            partition,
            offset,
            timestamp: 0,
            key: Some(task.to_string().into_bytes()),
            value: Some(format!("{task}:{n}").into_bytes()),
            headers: String::new(),
        }
    }

    fn judge(ledger: &[&str], rows: &[Row]) -> String {
        let entries: Vec<Entry> = ledger.iter().map(|line| Entry::read(line).unwrap()).collect();
        let verdict = Verdict::judge(&entries, rows, true);
        if verdict.holds() { String::new() } else { verdict.to_string() }
    }

    #[test]
    fn a_true_ledger_holds() {
        let ledger =
            ["Delivered 0 0 1 0", "Delivered 0 - 1 1", "NotDelivered 0 - 1 2", "Unknown 0 - 1 3"];
        assert_eq!(judge(&ledger, &[row(0, 0, 1, 0), row(0, 1, 1, 1)]), "");
        assert_eq!(judge(&ledger, &[row(0, 0, 1, 0), row(0, 1, 1, 1), row(0, 2, 1, 3)]), "");
    }

    #[test]
    fn every_kind_of_mistake_is_caught() {
        let one = ["Delivered 0 0 1 0"];
        let two = ["Delivered 0 0 1 0", "Delivered 0 1 1 1"];
        for (ledger, rows, mistake) in [
            (&one[..], vec![], "delivered and lost"),
            (&one, vec![row(0, 0, 1, 0), row(0, 1, 1, 0)], "in the log twice"),
            (&one, vec![row(0, 5, 1, 0)], "delivered to another place"),
            (&one, vec![row(1, 0, 1, 0)], "delivered to another place"),
            (&two, vec![row(0, 0, 1, 1), row(0, 1, 1, 0)], "out of order"),
            (&["NotDelivered 0 - 1 0"], vec![row(0, 0, 1, 0)], "said not to be delivered"),
            (&["Unknown 0 - 1 0", "Delivered 0 0 1 0"], vec![row(0, 0, 1, 0)], "more than one"),
            (&[], vec![row(0, 0, 1, 0)], "without an outcome"),
            (&one, vec![row(0, 0, 1, 0), Row { key: None, ..row(0, 1, 1, 9) }], "nobody"),
        ] {
            let text = judge(ledger, &rows);
            let expected = if mistake == "nobody" { "anybody sent" } else { mistake };
            assert!(text.contains(expected), "{mistake}: {text:?}");
        }
    }
}
