//! From topics of the command line to partitions.

use crate::failure::{Failure, TOPIC};
use crate::groups::scope::TopicScope;
use klamm::{Admin, TopicPartition};
use std::collections::BTreeSet;

/// The partitions meant: all of a topic, or those that were named.
///
/// # Errors
/// When a topic does not exist, or has no such partition.
pub(in crate::groups) async fn partitions(
    admin: &Admin,
    scopes: &[TopicScope],
) -> Result<BTreeSet<TopicPartition>, Failure> {
    let names: BTreeSet<String> = scopes.iter().map(|scope| scope.topic.clone()).collect();
    let mut partitions = BTreeSet::new();
    for (name, described) in admin.describe_topics(names.into_iter().collect()).await? {
        let described = described.map_err(|e| {
            let failure = Failure::from(e).while_doing(format!("topic {name}"));
            let hint = "\n  klamm topics list shows what there is";
            Failure::new(failure.status, format!("{failure}{hint}"))
        })?;
        let there: BTreeSet<i32> = described.partitions.iter().map(|p| p.partition).collect();
        for scope in scopes.iter().filter(|scope| scope.topic == name) {
            let wanted = scope.partitions.as_ref().unwrap_or(&there);
            if let Some(missing) = wanted.difference(&there).next() {
                let why = format!("topic {name} has no partition {missing}, only {}", there.len());
                return Err(Failure::new(TOPIC, why));
            }
            let named = |index: &i32| TopicPartition::new(name.as_str(), *index);
            partitions.extend(wanted.iter().map(named));
        }
    }
    Ok(partitions)
}
