//! Records: written and read by console, by the performance tools and by the programs of Kafka's system tests.

use std::path::Path;

use super::call::{Call, Tools};
use super::report::Report;
use crate::failure::{Doing, Result};

/// Records with headers and keys.
const LINES: &str = "h:1|k1|v1\nh:2|k2|v2\nh:3|k3|v3\n";
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Everything there is to do with records outside of groups and transactions.
pub(super) fn check(tools: &Tools<'_>, report: &mut Report) {
    let topic = format!("tools-records-{}", std::process::id());
    report.calls(tools, &console(&topic));
    report.calls(tools, &CODECS.map(|codec| produce(&topic, 400, codec)));
    report.calls(tools, &offsets(&topic));
    report.calls(tools, &programs(&topic));
    match deleted(&topic, &tools.scratch("delete.json")) {
        Ok(calls) => report.calls(tools, &calls),
        Err(failure) => drop(report.take("DeleteRecordsCommand", Err(failure))),
    }
}

/// The least: three records by console.
pub(super) fn short(tools: &Tools<'_>, report: &mut Report) {
    report.calls(tools, &console(&format!("tools-records-{}", std::process::id())));
}

/// Makes a topic of one partition, and three records in it that the console shows again.
fn console(t: &str) -> Vec<Call> {
    let of = |kind: &str, properties: &[&str]| {
        properties
            .iter()
            .map(|property| format!(" --{kind}-property {property}"))
            .collect::<String>()
    };
    let separators =
        ["key.separator=|", "headers.delimiter=|", "parse.key=true", "parse.headers=true"];
    let shown = ["print.key=true", "print.offset=true", "print.partition=true"];
    let consume = |args: &str, shown: &[&str]| {
        let args = format!("--topic {t} --timeout-ms 30000 {args}{}", of("formatter", shown));
        Call::new("consumer.ConsoleConsumer", args)
    };
    vec![
        Call::new("TopicCommand", format!("--create --topic {t} --partitions 1")).says("Created"),
        Call::new("ConsoleProducer", format!("--topic {t}{}", of("reader", &separators)))
            .input(LINES),
        consume("--from-beginning --max-messages 3", &shown)
            .says(
                "Partition:0 Offset:0 k1 v1 Partition:0 Offset:1 k2 v2 Partition:0 Offset:2 k3 v3",
            )
            .says("Processed a total of 3 messages"),
        consume("--partition 0 --offset 1 --max-messages 1", &["print.headers=true"])
            .says("h:2 v2 Processed a total of 1 messages"),
    ]
}

/// So many records of 100 bytes.
pub(super) fn produce(t: &str, records: u32, codec: &str) -> Call {
    let args = format!("--topic {t} --num-records {records} --throughput -1 --record-size 100");
    Call::new("ProducerPerformance", format!("{args} --command-property compression.type={codec}"))
        .says(format!("{records} records sent"))
}

fn offsets(t: &str) -> Vec<Call> {
    let offsets = |time: &str| Call::new("GetOffsetShell", format!("--topic {t} --time {time}"));
    vec![
        offsets("latest").says(format!("{t}:0:2003")),
        offsets("earliest").says(format!("{t}:0:0")),
        offsets("1000").says(format!("{t}:0:0")),
        offsets("max-timestamp").says(format!("{t}:0:")),
        Call::new("ConsumerPerformance", format!("--topic {t} --num-records 2003 --timeout 30000"))
            .says(", 2003, "),
    ]
}

fn programs(t: &str) -> Vec<Call> {
    let verifiable = format!("--topic {t} --group-id {t}-v --max-messages 40");
    let supported = ["offsets-for-times", "cluster-id", "create-topics", "describe-acls"]
        .map(|what| format!("--{what}-supported true"))
        .join(" ");
    let more = "--describe-configs-supported true --idempotent-producer-supported true";
    vec![
        Call::new(
            "EndToEndLatency",
            format!("--topic {t} --num-records 100 --producer-acks all --record-size 100"),
        )
        .says("Avg latency")
        .says("99.9th"),
        Call::new("VerifiableProducer", format!("--topic {t} --max-messages 40 --acks -1"))
            .says("\"sent\":40,\"acked\":40"),
        Call::new("VerifiableConsumer", format!("{verifiable} --reset-policy earliest"))
            .says("partitions_assigned")
            .says("\"success\":true"),
        // It wants a topic with nothing but its own records.
        Call::new("TopicCommand", format!("--create --topic {t}-c --partitions 1")),
        Call::new(
            "ClientCompatibilityTest",
            format!(
                "--topic {t}-c --num-cluster-nodes 1 --expect-record-too-large-exception false \
                 {supported} {more}"
            ),
        )
        .says("SUCCESS."),
        Call::new("LogDirsCommand", format!("--describe --topic-list {t}"))
            .says(format!("\"partition\":\"{t}-0\",\"size\":"))
            .never_says("\"size\":0,"),
    ]
}

/// Records deleted up to an offset.
fn deleted(t: &str, list: &Path) -> Result<Vec<Call>> {
    let partition = format!(r#"{{"topic":"{t}","partition":0,"offset":3}}"#);
    let text = format!(r#"{{"partitions":[{partition}],"version":1}}"#);
    std::fs::write(list, text).doing(list.display())?;
    Ok(vec![
        Call::new("DeleteRecordsCommand", format!("--offset-json-file {}", list.display()))
            .says(format!("partition: {t}-0 low_watermark: 3")),
        Call::new("GetOffsetShell", format!("--topic {t} --time earliest"))
            .says(format!("{t}:0:3")),
    ])
}
