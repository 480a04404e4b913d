//! `klamm groups` beside Kafka's own tool: a group of Java's, told alike; offsets that one sets, told by the other.

use std::collections::BTreeSet;

use serde_json::Value;

use super::call::{Call, Tools};
use super::report::Report;
use crate::failure::{Doing, Failure, Result};

const GROUPS: &str = "consumer.group.ConsumerGroupCommand";
/// A group that is reading moves on between one look and the other.
const LOOKS: usize = 5;

/// One partition: topic, partition, committed, end, lag, member, host, client id.
type Row = [String; 8];

/// Both say the same of a group, partition by partition.
pub(super) fn told_alike(tools: &Tools<'_>, report: &mut Report, group: &str) {
    if !tools.has_klamm() {
        return;
    }
    let mut verdict = Err(Failure::new("not tried"));
    for _ in 0..LOOKS {
        verdict = alike(tools, group);
        if verdict.is_ok() {
            break;
        }
    }
    report.take(&format!("klamm groups describe {group}, as Kafka's tool"), verdict);
}

/// Offsets that klamm sets are those that Kafka's tool shows, and what klamm exports Kafka's tool reads.
pub(super) fn set_alike(tools: &Tools<'_>, report: &mut Report, group: &str, topic: &str) {
    if tools.has_klamm() {
        let verdict = set(tools, group, topic);
        report.take(&format!("klamm groups reset {group}, seen by Kafka's tool"), verdict);
    }
}

fn alike(tools: &Tools<'_>, group: &str) -> Result<()> {
    let (kafka, klamm) = (by_kafka(tools, group)?, by_klamm(tools, group)?);
    match kafka.is_empty() || kafka != klamm {
        true => Err(Failure::new(format!("Kafka's tool says {kafka:?}, klamm {klamm:?}"))),
        false => Ok(()),
    }
}

fn by_kafka(tools: &Tools<'_>, group: &str) -> Result<BTreeSet<Row>> {
    let printed = tools.make(&Call::new(GROUPS, format!("--describe --group {group}")))?;
    let row = |line: &str| -> Option<Row> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let rest = (words.next()? == group).then(|| words.collect::<Vec<_>>())?;
        rest.try_into().ok()
    };
    Ok(printed.lines().filter_map(row).collect())
}

fn by_klamm(tools: &Tools<'_>, group: &str) -> Result<BTreeSet<Row>> {
    let told = tools.klamm(&format!("groups describe {group} -O json"))?;
    let told: Value = serde_json::from_str(&told).doing("klamm groups describe")?;
    let names = ["topic", "partition", "committed", "end", "lag", "member", "host", "client_id"];
    let cell = |row: &Value, name: &str| match &row[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = told["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(rows.iter().map(|row| names.map(|name| cell(row, name))).collect())
}

fn set(tools: &Tools<'_>, group: &str, topic: &str) -> Result<()> {
    tools.klamm(&format!("groups reset {group} --topic {topic} --to-offset 9 --execute"))?;
    let shown = Call::new(GROUPS, format!("--describe --group {group}"));
    tools.make(&shown.says(format!("{group} {topic} 0 9")))?;
    let reset = format!("groups reset {group} --topic {topic}:0 --shift-by 4 --export");
    let file = tools.scratch("exported.csv");
    std::fs::write(&file, tools.klamm(&reset)?).doing(file.display())?;
    let from = format!("--reset-offsets --group {group} --execute --from-file {}", file.display());
    tools.make(&Call::new(GROUPS, from).says(format!("{group} {topic} 0 13")))?;
    alike(tools, group)
}
