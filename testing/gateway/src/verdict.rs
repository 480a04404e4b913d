//! Pure: what was promised against what is in Kafka.

use crate::ledger::{Answer, Id, Ledger, Token};
use crate::request::{Request, token};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many examples of one kind of mistake are kept.
const EXAMPLES: usize = 10;

/// A record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub topic: String,
    /// Where there.
    pub partition: i32,
    /// Where there.
    pub offset: i64,
    /// Its key, empty for none.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its header `klamm-id`.
    pub id: Option<Id>,
}

/// The window of acknowledgements of one kill: the sequences from the cursor that the kill left on the disk to the end of the
/// log that it left.
///
/// What is below the cursor is in Kafka and known to be; what is in the window may be in Kafka without anybody knowing, and is
/// sent when the gateway is started again. So each kill may add one copy of each record of its window, and none of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Everything below is in Kafka.
    pub released: u64,
    /// The sequence behind the last record.
    pub next: u64,
}

impl Window {
    fn has(self, sequence: u64) -> bool {
        (self.released..self.next).contains(&sequence)
    }
}

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records that clients were promised.
    pub promised: usize,
    /// Records of requests that were not answered, and how many of those are in Kafka.
    pub maybe: (usize, usize),
    /// Requests that were refused.
    pub refused: usize,
    /// Records in Kafka.
    pub found: usize,
    /// Those of them that are there once more.
    pub duplicates: usize,
    /// What the kills' windows allow of them.
    pub allowed: u64,
    /// Promised records that are not in Kafka: id or token of each.
    pub missing: Vec<String>,
    mistakes: BTreeMap<&'static str, (usize, Vec<String>)>,
}

/// A record in Kafka with all its copies.
#[derive(Debug)]
struct Seen<'a> {
    id: Id,
    copies: Vec<&'a Found>,
}

type Records<'a> = BTreeMap<Token, Seen<'a>>;

impl Verdict {
    /// Judges by what is in Kafka what clients were promised while a gateway was killed, with a window for each kill.
    pub fn judge(ledger: &Ledger, found: &[Found], kills: &[Window]) -> Self {
        let allowed = kills.iter().map(|kill| kill.next.saturating_sub(kill.released)).sum();
        let mut verdict = Self { found: found.len(), allowed, ..Self::default() };
        let records = verdict.records(ledger, found);
        verdict.copies(&records, kills);
        verdict.order(found);
        verdict.answers(ledger, &records);
        verdict
    }

    /// Whether something was promised, and nothing is wrong.
    pub fn holds(&self) -> bool {
        self.promised > 0 && self.missing.is_empty() && self.mistakes.is_empty()
    }

    /// How many mistakes there are of a kind, as [`Verdict`] prints it.
    pub fn mistakes(&self, kind: &str) -> usize {
        self.mistakes.get(kind).map_or(0, |(count, _)| *count)
    }

    fn mistake(&mut self, kind: &'static str, example: impl fmt::Display) {
        let (count, examples) = self.mistakes.entry(kind).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(example.to_string());
        }
    }

    /// Everything in Kafka by what it says of itself; it must be what was sent, byte for byte.
    fn records<'a>(&mut self, ledger: &Ledger, found: &'a [Found]) -> Records<'a> {
        let (mut records, mut ids) = (Records::new(), BTreeMap::new());
        for record in found {
            let known = token(&record.value).filter(|of| of.request < ledger.requests(of.client));
            let (Some(token), Some(id)) = (known, &record.id) else {
                self.mistake("records that nobody sent", shown(record));
                continue;
            };
            if !is_as_sent(record, token) {
                self.mistake("records that are not as they were sent", shown(record));
            }
            if *ids.entry(id).or_insert(token) != token {
                self.mistake("ids of two records", id);
            }
            match records.entry(token) {
                Entry::Vacant(vacant) => {
                    vacant.insert(Seen { id: id.clone(), copies: vec![record] });
                }
                Entry::Occupied(mut seen) => {
                    if seen.get().id != *id {
                        self.mistake("records with two ids", format!("{} and {id}", seen.get().id));
                    }
                    seen.get_mut().copies.push(record);
                }
            }
        }
        records
    }

    fn copies(&mut self, records: &Records<'_>, kills: &[Window]) {
        for seen in records.values() {
            let again = seen.copies.len() - 1;
            self.duplicates += again;
            let allowed = || kills.iter().filter(|kill| kill.has(seen.id.sequence)).count();
            if again > 0 && again > allowed() {
                let (copies, kills) = (again + 1, allowed());
                let example =
                    format!("{}: {copies} copies, in the windows of {kills} kills", seen.id);
                self.mistake("records with more copies than kills account for", example);
            }
        }
    }

    /// Records of one key are in one partition, and there, without their later copies, in the order of their ids.
    fn order(&mut self, found: &[Found]) {
        let mut sorted: Vec<&Found> = found.iter().collect();
        sorted.sort_by_key(|record| (&record.topic, record.partition, record.offset));
        let (mut first, mut last) = (BTreeSet::new(), BTreeMap::new());
        for record in sorted {
            let Some(id) = record.id.as_ref().filter(|id| first.insert(*id)) else { continue };
            let key = (&record.topic, &record.key, &id.instance);
            let before = last.insert(key, (record.partition, id.sequence));
            let Some((partition, sequence)) = before else { continue };
            if partition != record.partition {
                self.mistake("keys in two partitions", shown(record));
            } else if sequence > id.sequence {
                let example = format!("{sequence} before {}", shown(record));
                self.mistake("records of a key out of order", example);
            }
        }
    }

    fn answers(&mut self, ledger: &Ledger, records: &Records<'_>) {
        let mut last: BTreeMap<u32, &Id> = BTreeMap::new();
        for (client, request, answer) in ledger.answers() {
            let seen: Vec<Option<&Seen<'_>>> = (0..)
                .zip(&Request::of(client, request).records)
                .map(|(index, _)| records.get(&Token { client, request, index }))
                .collect();
            let name = format!("{client}-{request}");
            match answer {
                Answer::Accepted(id) => {
                    self.accepted(id, &name, &seen);
                    let before = last.insert(client, id);
                    if before.is_some_and(|before| {
                        before.instance == id.instance && before.sequence >= id.sequence
                    }) {
                        self.mistake("ids that fall from one request to the next", id);
                    }
                }
                Answer::Stored(places) => self.stored(places, &name, &seen),
                Answer::Refused(status) => {
                    self.refused += 1;
                    if !matches!(status, 429 | 503) {
                        self.mistake("refused for no reason", format!("{name}: {status}"));
                    }
                    self.whole_or_not(&name, &seen);
                }
                Answer::Nothing => {
                    self.maybe.0 += seen.len();
                    self.maybe.1 += seen.iter().flatten().count();
                    self.whole_or_not(&name, &seen);
                }
            }
        }
    }

    fn accepted(&mut self, first: &Id, request: &str, seen: &[Option<&Seen<'_>>]) {
        self.promised += seen.len();
        for (index, seen) in seen.iter().enumerate() {
            let id = first.plus(index);
            match seen {
                None => self.missing.push(format!("{id} ({request}-{index})")),
                Some(seen) if seen.id != id => {
                    let example = format!("{id} is {}", seen.id);
                    self.mistake("records under another id than was promised", example);
                }
                Some(_) => {}
            }
        }
    }

    fn stored(&mut self, places: &[(i32, i64)], request: &str, seen: &[Option<&Seen<'_>>]) {
        self.promised += seen.len();
        for (index, (seen, place)) in seen.iter().zip(places).enumerate() {
            match seen {
                None => self.missing.push(format!("{place:?} ({request}-{index})")),
                Some(seen) => {
                    if !seen.copies.iter().any(|copy| (copy.partition, copy.offset) == *place) {
                        let example = format!("{request}-{index}: not at {place:?}");
                        self.mistake("records at another place than was promised", example);
                    }
                }
            }
        }
    }

    /// Nobody knows whether it was taken; but it was taken with all its records, or with none.
    fn whole_or_not(&mut self, request: &str, seen: &[Option<&Seen<'_>>]) {
        let there = seen.iter().flatten().count();
        if there > 0 && there < seen.len() {
            let example = format!("{request}: {there} of {}", seen.len());
            self.mistake("requests that were taken in part", example);
        }
    }
}

fn is_as_sent(record: &Found, token: Token) -> bool {
    let request = Request::of(token.client, token.request);
    let sent = usize::try_from(token.index).ok().and_then(|index| request.records.get(index));
    request.topic == record.topic
        && sent.is_some_and(|sent| sent.key == record.key && sent.value == record.value)
}

fn shown(record: &Found) -> String {
    let id = record.id.as_ref().map_or_else(|| "no id".to_owned(), Id::to_string);
    format!(
        "{id} at {}/{}/{}: {:?} {:?}",
        record.topic,
        record.partition,
        record.offset,
        String::from_utf8_lossy(&record.key),
        String::from_utf8_lossy(&record.value)
    )
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: [(&str, u64); 8] = [
            ("records that were promised", self.promised as u64),
            ("  and are not in Kafka", self.missing.len() as u64),
            ("records of requests without an answer", self.maybe.0 as u64),
            ("  of them in Kafka", self.maybe.1 as u64),
            ("requests that were refused", self.refused as u64),
            ("records in Kafka", self.found as u64),
            ("  of them once more", self.duplicates as u64),
            ("  which the kills' windows have room for", self.allowed),
        ];
        rows.iter().try_for_each(|(what, count)| writeln!(f, "{count:>12} {what}"))?;
        for missing in self.missing.iter().take(EXAMPLES) {
            writeln!(f, "LOST {missing}")?;
        }
        for (kind, (count, examples)) in &self.mistakes {
            writeln!(f, "WRONG: {count} {kind}")?;
            examples.iter().try_for_each(|example| writeln!(f, "    {example}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Verdict, Window};
    use crate::ledger::{Answer, Id, Ledger};
    use crate::request::Request;

    /// The records of a request, from this id and offset on.
    fn of(client: u32, request: u32, sequence: u64, offset: i64) -> Vec<Found> {
        let request = Request::of(client, request);
        let found = |(n, record): (usize, crate::Record)| Found {
            topic: request.topic.to_owned(),
            partition: 0,
            offset: offset + n as i64,
            key: record.key,
            value: record.value,
            id: Some(Id { instance: "i".into(), sequence: sequence + n as u64 }),
        };
        request.records.clone().into_iter().enumerate().map(found).collect()
    }

    fn accepted(sequence: u64) -> Answer {
        Answer::Accepted(Id { instance: "i".into(), sequence })
    }

    fn ledger(answers: &[Answer]) -> Ledger {
        Ledger::new(vec![answers.to_vec()])
    }

    fn judge(answers: &[Answer], found: &[Vec<Found>], kills: &[(u64, u64)]) -> Verdict {
        let kills: Vec<Window> =
            kills.iter().map(|&(released, next)| Window { released, next }).collect();
        Verdict::judge(&ledger(answers), &found.concat(), &kills)
    }

    #[test]
    fn a_kept_promise_holds() {
        // The second request has two records.
        let verdict = judge(&[accepted(0), accepted(1)], &[of(0, 0, 0, 0), of(0, 1, 1, 10)], &[]);
        assert!(verdict.holds(), "{verdict}");
        assert_eq!((verdict.promised, verdict.found, verdict.duplicates), (3, 3, 0));
        assert!(!judge(&[], &[], &[]).holds(), "who promised nothing has shown nothing");
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut half = of(0, 1, 1, 10);
        half.truncate(1);
        let verdict = judge(&[accepted(0), accepted(1)], &[half], &[]);
        assert_eq!(verdict.missing, ["i/0 (0-0-0)", "i/2 (0-1-1)"]);
        assert!(!verdict.holds() && verdict.to_string().contains("LOST i/2 (0-1-1)"), "{verdict}");
        let stored = Ledger::new(vec![vec![], vec![], vec![], vec![Answer::Stored(vec![(0, 7)])]]);
        assert_eq!(Verdict::judge(&stored, &[], &[]).missing, ["(0, 7) (3-0-0)"]);
        assert!(Verdict::judge(&stored, &of(3, 0, 0, 7), &[]).holds());
        let elsewhere = Verdict::judge(&stored, &of(3, 0, 0, 8), &[]);
        assert_eq!(elsewhere.mistakes("records at another place than was promised"), 1);
    }

    #[test]
    fn a_copy_needs_a_kill_whose_window_has_it() {
        let twice = [of(0, 0, 5, 0), of(0, 0, 5, 1)];
        let judge = |kills: &[(u64, u64)]| judge(&[accepted(5)], &twice, kills);
        let verdict = judge(&[(5, 6)]);
        assert!(verdict.holds() && (verdict.duplicates, verdict.allowed) == (1, 1), "{verdict}");
        for kills in [&[][..], &[(6, 9)], &[(0, 5)]] {
            let wrong = judge(kills).mistakes("records with more copies than kills account for");
            assert_eq!(wrong, 1, "{kills:?}");
        }
        let thrice = [twice.concat(), of(0, 0, 5, 2)];
        assert!(!super::tests::judge(&[accepted(5)], &thrice, &[(0, 9)]).holds());
        assert!(super::tests::judge(&[accepted(5)], &thrice, &[(0, 9), (5, 9)]).holds());
    }

    #[test]
    fn requests_without_an_answer_are_there_as_a_whole_or_not_at_all() {
        let answers = [accepted(0), Answer::Nothing];
        let (one, two) = (of(0, 0, 0, 0), of(0, 1, 1, 10));
        let verdict = judge(&answers, std::slice::from_ref(&one), &[]);
        assert!(verdict.holds() && verdict.maybe == (2, 0));
        let verdict = judge(&answers, &[one.clone(), two.clone()], &[]);
        assert!(verdict.holds() && verdict.maybe == (2, 2));
        let verdict = judge(&answers, &[one, two[1..].to_vec()], &[]);
        assert_eq!(verdict.mistakes("requests that were taken in part"), 1);
    }

    #[test]
    fn every_other_mistake_is_found() {
        let one = of(0, 0, 0, 0);
        let changed = |change: fn(&mut Found)| {
            let mut changed = one.clone();
            change(&mut changed[0]);
            changed
        };
        let half = |found: &mut Found| {
            let end = found.value.len() - 3;
            found.value.truncate(end);
        };
        let table = [
            ("records that are not as they were sent", changed(half)),
            ("records that are not as they were sent", changed(|found| found.key.clear())),
            ("records that are not as they were sent", changed(|found| found.topic.push('x'))),
            ("records that nobody sent", changed(|found| found.value = b"@0-9-0@".to_vec())),
            ("records that nobody sent", changed(|found| found.id = None)),
            ("records under another id than was promised", of(0, 0, 4, 0)),
            ("records with two ids", [one.clone(), of(0, 0, 1, 1)].concat()),
        ];
        for (kind, found) in table {
            let verdict = judge(&[accepted(0)], &[found], &[(0, 9)]);
            assert_eq!(verdict.mistakes(kind), 1, "{kind}: {verdict}");
            assert!(!verdict.holds() && verdict.to_string().contains(kind));
        }
        // Requests 2 and 4 have a record each, of one key and to one topic with 11.
        let answers = [Answer::Refused(503), accepted(3), Answer::Refused(400)];
        let verdict = judge(&answers, &[of(0, 1, 3, 0), of(0, 2, 3, 0)], &[]);
        assert_eq!(verdict.mistakes("ids of two records"), 1);
        assert_eq!((verdict.refused, verdict.mistakes("refused for no reason")), (2, 1));
        let verdict = judge(&[accepted(3), accepted(1)], &[], &[]);
        assert_eq!(verdict.mistakes("ids that fall from one request to the next"), 1);
    }

    #[test]
    fn records_of_a_key_keep_their_order_in_one_partition() {
        // The lines of one request: their later copies may come as they like.
        let lines = of(0, 4, 0, 0);
        assert!(lines.len() > 2);
        let judge = |found: &[Found]| {
            let mut answers = vec![Answer::Refused(503); 4];
            answers.push(accepted(0));
            Verdict::judge(&ledger(&answers), found, &[Window { released: 0, next: 9 }])
        };
        let mut again = lines.clone();
        again.push(Found { offset: 100, ..lines[1].clone() });
        assert!(judge(&again).holds(), "{}", judge(&again));
        let mut late = lines.clone();
        late[0].offset = 100;
        assert_eq!(judge(&late).mistakes("records of a key out of order"), 1);
        let mut elsewhere = lines.clone();
        elsewhere[1].partition = 1;
        assert!(judge(&elsewhere).mistakes("keys in two partitions") > 0);
    }
}
