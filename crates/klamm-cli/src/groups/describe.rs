//! `klamm groups describe`.

use super::Session;
use super::args::Which;
use super::progress::{PartitionProgress, Progress, gather};
use super::select::{failure, select};
use super::table::{Table, emit, or_dash, printable};
use crate::failure::Failure;
use serde_json::{Value, json};

pub(super) async fn run(session: &Session, which: &Which) -> Result<(), Failure> {
    let names = select(&session.admin, &which.patterns()).await?;
    let mut failed = Ok(());
    for (n, (name, progress)) in
        gather(&session.admin, names, session.isolation).await?.into_iter().enumerate()
    {
        match progress {
            Ok(progress) if session.json => emit(&format!("{}\n", as_json(&progress)))?,
            Ok(progress) => {
                let gap = if n == 0 { "" } else { "\n" };
                emit(&format!("{gap}{}", text(&progress)))?;
            }
            Err(error) => failed = Err(failure(&name, error)),
        }
    }
    failed
}

fn as_json(progress: &Progress) -> Value {
    let group = &progress.group;
    let partitions: Vec<Value> =
        progress.partitions.iter().map(|p| partition_as_json(progress, p)).collect();
    json!({
        "group": group.group_id,
        "type": group.group_type.name(),
        "state": group.state.name(),
        "protocol_type": group.protocol_type,
        "assignor": group.assignor,
        "coordinator": {"id": group.coordinator.id, "address": group.coordinator.address},
        "group_epoch": group.group_epoch,
        "assignment_epoch": group.assignment_epoch,
        "members": group.members.len(),
        "lag": progress.total_lag(),
        "partitions": partitions,
    })
}

fn partition_as_json(progress: &Progress, p: &PartitionProgress) -> Value {
    let member = progress.member(p);
    json!({
        "topic": &*p.tp.topic,
        "partition": p.tp.partition,
        "committed": p.place.committed,
        "leader_epoch": p.committed.as_ref().and_then(|c| c.leader_epoch),
        "metadata": p.committed.as_ref().map(|c| &c.metadata),
        "log_start": p.place.begin,
        "end": p.place.end,
        "lag": p.place.lag(),
        "note": p.note(),
        "member": member.map(|m| &m.member_id),
        "group_instance_id": member.and_then(|m| m.group_instance_id.as_ref()),
        "host": member.map(|m| &m.host),
        "client_id": member.map(|m| &m.client_id),
    })
}

fn text(progress: &Progress) -> String {
    let mut text = heading(progress);
    let columns = [
        "TOPIC",
        ">PARTITION",
        ">COMMITTED",
        ">END",
        ">LAG",
        "MEMBER",
        "HOST",
        "CLIENT ID",
        "NOTE",
    ];
    let noted = progress.partitions.iter().any(|p| p.note().is_some());
    let mut table = Table::new(&columns[..columns.len() - usize::from(!noted)]);
    for p in &progress.partitions {
        let member = progress.member(p);
        let mut row = vec![
            p.tp.topic.to_string(),
            p.tp.partition.to_string(),
            or_dash(p.place.committed),
            or_dash(p.place.end),
            or_dash(p.place.lag()),
            or_dash(member.map(|m| m.group_instance_id.as_ref().unwrap_or(&m.member_id))),
            or_dash(member.map(|m| &m.host)),
            or_dash(member.map(|m| &m.client_id)),
        ];
        row.extend(noted.then(|| p.note().unwrap_or_default()));
        table.row(row);
    }
    if !table.is_empty() {
        text.push_str(&table.text());
    }
    text
}

/// Everything that is not of one partition, one thing a line.
fn heading(progress: &Progress) -> String {
    let group = &progress.group;
    let broker = format!("{} ({})", group.coordinator.id, group.coordinator.address);
    let mut lines = vec![
        ("GROUP", group.group_id.clone()),
        ("STATE", group.state.to_string()),
        ("TYPE", group.group_type.to_string()),
        ("COORDINATOR", broker),
        ("ASSIGNOR", or_dash(Some(&group.assignor).filter(|a| !a.is_empty()))),
        ("MEMBERS", group.members.len().to_string()),
        ("LAG", or_dash(progress.total_lag())),
    ];
    if let (Some(epoch), Some(assigned)) = (group.group_epoch, group.assignment_epoch) {
        lines.insert(5, ("EPOCH", format!("{epoch} (assignment {assigned})")));
    }
    lines.iter().map(|(name, value)| format!("{name:12} {}\n", printable(value))).collect()
}
