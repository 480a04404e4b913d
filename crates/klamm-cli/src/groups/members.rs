//! `klamm groups members`.

use super::Session;
use super::args::Which;
use super::select::{failure, select};
use super::table::{Table, emit, or_dash};
use crate::failure::Failure;
use klamm::TopicPartition;
use klamm::admin::{GroupDescription, MemberDescription};
use serde_json::{Value, json};

pub(super) async fn run(session: &Session, which: &Which) -> Result<(), Failure> {
    let names = select(&session.admin, &which.patterns()).await?;
    let columns = ["GROUP", "MEMBER", "INSTANCE", "CLIENT ID", "HOST", ">PARTITIONS", "ASSIGNMENT"];
    let (mut table, mut failed) = (Table::new(&columns), Ok(()));
    for (name, described) in session.admin.describe_groups(names).await? {
        match described {
            Ok(group) if session.json => emit(&format!("{}\n", as_json(&group)))?,
            Ok(group) => group.members.iter().for_each(|m| table.row(row(&group, m))),
            Err(error) => failed = Err(failure(&name, error)),
        }
    }
    if !session.json {
        emit(&table.text())?;
    }
    failed
}

fn row(group: &GroupDescription, member: &MemberDescription) -> [String; 7] {
    [
        group.group_id.clone(),
        member.member_id.clone(),
        or_dash(member.group_instance_id.as_ref()),
        member.client_id.clone(),
        member.host.clone(),
        or_dash(member.assignment.as_ref().map(Vec::len)),
        or_dash(member.assignment.as_ref().map(|assigned| by_topic(assigned))),
    ]
}

/// Partitions in few words: `orders:0,1 payments:3`.
fn by_topic(partitions: &[TopicPartition]) -> String {
    let mut text = String::new();
    let mut topic = None;
    for tp in partitions {
        if topic == Some(&tp.topic) {
            text.push_str(&format!(",{}", tp.partition));
        } else {
            let gap = if topic.is_none() { "" } else { " " };
            text.push_str(&format!("{gap}{}:{}", tp.topic, tp.partition));
            topic = Some(&tp.topic);
        }
    }
    text
}

fn as_json(group: &GroupDescription) -> Value {
    let members: Vec<Value> = group.members.iter().map(member_as_json).collect();
    json!({"group": group.group_id, "state": group.state.name(), "members": members})
}

fn member_as_json(member: &MemberDescription) -> Value {
    let listed = |partitions: &Vec<TopicPartition>| -> Value {
        let tp = |tp: &TopicPartition| json!({"topic": &*tp.topic, "partition": tp.partition});
        partitions.iter().map(tp).collect()
    };
    json!({
        "member": member.member_id,
        "group_instance_id": member.group_instance_id,
        "client_id": member.client_id,
        "host": member.host,
        "rack": member.rack,
        "epoch": member.member_epoch,
        "subscribed_topics": member.subscribed_topics,
        "subscribed_topic_regex": member.subscribed_topic_regex,
        "assignment": member.assignment.as_ref().map(listed),
        "target_assignment": member.target_assignment.as_ref().map(listed),
    })
}

#[cfg(test)]
mod tests {
    use super::by_topic;
    use klamm::TopicPartition;

    #[test]
    fn an_assignment_is_short() {
        let tp = TopicPartition::new;
        assert_eq!(by_topic(&[]), "");
        assert_eq!(by_topic(&[tp("a", 0), tp("a", 1), tp("b", 3)]), "a:0,1 b:3");
    }
}
