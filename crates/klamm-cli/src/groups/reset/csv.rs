//! Pure: offsets as Kafka's own tool exports and reads them: `topic,partition,offset`, or with several groups
//! `group,topic,partition,offset`; no heading.

use klamm::TopicPartition;
use std::collections::BTreeMap;

/// Offsets of groups, by group.
pub(super) type Offsets = BTreeMap<String, BTreeMap<TopicPartition, i64>>;

/// Writes offsets; the group is left out when there is but one.
pub(super) fn write(offsets: &Offsets) -> String {
    let mut text = String::new();
    for (group, partitions) in offsets {
        for (tp, offset) in partitions {
            if offsets.len() > 1 {
                text.push_str(&field(group));
                text.push(',');
            }
            text.push_str(&format!("{},{},{offset}\n", field(&tp.topic), tp.partition));
        }
    }
    text
}

fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r', ' ']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Reads offsets for `groups`; lines without a group are for the only one.
///
/// # Errors
/// The first line that cannot be read, by number.
pub(super) fn read(text: &str, groups: &[String]) -> Result<Offsets, String> {
    let mut offsets = Offsets::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let read = read_line(line, groups).map_err(|why| format!("line {}: {why}", number + 1))?;
        let (group, tp, offset) = read;
        let before = offsets.entry(group).or_default().insert(tp.clone(), offset);
        if before.is_some_and(|before| before != offset) {
            return Err(format!("line {}: {tp} has two offsets", number + 1));
        }
    }
    Ok(offsets)
}

fn read_line(line: &str, groups: &[String]) -> Result<(String, TopicPartition, i64), String> {
    let fields = fields(line)?;
    let (group, rest) = match (fields.as_slice(), groups) {
        ([topic, partition, offset], [group]) => (group, [topic, partition, offset]),
        ([_, _, _], _) => return Err("with several groups each line begins with one".to_owned()),
        ([group, topic, partition, offset], _) => (group, [topic, partition, offset]),
        _ => return Err("not of the form [group,]topic,partition,offset".to_owned()),
    };
    if !groups.contains(group) {
        return Err(format!("group {group:?} is none of those to reset"));
    }
    let [topic, partition, offset] = rest;
    let number = |text: &str| text.trim().parse::<i64>().ok().filter(|n| *n >= 0);
    let partition = number(partition).and_then(|n| i32::try_from(n).ok());
    let partition = partition.ok_or("the partition is no number from 0 on")?;
    let offset = number(offset).ok_or("the offset is no number from 0 on")?;
    Ok((group.clone(), TopicPartition::new(topic.as_str(), partition), offset))
}

/// Splits a line at its commas, as far as they are not between quotes.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let (mut quoted, mut letters) = (false, line.chars().peekable());
    while let Some(c) = letters.next() {
        let Some(field) = fields.last_mut() else { break };
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    if quoted { Err("a quote is not closed".to_owned()) } else { Ok(fields) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offsets(rows: &[(&str, &str, i32, i64)]) -> Offsets {
        let mut offsets = Offsets::new();
        for (group, topic, partition, offset) in rows {
            let of = offsets.entry((*group).to_owned()).or_default();
            of.insert(TopicPartition::new(*topic, *partition), *offset);
        }
        offsets
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_group_is_not_named_and_several_are() {
        let one = offsets(&[("g", "t", 0, 5), ("g", "t", 10, 0), ("g", "u", 1, 7)]);
        assert_eq!(write(&one), "t,0,5\nt,10,0\nu,1,7\n");
        let two = offsets(&[("a b", "t", 0, 5), ("h", "t", 0, 6)]);
        assert_eq!(write(&two), "\"a b\",t,0,5\nh,t,0,6\n");
        assert_eq!(read(&write(&two), &names(&["a b", "h"])), Ok(two));
        let named = "\ng,t,0,5\r\n\"g\",\"t\",\"10\",0\ng,u,1,7\n";
        assert_eq!(read(named, &names(&["g"])), Ok(one));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_line() {
        let table = [
            ("t,0,1\nt,0", "line 2: not of the form [group,]topic,partition,offset"),
            ("t,-1,1", "line 1: the partition is no number from 0 on"),
            ("t,9999999999,1", "line 1: the partition is no number from 0 on"),
            ("t,0,x", "line 1: the offset is no number from 0 on"),
            ("h,t,0,1", "line 1: group \"h\" is none of those to reset"),
            ("t,0,1\n\nt,0,2", "line 3: t-0 has two offsets"),
            ("\"t,0,1", "line 1: a quote is not closed"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text, &names(&["g"])), Err(expected.to_owned()), "{text}");
        }
        assert!(read("t,0,1", &names(&["g", "h"])).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in proptest::collection::vec(("[a-c,\" ]{1,4}", "[a-z.]{1,5}", 0..9i32, 0..i64::MAX), 1..20)
        ) {
            let rows: Vec<_> = rows.iter().map(|(g, t, p, o)| (g.as_str(), t.as_str(), *p, *o)).collect();
            let written = offsets(&rows);
            let groups: Vec<String> = written.keys().cloned().collect();
            prop_assert_eq!(read(&write(&written), &groups), Ok(written));
        }
    }
}
