//! `klamm groups delete`.

use super::Session;
use super::args::Delete;
use super::reset::topics::partitions;
use super::select::{failure, select};
use super::table::{emit, printable};
use crate::confirm::confirm;
use crate::failure::Failure;
use klamm::{AdminError, ErrorCode};
use serde_json::json;

pub(super) async fn run(session: &Session, args: &Delete) -> Result<(), Failure> {
    let groups = select(&session.admin, &args.which.patterns()).await?;
    if !args.topic.is_empty() {
        return delete_offsets(session, args, &groups).await;
    }
    let named = printable(&groups.join(", "));
    confirm(&format!("delete {named} and everything committed there?"), args.yes)?;
    let mut failed = Ok(());
    for (group, result) in session.admin.delete_groups(groups).await? {
        report(session, &group, None, &result)?;
        if let Err(error) = result {
            failed = Err(failure(&group, error));
        }
    }
    failed
}

async fn delete_offsets(
    session: &Session,
    args: &Delete,
    groups: &[String],
) -> Result<(), Failure> {
    let partitions = partitions(&session.admin, &args.topic).await?;
    let topics: Vec<&str> = args.topic.iter().map(|scope| scope.topic.as_str()).collect();
    let (groups_named, topics) = (printable(&groups.join(", ")), printable(&topics.join(", ")));
    confirm(&format!("delete what {groups_named} committed of {topics}?"), args.yes)?;
    let mut failed = Ok(());
    for group in groups {
        let results = session.admin.delete_group_offsets(group, partitions.iter().cloned()).await;
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                failed = Err(failure(group, error));
                continue;
            }
        };
        for (tp, result) in results {
            report(session, group, Some(&tp.to_string()), &result)?;
            if let Err(error) = result {
                failed = Err(refused(group, &tp.to_string(), error));
            }
        }
    }
    failed
}

fn refused(group: &str, partition: &str, error: AdminError) -> Failure {
    let hint = match error.code() {
        Some(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC) => {
            "\n  its members read this topic: stop them first"
        }
        _ => "",
    };
    let failure = Failure::from(error).while_doing(format!("group {group}, {partition}"));
    Failure::new(failure.status, format!("{failure}{hint}"))
}

/// One line of what was done.
fn report(
    session: &Session,
    group: &str,
    partition: Option<&str>,
    result: &Result<(), AdminError>,
) -> Result<(), Failure> {
    if session.json {
        let error = result.as_ref().err().map(ToString::to_string);
        let mut line = json!({"group": group, "ok": result.is_ok(), "error": error});
        if let Some(partition) = partition {
            line["partition"] = partition.into();
        }
        return emit(&format!("{line}\n"));
    }
    match (result, partition) {
        (Ok(()), Some(partition)) => {
            emit(&printable_line(&format!("{group}: {partition} deleted")))
        }
        (Ok(()), None) => emit(&printable_line(&format!("{group} deleted"))),
        (Err(_), _) => Ok(()),
    }
}

fn printable_line(text: &str) -> String {
    format!("{}\n", printable(text))
}
