//! What a reset comes to: a table, JSON, or the CSV of Kafka's own tool.

use super::{Change, Changes, ResetArgs, csv};
use crate::failure::Failure;
use crate::groups::Session;
use crate::groups::table::{Table, emit, or_dash};
use serde_json::{Value, json};

pub(super) fn show(session: &Session, args: &ResetArgs, changes: &Changes) -> Result<(), Failure> {
    if args.export {
        return emit(&csv::write(&as_offsets(changes)));
    }
    if session.json {
        return emit(&format!("{}\n", as_json(changes, args.execute)));
    }
    emit(&text(changes))?;
    if changes.values().all(Vec::is_empty) {
        eprintln!("there is nothing to set");
    } else if !args.execute {
        eprintln!("nothing was changed; --execute does it");
    }
    Ok(())
}

fn as_offsets(changes: &Changes) -> csv::Offsets {
    let of_group = |changes: &Vec<Change>| {
        changes.iter().map(|change| (change.tp.clone(), change.to.offset)).collect()
    };
    changes.iter().map(|(group, changes)| (group.clone(), of_group(changes))).collect()
}

fn as_json(changes: &Changes, executed: bool) -> Value {
    let row = |(group, change): (&String, &Change)| {
        json!({
            "group": group,
            "topic": &*change.tp.topic,
            "partition": change.tp.partition,
            "old": change.place.committed,
            "new": change.to.offset,
            "log_start": change.place.begin,
            "end": change.place.end,
            "note": change.to.note,
            "dry_run": !executed,
        })
    };
    each(changes).map(row).collect()
}

fn each(changes: &Changes) -> impl Iterator<Item = (&String, &Change)> {
    changes.iter().flat_map(|(group, changes)| changes.iter().map(move |change| (group, change)))
}

fn text(changes: &Changes) -> String {
    let columns = ["GROUP", "TOPIC", ">PARTITION", ">OLD", ">NEW", ">CHANGE", ">LAG", "NOTE"];
    let mut table = Table::new(&columns);
    for (group, change) in each(changes) {
        let (old, new) = (change.place.committed, change.to.offset);
        table.row([
            group.clone(),
            change.tp.topic.to_string(),
            change.tp.partition.to_string(),
            or_dash(old),
            new.to_string(),
            or_dash(old.map(|old| format!("{:+}", new.saturating_sub(old)))),
            or_dash(change.place.end.map(|end| end.saturating_sub(new))),
            change.to.note.clone().unwrap_or_default(),
        ]);
    }
    table.text()
}
