//! Groups, and how far they are behind.

use super::{MAX_GROUPS, MAX_POSITIONS};
use crate::cluster::Cluster;
use crate::group::Position;
use klamm_metrics::Text;
use klamm_protocol::primitives::Str;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Offsets that are looked at; the rest are only counted.
const MAX_OFFSETS: usize = 100_000;

/// A position and the records between it and the end.
struct Lag {
    at: Position,
    records: i64,
}

pub(super) fn write(text: &mut Text, cluster: &Cluster) {
    let summary = cluster.groups.summary(MAX_OFFSETS);
    let mut family = text.gauge("klamm_broker_groups", "Groups by type and state.");
    for ((kind, state), count) in &summary.states {
        family.sample(&[("type", kind), ("state", state)], count);
    }
    let lags: Vec<Lag> = summary.positions.into_iter().filter_map(|at| lag(cluster, at)).collect();
    let groups = by_group(text, &lags);
    by_partition(text, lags, &groups, summary.omitted);
}

/// What was committed in a topic that is gone says nothing.
fn lag(cluster: &Cluster, at: Position) -> Option<Lag> {
    let partition = cluster.topics.get(&at.topic)?.partition(at.partition)?;
    let figures = partition.figures();
    // Records that retention has removed cannot be read any more, and are not waited for.
    let from = at.offset.max(figures.start_offset);
    Some(Lag { at, records: (figures.high_watermark - from).max(0) })
}

/// Returns the groups that are named.
fn by_group(text: &mut Text, lags: &[Lag]) -> BTreeSet<Str> {
    let mut sums: BTreeMap<&Str, i64> = BTreeMap::new();
    for lag in lags {
        *sums.entry(&lag.at.group).or_default() += lag.records;
    }
    let mut sums: Vec<(&Str, i64)> = sums.into_iter().collect();
    sums.sort_by_key(|&(_, records)| Reverse(records));
    sums.truncate(MAX_GROUPS);
    let help = format!(
        "Records that a group has yet to read, over all partitions with a committed offset. The {MAX_GROUPS} \
         groups furthest behind are named."
    );
    let mut family = text.gauge("klamm_broker_group_lag_records", &help);
    for (group, records) in &sums {
        family.sample(&[("group", group)], records);
    }
    sums.into_iter().map(|(group, _)| group.clone()).collect()
}

fn by_partition(text: &mut Text, mut lags: Vec<Lag>, groups: &BTreeSet<Str>, omitted: usize) {
    let all = lags.len() + omitted;
    lags.retain(|lag| groups.contains(&lag.at.group));
    lags.sort_by_key(|lag| Reverse(lag.records));
    lags.truncate(MAX_POSITIONS);
    let left_out = all - lags.len();
    lags.sort_by(|a, b| key(&a.at).cmp(&key(&b.at)));
    let indexes: Vec<String> = lags.iter().map(|lag| lag.at.partition.to_string()).collect();
    let rows = || lags.iter().zip(&indexes).map(|(lag, index)| (lag, labels(lag, index)));
    let help = "Records of a partition that a group has yet to read.";
    let mut family = text.gauge("klamm_broker_group_partition_lag_records", help);
    rows().for_each(|(lag, labels)| family.sample(&labels, lag.records));
    let help = "The offset that a group has committed in a partition.";
    let mut family = text.gauge("klamm_broker_group_committed_offset", help);
    rows().for_each(|(lag, labels)| family.sample(&labels, lag.at.offset));
    let help = "Committed offsets left out of this page, which names a bounded number.";
    text.gauge("klamm_broker_unlisted_group_partitions", help).value(left_out);
}

fn key(at: &Position) -> (&Str, &Str, i32) {
    (&at.group, &at.topic, at.partition)
}

fn labels<'a>(lag: &'a Lag, index: &'a str) -> [(&'static str, &'a str); 3] {
    [("group", &lag.at.group), ("topic", &lag.at.topic), ("partition", index)]
}
