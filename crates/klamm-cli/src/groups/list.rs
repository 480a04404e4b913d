//! `klamm groups list`.

use super::Session;
use super::args::List;
use super::scope::fits_any;
use super::select::complete;
use super::table::{Table, emit, or_dash};
use crate::failure::Failure;
use klamm::admin::{GroupFilter, GroupSummary};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) async fn run(session: &Session, args: &List) -> Result<(), Failure> {
    let filter =
        GroupFilter::default().states(args.state.iter().copied()).types(args.types.iter().copied());
    let mut list = session.admin.list_groups(filter).await?;
    list.groups.retain(|group| args.groups.is_empty() || fits_any(&args.groups, &group.group_id));
    let members = match session.verbose {
        true => count_members(session, &list.groups).await?,
        false => BTreeMap::new(),
    };
    let count = |group: &GroupSummary| members.get(&group.group_id).copied();
    if session.json {
        let rows: Vec<Value> = list.groups.iter().map(|g| as_json(g, count(g))).collect();
        emit(&format!("{}\n", Value::from(rows)))?;
    } else {
        emit(&text(&list.groups, session.verbose, count))?;
    }
    complete(&list)
}

/// Of those groups that can be described.
async fn count_members(
    session: &Session,
    groups: &[GroupSummary],
) -> Result<BTreeMap<String, usize>, Failure> {
    let names = groups.iter().map(|group| group.group_id.clone()).collect();
    let described = session.admin.describe_groups(names).await?;
    Ok(described
        .into_iter()
        .filter_map(|(name, of)| Some((name, of.ok()?.members.len())))
        .collect())
}

fn as_json(group: &GroupSummary, members: Option<usize>) -> Value {
    let mut row = json!({
        "group": group.group_id,
        "state": group.state.name(),
        "type": group.group_type.name(),
        "protocol_type": group.protocol_type,
        "coordinator": group.coordinator,
    });
    if let Some(members) = members {
        row["members"] = members.into();
    }
    row
}

fn text(
    groups: &[GroupSummary],
    verbose: bool,
    members: impl Fn(&GroupSummary) -> Option<usize>,
) -> String {
    let mut columns = vec!["GROUP", "STATE", "TYPE", "PROTOCOL", ">COORDINATOR"];
    columns.extend(verbose.then_some(">MEMBERS"));
    let mut table = Table::new(&columns);
    for group in groups {
        let protocol = Some(&group.protocol_type).filter(|p| !p.is_empty());
        let mut row = vec![
            group.group_id.clone(),
            group.state.to_string(),
            group.group_type.to_string(),
            or_dash(protocol),
            group.coordinator.to_string(),
        ];
        row.extend(verbose.then(|| or_dash(members(group))));
        table.row(row);
    }
    table.text()
}
