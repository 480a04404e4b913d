//! `klamm groups reset`: offsets are looked up and decided on first, for all groups; then they are shown, and set if
//! that is wanted.

mod args;
mod csv;
pub(super) mod moment;
mod plan;
mod show;
pub(super) mod topics;

pub(super) use self::args::{EXAMPLES, ResetArgs};

use self::plan::{Target, plan};
use super::Session;
use super::place::Place;
use super::progress::{bounds, offset};
use super::select::{failure, select};
use crate::failure::{FAILED, Failure, USAGE};
use klamm::admin::{GroupDescription, GroupOffsetsSpec, GroupState, OffsetSpec};
use klamm::{AdminError, ErrorCode, OffsetAndMetadata, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

/// One partition that is to be set.
#[derive(Debug)]
struct Change {
    tp: TopicPartition,
    place: Place,
    to: plan::Planned,
}

/// What is to be set, by group.
type Changes = BTreeMap<String, Vec<Change>>;

pub(super) async fn run(session: &Session, args: &ResetArgs) -> Result<(), Failure> {
    let words: Vec<String> = args.groups.iter().chain(&args.more).cloned().collect();
    let groups = select(&session.admin, &words).await?;
    let from_file = read_file(args, &groups)?;
    refuse_groups_with_members(session, &groups).await?;
    let mut committed = committed(session, groups).await?;
    let scope = if from_file.is_some() { BTreeSet::new() } else { scope(session, args).await? };
    let mut wanted = BTreeMap::new();
    for (group, committed) in &mut committed {
        let partitions: BTreeSet<TopicPartition> = match &from_file {
            Some(offsets) => {
                offsets.get(group).into_iter().flat_map(|of| of.keys().cloned()).collect()
            }
            None if args.scope.all_topics => committed.keys().cloned().collect(),
            None => scope.clone(),
        };
        wanted.insert(group.clone(), partitions);
    }
    let changes = decide(session, args, &wanted, &committed, from_file.as_ref()).await?;
    show::show(session, args, &changes)?;
    if args.execute { execute(session, &changes).await } else { Ok(()) }
}

/// Partitions named by topic.
async fn scope(session: &Session, args: &ResetArgs) -> Result<BTreeSet<TopicPartition>, Failure> {
    if args.scope.topic.is_empty() && !args.scope.all_topics {
        return Err(Failure::new(
            USAGE,
            "which partitions? give --topic TOPIC[:0,1] or --all-topics",
        ));
    }
    topics::partitions(&session.admin, &args.scope.topic).await
}

fn read_file(args: &ResetArgs, groups: &[String]) -> Result<Option<csv::Offsets>, Failure> {
    let Some(path) = &args.target.from_file else { return Ok(None) };
    let wrong = |why: String| Failure::new(USAGE, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    csv::read(&text, groups).map(Some).map_err(wrong)
}

/// Members go on from where they are, whatever is set: nothing is looked up for nothing.
async fn refuse_groups_with_members(session: &Session, groups: &[String]) -> Result<(), Failure> {
    for (name, described) in session.admin.describe_groups(groups.to_vec()).await? {
        match described {
            Ok(group) if group.members.is_empty() && group.state == GroupState::Empty => {}
            Ok(group) => return Err(in_use(&group)),
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
                eprintln!("group {name} does not exist yet");
            }
            Err(error) => return Err(failure(&name, error)),
        }
    }
    Ok(())
}

/// How many members a message names.
const MEMBERS_NAMED: usize = 3;

fn in_use(group: &GroupDescription) -> Failure {
    let named = group
        .members
        .iter()
        .take(MEMBERS_NAMED)
        .map(|m| format!("{} on {}", m.client_id, m.host.trim_start_matches('/')));
    let mut named: Vec<String> = named.collect();
    if group.members.len() > MEMBERS_NAMED {
        named.push("...".to_owned());
    }
    let count = match group.members.len() {
        1 => "a member".to_owned(),
        count => format!("{count} members"),
    };
    let why = format!(
        "group {} is {} and has {} ({}): they go on from where they are, whatever is set\n  stop them, wait until \
         `klamm groups members {}` shows none, and reset then",
        group.group_id,
        group.state,
        count,
        named.join(", "),
        group.group_id,
    );
    Failure::new(FAILED, why)
}

type Committed = BTreeMap<String, BTreeMap<TopicPartition, OffsetAndMetadata>>;

async fn committed(session: &Session, groups: Vec<String>) -> Result<Committed, Failure> {
    let wanted = groups.into_iter().map(GroupOffsetsSpec::all).collect();
    let mut committed = Committed::new();
    for (group, offsets) in session.admin.list_group_offsets(wanted).await? {
        let offsets = offsets.map_err(|error| failure(&group, error))?;
        committed.insert(group, offsets);
    }
    Ok(committed)
}

/// Decides on all partitions of all groups.
///
/// # Errors
/// When one cannot be decided on; nothing has been changed then.
async fn decide(
    session: &Session,
    args: &ResetArgs,
    wanted: &BTreeMap<String, BTreeSet<TopicPartition>>,
    committed: &Committed,
    from_file: Option<&csv::Offsets>,
) -> Result<Changes, Failure> {
    let all: BTreeSet<TopicPartition> = wanted.values().flatten().cloned().collect();
    let (begins, ends) = bounds(&session.admin, &all, session.isolation).await?;
    let found = match moment(args) {
        Some(at) => {
            let spec = |tp: &TopicPartition| (tp.clone(), OffsetSpec::Timestamp(at));
            session.admin.list_offsets(all.iter().map(spec), session.isolation).await?
        }
        None => BTreeMap::new(),
    };
    let mut changes = Changes::new();
    for (group, partitions) in wanted {
        let mut of_group = Vec::new();
        for tp in partitions {
            let failed = |e: AdminError| Failure::from(e).while_doing(format!("{tp}"));
            for looked_up in [&begins, &ends, &found] {
                looked_up.get(tp).map_or(Ok(()), |of| of.clone().map(drop)).map_err(failed)?;
            }
            let before = committed.get(group).and_then(|of| of.get(tp));
            let place = Place {
                committed: before.map(|at| at.offset),
                begin: offset(&begins, tp),
                end: offset(&ends, tp),
            };
            let target = match from_file.and_then(|of| of.get(group)).and_then(|of| of.get(tp)) {
                Some(at) => Target::Offset(*at),
                None => target(args, offset(&found, tp)),
            };
            let to = plan(target, &place).map_err(|why| {
                Failure::new(FAILED, format!("group {group}, {tp}: {why}; nothing was changed"))
            })?;
            of_group.push(Change { tp: tp.clone(), place, to });
        }
        changes.insert(group.clone(), of_group);
    }
    Ok(changes)
}

/// The moment asked for, in ms since 1970.
fn moment(args: &ResetArgs) -> Option<i64> {
    let by_duration = args.target.by_duration.map(|age| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.saturating_sub(age).as_millis()).unwrap_or(i64::MAX)
    });
    args.target.to_datetime.or(by_duration)
}

/// The command line lets exactly one of them be given.
fn target(args: &ResetArgs, found: Option<i64>) -> Target {
    let given = &args.target;
    match (given.to_offset, given.shift_by) {
        (Some(offset), _) => Target::Offset(offset),
        (_, Some(by)) => Target::ShiftBy(by),
        _ if given.to_earliest => Target::Earliest,
        _ if given.to_latest => Target::Latest,
        _ if given.to_current => Target::Current,
        _ => Target::Found(found),
    }
}

async fn execute(session: &Session, changes: &Changes) -> Result<(), Failure> {
    let (mut failed, mut count) = (Ok(()), 0);
    for (group, changes) in changes.iter().filter(|(_, changes)| !changes.is_empty()) {
        let to = |change: &Change| {
            let offset = change.to.offset;
            (change.tp.clone(), OffsetAndMetadata { offset, ..OffsetAndMetadata::default() })
        };
        let set = session.admin.alter_group_offsets(group, changes.iter().map(to).collect()).await;
        for (tp, result) in set.map_err(|error| became_busy(group, error))? {
            match result {
                Ok(()) => count += 1,
                Err(error) => {
                    failed = Err(Failure::from(error).while_doing(format!("group {group}, {tp}")));
                }
            }
        }
    }
    eprintln!("{count} {} set", if count == 1 { "offset" } else { "offsets" });
    failed
}

/// A member may have joined since it was looked.
fn became_busy(group: &str, error: AdminError) -> Failure {
    match error.code() {
        Some(ErrorCode::UNKNOWN_MEMBER_ID) => {
            let why = format!("group {group} has members now: stop them, and reset then");
            Failure::new(FAILED, why)
        }
        _ => failure(group, error),
    }
}
