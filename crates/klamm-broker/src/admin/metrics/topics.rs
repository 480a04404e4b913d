//! Topics and partitions.

use super::{MAX_PARTITIONS, MAX_TOPICS};
use crate::cluster::Cluster;
use crate::partition::Figures;
use klamm_metrics::Text;
use klamm_protocol::primitives::Str;
use std::cmp::Reverse;

/// The topics that are not named, together. No topic can have this name.
const OTHER: &str = "(other)";

/// A topic and its partitions, by index.
struct Row {
    name: Str,
    partitions: Vec<(i32, Figures)>,
}

impl Row {
    fn sum(&self, of: impl Fn(&Figures) -> u64) -> u64 {
        self.partitions.iter().map(|(_, figures)| of(figures)).sum()
    }
}

/// Sums up what is told of a topic.
type Column = (&'static str, &'static str, fn(&Figures) -> u64);

const GAUGES: [Column; 3] = [
    ("klamm_broker_topic_partitions", "Partitions of a topic.", |_| 1),
    ("klamm_broker_topic_log_bytes", "Stored bytes of a topic.", |figures| figures.bytes),
    ("klamm_broker_topic_log_segments", "Segments of a topic.", |figures| figures.segments as u64),
];

const COUNTERS: [Column; 3] = [
    ("klamm_broker_topic_received_records_total", "Records appended.", |f| f.records_in),
    ("klamm_broker_topic_received_bytes_total", "Bytes of batches appended.", |f| f.bytes_in),
    ("klamm_broker_topic_sent_bytes_total", "Bytes of batches given to consumers.", |f| {
        f.bytes_out
    }),
];

/// What is told of a partition.
type Offset = (&'static str, &'static str, fn(&Figures) -> i64);

const OFFSETS: [Offset; 4] = [
    ("klamm_broker_partition_log_start_offset", "The first offset there is.", |f| f.start_offset),
    ("klamm_broker_partition_log_end_offset", "The offset of the next record.", |f| f.end_offset),
    ("klamm_broker_partition_high_watermark", "Where consumers stop.", |f| f.high_watermark),
    (
        "klamm_broker_partition_last_stable_offset",
        "Where consumers with read_committed stop.",
        |f| f.last_stable_offset,
    ),
];

pub(super) fn write(text: &mut Text, cluster: &Cluster) {
    let mut rows = rows(cluster);
    let partitions: usize = rows.iter().map(|row| row.partitions.len()).sum();
    let bytes: u64 = rows.iter().map(|row| row.sum(|figures| figures.bytes)).sum();
    let failed: u64 = rows.iter().map(|row| row.sum(|figures| u64::from(figures.failed))).sum();
    text.gauge("klamm_broker_topics", "Topics.").value(rows.len());
    text.gauge("klamm_broker_partitions", "Partitions.").value(partitions);
    let help = "Partitions that take no records any more because their disk failed.";
    text.gauge("klamm_broker_failed_partitions", help).value(failed);
    text.gauge("klamm_broker_log_bytes", "Stored bytes of all topics.").value(bytes);
    rows.sort_by_key(|row| Reverse(row.sum(|figures| figures.bytes)));
    let others = rows.split_off(rows.len().min(MAX_TOPICS));
    by_topic(text, &mut rows, &others);
    by_partition(text, &rows, partitions);
}

fn rows(cluster: &Cluster) -> Vec<Row> {
    let topics = cluster.topics.all();
    let row = |topic: &std::sync::Arc<crate::topics::Topic>| Row {
        name: topic.name().clone(),
        partitions: topic.partitions().iter().map(|p| (p.index(), p.figures())).collect(),
    };
    topics.iter().map(row).collect()
}

fn by_topic(text: &mut Text, rows: &mut [Row], others: &[Row]) {
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let note = format!(
        "The {MAX_TOPICS} topics with the most bytes are named, the others summed up as {OTHER}."
    );
    for (columns, rises) in [(GAUGES, false), (COUNTERS, true)] {
        for (name, help, of) in columns {
            let help = format!("{help} {note}");
            let mut family =
                if rises { text.counter(name, &help) } else { text.gauge(name, &help) };
            for row in rows.iter() {
                family.sample(&[("topic", &row.name)], row.sum(of));
            }
            if !others.is_empty() {
                let sum: u64 = others.iter().map(|row| row.sum(of)).sum();
                family.sample(&[("topic", OTHER)], sum);
            }
        }
    }
}

fn by_partition(text: &mut Text, rows: &[Row], all: usize) {
    let partitions = rows.iter().flat_map(|row| {
        row.partitions.iter().map(move |(index, figures)| (&row.name, index.to_string(), figures))
    });
    let named: Vec<_> = partitions.take(MAX_PARTITIONS).collect();
    for (name, help, of) in OFFSETS {
        let mut family = text.gauge(name, help);
        for (topic, index, figures) in &named {
            family.sample(&[("topic", topic), ("partition", index)], of(figures));
        }
    }
    let help = "Partitions whose offsets are left out of this page, which names a bounded number.";
    text.gauge("klamm_broker_unlisted_partitions", help).value(all - named.len());
}
