//! Topics, settings, groups and records, made, changed and taken away.

use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::PATIENCE;
use crate::clients::{admin_client, consumer, one, options, producer, send};
use crate::groups::{Member, settle};
use crate::scenario::{Result, Wrong, check, equal, numbered, unique, until};

type Admin = AdminClient<DefaultClientContext>;

pub(crate) fn admin(bootstrap: &str) -> Result<()> {
    let (topic, client) = (unique("admin"), admin_client(bootstrap)?);
    let reader = consumer(bootstrap, &unique("admin"), &[])?;
    let made =
        || NewTopic::new(&topic, 2, TopicReplication::Fixed(1)).set("retention.ms", "3600000");
    one(block_on(client.create_topics(&[made()], &options()))?)?;
    let again = one(block_on(client.create_topics(&[made()], &options()))?);
    let again = again.err().map(|wrong| wrong.to_string()).unwrap_or_default();
    check(again.contains("TopicAlreadyExists"), || format!("created twice: {again}"))?;
    until("2 partitions", || Ok(partitions(&reader, &topic)? == 2))?;
    one(block_on(client.create_partitions(&[NewPartitions::new(&topic, 4)], &options()))?)?;
    until("4 partitions", || Ok(partitions(&reader, &topic)? == 4))?;
    settings(&client, &topic)?;
    send(&producer(bootstrap, &[])?, &topic, &numbered(0, 40, 4))?;
    group(bootstrap, &client, &reader, &topic)?;
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&topic, 0, Offset::Offset(4))?;
    let low = block_on(client.delete_records(&before, &options()))?;
    equal(&low.elements()[0].offset(), &Offset::Offset(4), "low watermark")?;
    equal(&reader.fetch_watermarks(&topic, 0, PATIENCE)?, &(4, 10), "first offset and end")?;
    one(block_on(client.delete_topics(&[&topic], &options()))?)?;
    until("the end of the topic", || {
        let all = reader.fetch_metadata(None, PATIENCE)?;
        Ok(all.topics().iter().all(|one| one.name() != topic))
    })
}

fn partitions(reader: &BaseConsumer, topic: &str) -> Result<usize> {
    let found = reader.fetch_metadata(Some(topic), PATIENCE)?;
    check(!found.brokers().is_empty(), || "no broker in the cluster".to_owned())?;
    Ok(found.topics().first().map_or(0, |topic| topic.partitions().len()))
}

fn settings(client: &Admin, topic: &str) -> Result<()> {
    let resource = ResourceSpecifier::Topic(topic);
    let described = || -> Result<Option<String>> {
        let answers = block_on(client.describe_configs(&[resource], &options()))?;
        let answer = answers.into_iter().next().ok_or_else(|| Wrong::new("no answer"))?;
        let answer = answer.map_err(|code| Wrong::new(&format!("settings: {code:?}")))?;
        Ok(answer.get("retention.ms").and_then(|entry| entry.value.clone()))
    };
    equal(&described()?, &Some("3600000".to_owned()), "retention.ms")?;
    let change = AlterConfig::new(resource).set("retention.ms", "7200000");
    let answers = block_on(client.alter_configs(&[change], &options()))?;
    let answer = answers.into_iter().next().ok_or_else(|| Wrong::new("no answer"))?;
    answer.map_err(|(_, code)| Wrong::new(&format!("change of settings: {code:?}")))?;
    until("the new setting", || Ok(described()?.as_deref() == Some("7200000")))
}

fn group(bootstrap: &str, client: &Admin, reader: &BaseConsumer, topic: &str) -> Result<()> {
    let name = unique("admin");
    let mut member = Member::join(bootstrap, &name, topic, &[])?;
    settle(4, &mut Vec::new(), &mut [&mut member])?;
    let listed = reader.fetch_group_list(Some(&name), PATIENCE)?;
    let group = listed.groups().first().ok_or_else(|| Wrong::new("the group is not listed"))?;
    equal(&(group.state(), group.members().len()), &("Stable", 1), "group")?;
    let mut position = TopicPartitionList::new();
    position.add_partition_offset(topic, 1, Offset::Offset(7))?;
    member.client.commit(&position, rdkafka::consumer::CommitMode::Sync)?;
    let found = member.client.committed_offsets(position, PATIENCE)?;
    equal(&found.elements()[0].offset(), &Offset::Offset(7), "offset of the group")?;
    drop(member);
    one(block_on(client.delete_groups(&[&name], &options()))?).map(drop)
}
