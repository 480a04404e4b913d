//! Topics and settings.

use super::call::{Call, Tools};
use super::report::Report;

const CONFIG: &str = "kafka.admin.ConfigCommand";

/// Topics made, grown, described, configured and deleted; settings of the broker.
pub(super) fn check(tools: &Tools<'_>, report: &mut Report) {
    let topic = format!("tools-topics-{}", std::process::id());
    report.calls(tools, &shape(&topic));
    report.calls(tools, &settings(&topic));
    report.calls(tools, &of_broker());
    report.calls(tools, &end(&topic));
}

fn shape(t: &str) -> Vec<Call> {
    let topics = |args: String| Call::new("TopicCommand", args);
    let create = format!("--create --topic {t} --partitions 1 --config min.insync.replicas=1");
    vec![
        topics(create.clone()).says(format!("Created topic {t}.")),
        topics(create.clone()).refuses("TopicExistsException"),
        topics(format!("{create} --if-not-exists")),
        topics(format!("--create --topic {t}/ --partitions 1")).refuses("InvalidTopicException"),
        topics("--list".to_owned()).says(t),
        topics(format!("--alter --topic {t} --partitions 3")),
        topics(format!("--alter --topic {t} --partitions 2")).refuses("InvalidPartitionsException"),
        topics(format!("--describe --topic {t}"))
            .says("PartitionCount: 3 ReplicationFactor: 1 Configs: min.insync.replicas=1")
            .says(format!("Topic: {t} Partition: 2 Leader: 1 Replicas: 1 Isr: 1")),
        topics(format!("--describe --topic {t} --unavailable-partitions")).never_says(t),
        topics(format!("--describe --topic {t}-x")).refuses("does not exist"),
    ]
}

fn settings(t: &str) -> Vec<Call> {
    let entity = format!("--entity-type topics --entity-name {t}");
    let config = |args: &str| Call::new(CONFIG, format!("{args} {entity}"));
    let alter = |add: &str| config(&format!("--alter --add-config {add}"));
    vec![
        alter("retention.ms=7200000,cleanup.policy=compact").says("Completed updating"),
        config("--describe")
            .says("retention.ms=7200000 sensitive=false")
            .says("synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=7200000")
            .never_says("segment.bytes="),
        config("--describe --all").says("segment.bytes=1073741824 sensitive=false"),
        config("--alter --delete-config retention.ms").says("Completed updating"),
        config("--describe").says("cleanup.policy=compact").never_says("retention.ms"),
        alter("no.such=1").refuses("InvalidConfigurationException"),
        alter("retention.ms=soon").refuses("InvalidConfigurationException"),
    ]
}

fn of_broker() -> Vec<Call> {
    let default = "--entity-type brokers --entity-default";
    let config = |args: &str| Call::new(CONFIG, format!("{args} {default}"));
    let set = "message.max.bytes=1000012";
    vec![
        config(&format!("--alter --add-config {set}")).says("Completed updating"),
        config("--describe").says(set),
        Call::new(CONFIG, "--describe --all --entity-type brokers --entity-name 1")
            .says(format!("{set} sensitive=false")),
        config("--alter --delete-config message.max.bytes").says("Completed updating"),
        config("--describe").never_says(set),
        Call::new(CONFIG, "--describe --entity-type client-metrics"),
    ]
}

fn end(t: &str) -> Vec<Call> {
    vec![
        Call::new("TopicCommand", format!("--delete --topic {t}")),
        Call::new("TopicCommand", "--list").never_says(t),
        Call::new("TopicCommand", format!("--delete --topic {t}")).refuses("does not exist"),
    ]
}
