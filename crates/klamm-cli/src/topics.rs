//! `klamm topics`.

use crate::args::{Global, Output, Topics};
use crate::confirm::confirm;
use crate::connect::{connect, settings, split_pair};
use crate::failure::{Failure, TOPIC};
use klamm::admin::{ConfigChange, NewTopic, TopicDescription};
use klamm::{Admin, AdminError, ErrorCode};
use serde_json::{Value, json};

pub(crate) async fn run(global: &Global, command: Topics) -> Result<(), Failure> {
    let (config, _) = settings(global, &[])?;
    if let Topics::Delete { topics, yes } = &command {
        confirm(&format!("delete {} and everything in it?", topics.join(", ")), *yes)?;
    }
    let admin = connect(config).await?.admin();
    let json = global.output == Output::Json;
    match command {
        Topics::List { internal } => list(&admin, internal, json).await,
        Topics::Describe { topics } => describe(&admin, topics, json).await,
        Topics::Create {
            topics,
            partitions,
            replication_factor,
            config,
            if_not_exists,
            dry_run,
        } => {
            let mut new = Vec::new();
            for name in topics {
                let mut topic = NewTopic::new(name)
                    .partitions(partitions)
                    .replication_factor(replication_factor);
                for pair in &config {
                    let (name, value) = split_pair(pair)?;
                    topic = topic.config(name, value);
                }
                new.push(topic);
            }
            let results = admin.create_topics(new, dry_run).await?;
            let done = if dry_run { "could be created" } else { "created" };
            report(results, done, json, if_not_exists)
        }
        Topics::Delete { topics, .. } => {
            report(admin.delete_topics(topics).await?, "deleted", json, false)
        }
        Topics::Alter { topic, partitions } => {
            let result = admin.add_partitions(&topic, partitions).await;
            report(vec![(topic, result)], &format!("has {partitions} partitions"), json, false)
        }
        Topics::Config { topic, set, unset, all } if set.is_empty() && unset.is_empty() => {
            show_config(&admin, &topic, all, json).await
        }
        Topics::Config { topic, set, unset, .. } => {
            let mut changes = Vec::new();
            for pair in &set {
                let (name, value) = split_pair(pair)?;
                changes.push((name.to_owned(), ConfigChange::Set(value.to_owned())));
            }
            changes.extend(unset.into_iter().map(|name| (name, ConfigChange::Unset)));
            let result = admin.alter_topic_configs(&topic, changes).await;
            report(vec![(topic, result)], "changed", json, false)
        }
    }
}

async fn list(admin: &Admin, internal: bool, json: bool) -> Result<(), Failure> {
    let topics = admin.list_topics(internal).await?;
    if json {
        let rows: Vec<Value> = topics
            .iter()
            .map(|t| json!({"name": t.name, "id": t.id, "partitions": t.partitions, "replication_factor": t.replication_factor}))
            .collect();
        println!("{}", Value::from(rows));
        return Ok(());
    }
    let width = topics.iter().map(|t| t.name.len()).max().unwrap_or(0).max(5);
    println!("{:width$}  {:>10}  {:>8}", "TOPIC", "PARTITIONS", "REPLICAS");
    for t in topics {
        println!("{:width$}  {:>10}  {:>8}", t.name, t.partitions, t.replication_factor);
    }
    Ok(())
}

async fn describe(admin: &Admin, topics: Vec<String>, json: bool) -> Result<(), Failure> {
    let mut failed = None;
    for (name, result) in admin.describe_topics(topics).await? {
        match result {
            Ok(topic) if json => println!("{}", as_json(&topic)),
            Ok(topic) => print_topic(&topic),
            Err(error) => failed = Some(Failure::from(error).while_doing(format!("topic {name}"))),
        }
    }
    failed.map_or(Ok(()), Err)
}

fn as_json(topic: &TopicDescription) -> Value {
    let partitions: Vec<Value> = topic
        .partitions
        .iter()
        .map(|p| json!({"partition": p.partition, "leader": p.leader, "leader_epoch": p.leader_epoch, "replicas": p.replicas, "in_sync": p.in_sync, "offline": p.offline}))
        .collect();
    json!({"name": topic.summary.name, "id": topic.summary.id, "partitions": partitions})
}

fn print_topic(topic: &TopicDescription) {
    let s = &topic.summary;
    println!(
        "{}  id {}  {} partitions  {} replicas",
        s.name, s.id, s.partitions, s.replication_factor
    );
    println!("{:>9}  {:>6}  {:>5}  {:14}  IN SYNC", "PARTITION", "LEADER", "EPOCH", "REPLICAS");
    for p in &topic.partitions {
        let leader = p.leader.map_or("none".to_owned(), |l| l.to_string());
        let (replicas, in_sync) = (ids(&p.replicas), ids(&p.in_sync));
        println!(
            "{:>9}  {leader:>6}  {:>5}  {replicas:14}  {in_sync}",
            p.partition, p.leader_epoch
        );
    }
}

fn ids(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

async fn show_config(admin: &Admin, topic: &str, all: bool, json: bool) -> Result<(), Failure> {
    let entries = admin.describe_topic_configs(topic).await;
    let entries = entries.map_err(|e| Failure::from(e).while_doing(format!("topic {topic}")))?;
    let shown = entries.iter().filter(|e| all || e.is_set_on_topic);
    if json {
        let rows: Vec<Value> = shown
            .map(|e| json!({"name": e.name, "value": e.value, "set_on_topic": e.is_set_on_topic, "read_only": e.is_read_only}))
            .collect();
        println!("{}", Value::from(rows));
        return Ok(());
    }
    for e in shown {
        println!("{}={}", e.name, e.value.as_deref().unwrap_or("(secret)"));
    }
    Ok(())
}

/// Prints one line per topic and fails if one failed.
fn report(
    results: Vec<(String, Result<(), AdminError>)>,
    done: &str,
    json: bool,
    may_exist: bool,
) -> Result<(), Failure> {
    let mut failed = None;
    for (name, result) in results {
        let result = match result {
            Err(e) if may_exist && e.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                if !json {
                    println!("{name} exists");
                }
                continue;
            }
            other => other,
        };
        if json {
            println!(
                "{}",
                json!({"topic": name, "ok": result.is_ok(), "error": result.as_ref().err().map(ToString::to_string)})
            );
        } else if result.is_ok() {
            println!("{name} {done}");
        }
        if let Err(error) = result {
            let failure = Failure::from(error).while_doing(format!("topic {name}"));
            let hint = match failure.status {
                TOPIC => "\n  klamm topics list shows what there is",
                _ => "",
            };
            failed = Some(Failure::new(failure.status, format!("{failure}{hint}")));
        }
    }
    failed.map_or(Ok(()), Err)
}
